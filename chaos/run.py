"""One run from an empty folder to the balance."""

import json
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
from confluent_kafka import KafkaException
from rich.console import Console

from chaos import afterwards
from chaos.agencies import UnansweredError
from chaos.breaker import Breaker, NothingBrokeError
from chaos.failpoints import Failpoints
from chaos.plan import LOADER, PHASES, PHASES_WITH_PROXIES, PROCESSES, Fault, plan
from chaos.player import Player
from chaos.processes import Processes
from chaos.proxies import Proxies
from chaos.releases import Releases
from chaos.report import Result, Watcher, show
from chaos.stillness import Stillness
from chaos.supervised import FAILPOINTS_FOLDER, FRONTS_FILE
from chaos.traffic import Traffic
from demo.doors import HttpDoor, KafkaDoor
from demo.ledger import LedgerFile
from demo.mailbox import MailboxReader
from demo.outside import Outside
from demo.run import LEDGER_FILE, SAMPLE_FOLDER, wait_for_topics
from demo.sample import Sample
from demo.scenario import deal
from demo.settler import NotSettledError, Settler, start_of
from demo.stack import Addresses, Stack, StackError
from demo.topics import TopicReader
from deploy.embedded.folder import FolderLock, empty, end_orphans
from deploy.embedded.ports import HOST

SUPERVISED = (sys.executable, "-m", "chaos.supervised")
FAULTS_FILE = "faults.log"
HTTP_SECONDS_MAX = 8.0  # a replica that is stopped does not answer; the unit's system asks the other one
TRY_SECONDS_MAX = 240.0
SETTLE_SECONDS_MAX = 180.0
TROUBLES = (
    NotSettledError,
    StackError,
    UnansweredError,
    NothingBrokeError,
    httpx.HTTPError,
    KafkaException,
    OSError,
    ValueError,
    KeyError,
)


@dataclass(frozen=True)
class Order:
    """What is asked for: the folder, how many faults, the seed, and Toxiproxy's program where there are proxies."""

    data: Path
    kills: int
    seed: int
    toxiproxy: Path | None = None

    @property
    def faults(self) -> list[Fault]:
        """What is broken."""
        return plan(self.kills, self.seed, PHASES if self.toxiproxy is None else PHASES_WITH_PROXIES)


def run(order: Order, console: Console) -> bool:
    """Break a stack as asked; return whether the books balance. Raises EmbeddedError or StackError without one."""
    begun = time.monotonic()
    _empty(order.data)
    failpoints = Failpoints(order.data / FAILPOINTS_FOLDER)
    failpoints.make()
    with ExitStack() as held:
        held.callback(end_orphans, order.data)  # a supervisor that was killed leaves its children
        proxies = held.enter_context(Proxies(order.toxiproxy, order.data)) if order.toxiproxy is not None else None
        if proxies is not None:
            (order.data / FRONTS_FILE).write_text(json.dumps(proxies.fronts), "utf-8")
        stack = held.enter_context(Stack(order.data, up=SUPERVISED))
        addresses = stack.wait_until_up(lambda _: None)
        console.print(
            f"[green]✓[/] stack up in {time.monotonic() - begun:.0f} s; seed {order.seed}, {order.kills} faults"
        )
        result = _play(order, stack, addresses, failpoints, proxies=proxies, console=console, begun=begun)
    show(result, console)
    return result.good


def _empty(data: Path) -> None:
    """Begin with an empty folder. Raises EmbeddedError when a stack runs there."""
    data.mkdir(parents=True, exist_ok=True)
    lock = FolderLock(data)
    lock.take()
    try:
        end_orphans(data)
        empty(data)
        for name in (LEDGER_FILE, FAULTS_FILE, FRONTS_FILE):
            (data / name).unlink(missing_ok=True)
    finally:
        lock.release()


def _play(
    order: Order,
    stack: Stack,
    addresses: Addresses,
    failpoints: Failpoints,
    *,
    proxies: Proxies | None,
    console: Console,
    begun: float,
) -> Result:
    sample, watcher = Sample.read(SAMPLE_FOLDER), Watcher(console)
    topics = TopicReader(addresses.bootstrap_servers, sample.agencies)
    with (
        LedgerFile(stack.data / LEDGER_FILE) as ledger,
        httpx.Client(timeout=HTTP_SECONDS_MAX, trust_env=False) as client,
    ):
        ports = json.loads((stack.data / "ports.json").read_text("utf-8"))
        http = HttpDoor(
            addresses,
            client,
            replicas=[f"http://{HOST}:{ports['ingest-2']}"],
            seconds_max=TRY_SECONDS_MAX,
            passing=range(500, 600),
        )
        kafka, stillness = KafkaDoor(addresses, TRY_SECONDS_MAX), Stillness()
        outside = Outside(addresses, topics, MailboxReader(addresses.mailbox, client), http)
        settler = Settler(
            sample,
            stack=stack,
            outside=outside,
            ledger=ledger,
            progress=watcher,
            settle_seconds_max=SETTLE_SECONDS_MAX,
            clock_seconds_max=SETTLE_SECONDS_MAX,
        )
        breaker = Breaker(
            stack,
            Processes(stack.data),
            failpoints,
            Releases(stack.data, SAMPLE_FOLDER, failpoints.environments()[LOADER]),
            reader=topics,
            wiped=kafka.renew,
            stillness=stillness,
            log=stack.data / FAULTS_FILE,
            proxies=proxies,
        )
        try:
            wait_for_topics(topics)
            topics.start()
            scenario = deal(sample, order.seed, start_of(outside).astimezone(sample.timetable.zone))
            player = Player(
                scenario,
                Traffic(sample, scenario),
                settler,
                doors=(kafka, http),
                reader=topics,
                stillness=stillness,
                breaker=breaker,
                watcher=watcher,
            )
            trouble: str | None = None
            try:
                player.play(order.faults)
            except TROUBLES as error:
                trouble = f"{type(error).__name__}: {error}"
            breaker.close()
            addresses_of = {name: f"http://{HOST}:{ports[name]}" for name in PROCESSES}
            return Result(
                seed=order.seed,
                planned=order.kills,
                broken=breaker.broken,
                imbalances=[*settler.balance().imbalances, *afterwards.look(addresses_of, client)],
                sent_count=player.agencies.sent_count,
                again_count=player.agencies.again_count,
                unanswered_count=player.agencies.unanswered_count,
                unwilling=http.unwilling,
                seconds=time.monotonic() - begun,
                data=stack.data,
                trouble=trouble,
            )
        finally:
            breaker.close()
            topics.stop()
