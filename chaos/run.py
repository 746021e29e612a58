"""One run from an empty folder to the balance."""

import json
import sys
import time
from pathlib import Path

import httpx
from confluent_kafka import KafkaException
from rich.console import Console

from chaos.agencies import UnansweredError
from chaos.breaker import Breaker, NothingBrokeError
from chaos.failpoints import Failpoints
from chaos.plan import LOADER, plan
from chaos.player import Player
from chaos.processes import Processes
from chaos.releases import Releases
from chaos.report import Result, Watcher, show
from chaos.supervised import FAILPOINTS_FOLDER
from chaos.traffic import Traffic
from demo.doors import HttpDoor, KafkaDoor
from demo.ledger import LedgerFile
from demo.mailbox import MailboxReader
from demo.outside import Outside
from demo.run import LEDGER_FILE, SAMPLE_FOLDER
from demo.sample import Sample
from demo.scenario import deal
from demo.settler import NotSettledError, Settler, start_of
from demo.stack import Addresses, Stack, StackError
from demo.topics import TopicReader
from deploy.embedded.folder import end_orphans

SUPERVISED = (sys.executable, "-m", "chaos.supervised")
FAULTS_FILE = "faults.log"
HTTP_SECONDS_MAX = 8.0  # a replica that is stopped does not answer; the unit's system asks the other one
TRY_SECONDS_MAX = 240.0
SETTLE_SECONDS_MAX = 180.0
TOPICS_SECONDS_MAX = 30.0
POLL_SECONDS = 0.1
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


def run(data: Path, kills: int, seed: int, console: Console) -> bool:
    """Break a stack so many times; return whether the books balance. Raises StackError when it does not start."""
    begun = time.monotonic()
    sample = Sample.read(SAMPLE_FOLDER)
    data.mkdir(parents=True, exist_ok=True)
    for name in (LEDGER_FILE, FAULTS_FILE):
        (data / name).unlink(missing_ok=True)
    failpoints = Failpoints(data / FAILPOINTS_FOLDER)
    failpoints.make()
    try:
        with Stack(data, up=SUPERVISED) as stack:
            addresses = stack.wait_until_up(lambda _: None)
            console.print(f"[green]✓[/] stack up in {time.monotonic() - begun:.0f} s; seed {seed}, {kills} faults")
            result = _play(sample, stack, addresses, failpoints, kills=kills, seed=seed, console=console, begun=begun)
    finally:
        end_orphans(data)  # a supervisor that was killed and not started again leaves its children
    show(result, console)
    return result.good


def _play(
    sample: Sample,
    stack: Stack,
    addresses: Addresses,
    failpoints: Failpoints,
    *,
    kills: int,
    seed: int,
    console: Console,
    begun: float,
) -> Result:
    topics = TopicReader(addresses.bootstrap_servers, sample.agencies)
    watcher = Watcher(console)
    with (
        LedgerFile(stack.data / LEDGER_FILE) as ledger,
        httpx.Client(timeout=HTTP_SECONDS_MAX, trust_env=False) as client,
    ):
        ports = json.loads((stack.data / "ports.json").read_text("utf-8"))
        http = HttpDoor(addresses, client, [f"http://127.0.0.1:{ports['ingest-2']}"], TRY_SECONDS_MAX)
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
            watermark=topics.watermark,
            log=stack.data / FAULTS_FILE,
        )
        try:
            _wait_for_topics(topics)
            topics.start()
            scenario = deal(sample, seed, start_of(outside).astimezone(sample.timetable.zone))
            player = Player(
                scenario,
                Traffic(sample, scenario),
                settler,
                doors=(KafkaDoor(addresses, TRY_SECONDS_MAX), http),
                reader=topics,
                breaker=breaker,
                watcher=watcher,
            )
            trouble: str | None = None
            try:
                player.play(plan(kills, seed))
            except TROUBLES as error:
                trouble = f"{type(error).__name__}: {error}"
            return Result(
                seed=seed,
                planned=kills,
                broken=breaker.broken,
                imbalances=settler.balance().imbalances,
                sent_count=player.agencies.sent_count,
                again_count=player.agencies.again_count,
                unanswered_count=player.agencies.unanswered_count,
                seconds=time.monotonic() - begun,
                data=stack.data,
                trouble=trouble,
            )
        finally:
            breaker.close()
            topics.stop()


def _wait_for_topics(topics: TopicReader) -> None:
    until = time.monotonic() + TOPICS_SECONDS_MAX
    while missing := topics.missing_topics():
        if time.monotonic() > until:
            raise StackError(f"after {TOPICS_SECONDS_MAX:.0f} s there are no topics {', '.join(missing)}")
        time.sleep(POLL_SECONDS)
