"""Business time jumps back an hour and forward a month while everything runs: each is told once, and what is true."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Collection
from datetime import datetime, timedelta

import httpx
import pytest
import pytest_asyncio
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from demo.facts import DeadlineFact
from demo.mailbox import MailboxReader
from demo.timetable import Due
from deploy.embedded.stack import DEFAULT_START
from shared.bus.topics import SUBMISSIONS
from shared.events.submissions import WatermarkV1
from tests.parts import until
from tests.system.agencies import Package, packages
from tests.system.town import Town, a_town

pytestmark = pytest.mark.faults

HOUR, HALF_AN_HOUR = timedelta(hours=1), timedelta(minutes=30)
SENT_EARLY, SENT_LATE = 15, 10
Notice = tuple[str, str, str]
"""Whom a mail tells what: address, delivery, step."""


@pytest_asyncio.fixture(scope="module")
async def town() -> AsyncIterator[Town]:
    async with a_town() as town:
        yield town


def _owed(town: Town, end: datetime, sent: Collection[str]) -> list[Due]:
    """Return what falls due at an instant and was not sent."""
    return [due for due in town.sample.timetable.dues if due.ends_at == end and due.delivery not in sent]


def _notices(town: Town, owed: Collection[Due], step: str, at: datetime) -> set[Notice]:
    return {(contact.email, due.delivery, step) for due in owed for contact in town.sample.timetable.told(due, at)}


async def _told(town: Town) -> Counter[Notice]:
    """Count what the mailbox tells whom."""

    def read() -> Counter[Notice]:
        with httpx.Client(trust_env=False) as client:
            mails = MailboxReader(town.stack.addresses.mailbox or "", client).mails()
        return Counter((to, *step) for mail in mails for to in mail.to for step in mail.steps)

    return await asyncio.to_thread(read)


async def _all_are_told(town: Town, wanted: set[Notice]) -> None:
    async def all_told() -> bool:
        return wanted <= (await _told(town)).keys()

    await until(all_told, seconds=60, every=0.2)


def _watermarks(town: Town) -> list[list[datetime]]:
    """Return all watermarks that were published, in order, by partition."""
    settings = {"bootstrap.servers": town.stack.addresses.bootstrap_servers, "group.id": "watermarks"}
    consumer = Consumer({**settings, "enable.auto.commit": False})
    found = []
    try:
        for number in range(SUBMISSIONS.partitions):
            partition = TopicPartition(SUBMISSIONS.name, number, OFFSET_BEGINNING)
            _, end = consumer.get_watermark_offsets(partition, timeout=10)
            consumer.assign([partition])
            marks, next_offset = [], 0
            while next_offset < end:
                for message in consumer.consume(500, 1.0):
                    next_offset = (message.offset() or 0) + 1
                    if dict(message.headers() or [])["ce_type"] == WatermarkV1.ce_type.encode():
                        marks.append(datetime.fromisoformat(json.loads(message.value() or b"")["at"]))
            found.append(marks)
    finally:
        consumer.close()
    return found


def _deliveries(sent: Collection[Package]) -> set[str]:
    return {str(delivery) for package in sent for delivery in package.deliveries}


@pytest.mark.timeout(400)
async def test_each_step_is_told_once_and_each_deadline_passes_once_whatever_the_clock_does(town: Town) -> None:
    first, *later = sorted({due.ends_at for due in town.sample.timetable.dues})
    (reminder,) = town.sample.timetable.reminders
    of_first = [
        package
        for package in packages(town.sample, 85, open_at=DEFAULT_START)
        if _deliveries([package]) <= {due.delivery for due in town.sample.timetable.dues if due.ends_at == first}
    ]
    early, one_more, late = of_first[:SENT_EARLY], of_first[SENT_EARLY], of_first[SENT_EARLY + 1 :][:SENT_LATE]

    reminded_at = town.sample.timetable.reminder_at(_owed(town, first, ())[0], reminder)
    await town.move_clock(reminded_at + HALF_AN_HOUR)
    wanted = _notices(town, _owed(town, first, ()), reminder.step, reminded_at)
    await _all_are_told(town, wanted)

    # Back over the reminder: the doors work, the watermark stands.
    before = town.reader.watermark()
    await town.move_clock(reminded_at - HALF_AN_HOUR)
    await town.send(early)
    await town.settle()
    assert before is not None
    assert before <= (town.reader.watermark() or before) < reminded_at + HOUR

    # Over the deadline: it goes on, reminds nobody again, and the deadline passes for the others.
    await town.move_clock(first + HALF_AN_HOUR)
    owed = _owed(town, first, _deliveries(early))
    wanted |= _notices(town, owed, "passed", first)
    await _all_are_told(town, wanted)

    # Back over the deadline: what comes now is in time by the clock, though the deadline was called.
    await town.move_clock(first - HALF_AN_HOUR)
    await town.send([one_more])
    await town.settle()

    # A month on, while packages flow.
    async with town.sending(late) as sending:
        await town.move_clock(first + timedelta(days=30) + HALF_AN_HOUR)
    await sending
    for end in (each for each in later if each < town.now()):
        wanted |= _notices(town, _owed(town, end, ()), "passed", end)
    await _all_are_told(town, wanted)
    await town.settle()
    await town.watermark_is_past(first + timedelta(days=30))

    assert await _told(town) == Counter(wanted), "nobody was told anything twice, nor anything else"
    facts = [fact for fact in town.reader.facts() if isinstance(fact, DeadlineFact)]
    changes = Counter((fact.delivery, fact.change) for fact in facts)
    passed = {delivery for delivery, change in changes if change == "passed"}
    assert set(changes.values()) == {1}
    assert passed == {delivery for _, delivery, step in wanted if step == "passed"}
    in_time = {fact.delivery for fact in facts if fact.change == "met" and fact.in_time}
    assert in_time >= _deliveries([*early, one_more])
    for marks in await asyncio.to_thread(_watermarks, town):
        assert marks, "each partition has some"
        assert marks == sorted(marks), "the watermark never went back"
