"""Promise 7's base: a watermark is believed only after the event that it follows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from shared.bus import slot_of
from shared.bus.inbox import Identity
from shared.bus.watermark import Watermarks
from shared.events.submissions import WatermarkV1
from tests.bus.conftest import MakeCounter
from tests.bus.counter import BUS, Counter
from tests.bus.nulls import CredulousWatermarks
from tests.parts import until

AT = datetime(2024, 6, 12, 10, 0, tzinfo=UTC)
PARTITION = slot_of("SKHDT")


async def mark(service: Counter, at: datetime, after: str | None, partition: int = PARTITION) -> None:
    async with service.units_of_work.begin() as work:
        work.publish_to_partition(WatermarkV1(at=at, after=after), partition=partition)


async def read(service: Counter, partition: int = PARTITION) -> datetime | None:
    async with service.units_of_work.begin() as work:
        return (await work.parts.watermarks.read_all(work.session)).get(partition)


async def a_watermark_before_its_event_is_not_believed(make: MakeCounter, watermarks: Watermarks | None) -> None:
    """As after a loss of the broker's disk: watermarks come again before the events that they follow."""
    service = await make(change=lambda parts: parts if watermarks is None else replace(parts, watermarks=watermarks))
    await mark(service, AT, after="not-yet-come")
    await until(lambda: len(service.watermarks_believed) == 1)
    assert await read(service) is None


async def test_a_watermark_before_its_event_is_not_believed(counter: MakeCounter) -> None:
    await a_watermark_before_its_event_is_not_believed(counter, None)


async def test_without_the_check_a_watermark_is_believed_too_early(counter: MakeCounter) -> None:
    with pytest.raises(AssertionError, match=r"assert datetime.* is None"):
        await a_watermark_before_its_event_is_not_believed(counter, CredulousWatermarks())


async def test_a_watermark_after_its_event_is_believed_and_never_moves_back(counter: MakeCounter) -> None:
    service = await counter()
    await service.count("SKHDT", 1)
    async with service.units_of_work.begin() as work:
        outbox = service.outbox
        after = await outbox.last_event_id(work.session, service.topic("counted"), PARTITION)
        work.publish_to_partition(WatermarkV1(at=AT, after=after), partition=PARTITION)
    await mark(service, AT - timedelta(hours=1), after=None)
    await until(lambda: len(service.watermarks_believed) == 2)
    assert after is not None
    assert service.watermarks_believed == [True, True]
    assert await read(service) == AT
    assert await read(service, (PARTITION + 1) % 12) is None


async def test_the_last_event_of_a_partition_is_no_watermark(counter: MakeCounter) -> None:
    service = await counter(started=False)
    async with service.units_of_work.begin(units=["SKHDT"]) as work:
        first = await service.outbox.last_event_id(work.session, service.topic("counted"), PARTITION)
    await service.count("SKHDT", 1)
    await mark(service, AT, after=None)
    async with service.units_of_work.begin() as work:
        last = await service.outbox.last_event_id(work.session, service.topic("counted"), PARTITION)
    rows = await service.rows(BUS.outbox)
    assert (first, last) == (None, rows[0]["event_id"])


async def test_the_last_event_of_a_partition_is_the_one_that_was_sent_last(counter: MakeCounter) -> None:
    """A row that committed late is sent behind one with a higher identity; what is not sent yet comes after both."""
    service = await counter(started=False)
    await service.count("SKHDT", 1, 2)
    first, second = [row["event_id"] for row in await service.rows(BUS.outbox)]
    async with service.units_of_work.begin() as work:
        for offset, event_id in enumerate((second, first)):
            sent = update(BUS.outbox).where(BUS.outbox.c.event_id == event_id)
            await work.session.execute(sent.values(sent_at=AT + timedelta(seconds=offset), sent_offset=offset))
        last = await service.outbox.last_event_id(work.session, service.topic("counted"), PARTITION)
    await service.count("SKHDT", 3)
    async with service.units_of_work.begin() as work:
        after = await service.outbox.last_event_id(work.session, service.topic("counted"), PARTITION)
    assert last == first
    assert after not in (None, first, second)


async def test_an_event_that_was_skipped_or_put_aside_counts_as_come(counter: MakeCounter) -> None:
    """Else a reader that does not care for the last event of a partition would wait for ever."""
    service = await counter()
    service.before_effect = _fail
    await service.count("SKHDT", 1)
    async with service.units_of_work.begin() as work:
        after = await service.outbox.last_event_id(work.session, service.topic("counted"), PARTITION)
        work.publish_to_partition(WatermarkV1(at=AT, after=after), partition=PARTITION)
    await until(lambda: service.watermarks_believed, seconds=20)
    assert service.watermarks_believed[-1]
    assert len(await service.rows(BUS.dead_letters)) == 1


def _fail(event: object) -> None:
    raise ZeroDivisionError


async def test_no_box_keeps_watermarks(counter: MakeCounter) -> None:
    """One a second and partition would fill both for nothing."""
    service = await counter()
    await mark(service, AT, after=None)
    await until(lambda: service.watermarks_believed)

    async def outbox_is_empty() -> bool:
        return not await service.rows(BUS.outbox)

    await until(outbox_is_empty)
    assert await service.rows(BUS.inbox) == []
    async with service.units_of_work.begin() as work:
        assert not await work.parts.inbox.contains(work.session, Identity("urn:lienthong:counter", "any"))
