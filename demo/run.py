"""One performance from the start of the stack to the summary."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from confluent_kafka import KafkaException
from rich.console import Console

from demo.checker import Balance
from demo.checks.imbalance import Books, Imbalance
from demo.doors import HttpDoor, KafkaDoor
from demo.expectations import expectations_of
from demo.ledger import LedgerFile
from demo.mailbox import MailboxReader
from demo.outside import Outside
from demo.planter import Planter
from demo.progress import Watcher
from demo.report import Result, show
from demo.sample import Sample
from demo.scenario import Scenario, deal
from demo.settler import NotSettledError, start_of
from demo.stack import Addresses, Stack, StackError
from demo.topics import TopicReader

LEDGER_FILE = "ledger.jsonl"
SAMPLE_FOLDER = Path(__file__).resolve().parent.parent / "examples" / "khanh-hoa"
HTTP_SECONDS_MAX = 30.0
TOPICS_SECONDS_MAX = 30.0
POLL_SECONDS = 0.1
TROUBLES = (NotSettledError, StackError, httpx.HTTPError, KafkaException, OSError, ValueError, KeyError)


@dataclass(frozen=True)
class _Meeting:
    """What meets the stack: the ways to look, and the doors."""

    outside: Outside
    doors: tuple[KafkaDoor, HttpDoor]
    ledger: LedgerFile


def run(data: Path, seed: int, console: Console, *, keep: bool) -> bool:
    """Play one scenario; return whether the books balance. Raises StackError when the stack does not start or stop."""
    sample, begun = Sample.read(SAMPLE_FOLDER), time.monotonic()
    kept: Addresses | None = None
    with Stack(data) as stack, Watcher(console) as watcher:
        addresses = stack.wait_until_up(watcher.starting)
        with _meeting(stack, addresses, sample) as meeting:
            scenario = deal(sample, seed, start_of(meeting.outside).astimezone(sample.timetable.zone))
            watcher.began(scenario, time.monotonic() - begun)
            result = _play(scenario, sample, stack, meeting, watcher)
        if keep:
            stack.hand_over()
            kept = addresses
        else:
            watcher.stopping()
            stack.stop()
    show(result, time.monotonic() - begun, console, kept)
    return result.good


@contextmanager
def _meeting(stack: Stack, addresses: Addresses, sample: Sample) -> Iterator[_Meeting]:
    topics = TopicReader(addresses.bootstrap_servers, sample.agencies)
    path = stack.data / LEDGER_FILE
    path.unlink(missing_ok=True)  # an earlier run's
    # No proxy of the environment: everything is on this machine.
    with LedgerFile(path) as ledger, httpx.Client(timeout=HTTP_SECONDS_MAX, trust_env=False) as client:
        door = HttpDoor(addresses, client)
        try:
            wait_for_topics(topics)
            topics.start()
            outside = Outside(addresses, topics, MailboxReader(addresses.mailbox, client), door)
            yield _Meeting(outside, (KafkaDoor(addresses), door), ledger)
        finally:
            topics.stop()


def _play(scenario: Scenario, sample: Sample, stack: Stack, meeting: _Meeting, watcher: Watcher) -> Result:
    """Play and check. What breaks the play off becomes part of the result: the books are shown as far as they go."""
    planter = Planter(
        scenario,
        sample,
        stack=stack,
        outside=meeting.outside,
        doors=meeting.doors,
        ledger=meeting.ledger,
        progress=watcher,
    )
    trouble: str | None = None
    try:
        planter.play()
    except TROUBLES as error:
        trouble = f"{type(error).__name__}: {error}"
    balance = planter.balance()
    entries = tuple(planter.entries)
    books = Books(
        entries,
        expectations_of(entries, sample.timetable),
        meeting.outside.facts(),
        sample.timetable,
        frozenset(map(str, sample.past)),
    )
    if trouble is None:
        balance = Balance((*balance.imbalances, *_not_played(planter, scenario)))
    return Result(books, sample, balance, scenario.seed, stack.data, trouble)


def _not_played(planter: Planter, scenario: Scenario) -> list[Imbalance]:
    """Return what was planned and never announced: the books are complete only when all was played."""
    announced = {entry.item for entry in planter.entries if entry.kind == "sending"}
    planned = [dispatch for case in scenario.cases for dispatch in case.dispatches] + list(scenario.intruders)
    return [
        Imbalance("not_played", dispatch.item, dispatch.what) for dispatch in planned if dispatch.item not in announced
    ]


def wait_for_topics(topics: TopicReader) -> None:
    """Wait until all topics that are read from outside are there. Raises StackError when they do not come."""
    begun = time.monotonic()
    while missing := topics.missing_topics():
        if time.monotonic() - begun > TOPICS_SECONDS_MAX:
            raise StackError(f"after {TOPICS_SECONDS_MAX:.0f} s there are no topics {', '.join(missing)}")
        time.sleep(POLL_SECONDS)
