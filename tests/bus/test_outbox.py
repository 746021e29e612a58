"""Promise 1: state and outgoing event are one. And what may be written to the outbox at all."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import text

from shared.bus import UNITLESS, Parts, slot_of
from shared.bus.errors import MessageTooLargeError, UnlockedUnitError, WrongTopicError
from shared.bus.outbox import Outbox
from tests.bus.conftest import MakeCounter
from tests.bus.counter import BUS, EFFECTS, Counter
from tests.bus.events import CountedV1, KeptV1
from tests.bus.kafka_tools import read_all
from tests.bus.nulls import HastyOutbox, NullUnitLock, TardyOutbox
from tests.parts import Broker, until

MARKER = 99


class BreakdownError(Exception):
    """The process has had enough."""


async def a_rolled_back_transaction_publishes_nothing(make: MakeCounter, outbox: Outbox | None) -> None:
    """The reader sees the marker that came after it, and nothing before the marker."""

    def change(parts: Parts) -> Parts:
        return parts if outbox is None else replace(parts, outbox=outbox)

    writer, reader = await make(started=False, change=change), await make()
    with pytest.raises(BreakdownError):
        await _write_and_break(writer)
    await reader.count("SKHDT", MARKER)
    await until(lambda: _done(reader, "SKHDT", MARKER))
    assert await reader.numbers("SKHDT") == [MARKER]


async def _write_and_break(service: Counter) -> None:
    async with service.units_of_work.begin(units=["SKHDT"]) as work:
        work.publish(CountedV1(number=1), unit="SKHDT")
        await work.flush()
        raise BreakdownError


async def a_committed_transaction_is_published_though_its_process_dies(
    make: MakeCounter, outbox: Outbox | None
) -> None:
    """The writer's process has no relay: it is gone the moment it has committed. Another replica publishes."""

    def change(parts: Parts) -> Parts:
        return parts if outbox is None else replace(parts, outbox=outbox)

    writer = await make(started=False, change=change)
    await writer.count("SKHDT", 1)
    reader = await make()
    await reader.count("SKHDT", MARKER)
    await until(lambda: _done(reader, "SKHDT", MARKER))
    assert await reader.numbers("SKHDT") == [1, MARKER]


async def _done(service: Counter, unit: str, number: int) -> bool:
    return number in await service.numbers(unit)


async def test_a_rolled_back_transaction_publishes_nothing(counter: MakeCounter) -> None:
    await a_rolled_back_transaction_publishes_nothing(counter, None)


async def test_without_the_outbox_a_rolled_back_transaction_leaves_a_ghost(counter: MakeCounter, kafka: Broker) -> None:
    with pytest.raises(AssertionError, match=r"assert \[1, 99\] == \[99\]"):
        await a_rolled_back_transaction_publishes_nothing(counter, HastyOutbox(kafka.bootstrap_servers))


async def test_a_committed_transaction_is_published_though_its_process_dies(counter: MakeCounter) -> None:
    await a_committed_transaction_is_published_though_its_process_dies(counter, None)


async def test_without_the_outbox_a_committed_transaction_is_lost_with_its_process(counter: MakeCounter) -> None:
    with pytest.raises(AssertionError, match=r"assert \[99\] == \[1, 99\]"):
        await a_committed_transaction_is_published_though_its_process_dies(counter, TardyOutbox())


async def order_on_the_bus_is_the_order_of_writing(make: MakeCounter, *, locked: bool) -> None:
    """Of two transactions for one unit, the first to write is the first on the bus, though it commits last."""
    service = await make(
        change=(lambda parts: parts) if locked else lambda parts: replace(parts, unit_lock=NullUnitLock())
    )
    wrote, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        async with service.units_of_work.begin(units=["SKHDT"]) as work:
            work.publish(CountedV1(number=1), unit="SKHDT")
            await work.flush()
            wrote.set()
            await go_on.wait()

    async def second_is_on_the_bus_or_waits() -> bool:
        async with service.engine.connect() as connection:
            waiting = await connection.scalar(
                text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            )
        return bool(waiting) or await _done(service, "SKHDT", 2)

    async with asyncio.TaskGroup() as group:
        group.create_task(slow())
        await wrote.wait()
        group.create_task(service.count("SKHDT", 2))
        await until(second_is_on_the_bus_or_waits)
        go_on.set()
    await until(lambda: _done(service, "SKHDT", 1))
    await until(lambda: _done(service, "SKHDT", 2))
    assert await service.numbers("SKHDT") == [1, 2]


async def test_order_on_the_bus_is_the_order_of_writing(counter: MakeCounter) -> None:
    await order_on_the_bus_is_the_order_of_writing(counter, locked=True)


async def test_without_the_unit_lock_identity_order_is_not_commit_order(counter: MakeCounter) -> None:
    with pytest.raises(AssertionError, match=r"assert \[2, 1\] == \[1, 2\]"):
        await order_on_the_bus_is_the_order_of_writing(counter, locked=False)


async def test_a_sent_row_stays_and_says_where_it_stands(counter: MakeCounter, kafka: Broker, prefix: str) -> None:
    service = await counter(consume=False)
    await service.count("SKHDT", 1, 2)
    await until(lambda: _all_sent(service))
    rows = await service.rows(BUS.outbox)
    records = await read_all(kafka.bootstrap_servers, f"{prefix}.counted")
    assert [(row["partition"], row["sent_offset"]) for row in rows] == [(slot_of("SKHDT"), 0), (slot_of("SKHDT"), 1)]
    assert {row["cluster_id"] for row in rows} == {service.bus.cluster.cluster_id}
    assert [record.value for record in records] == [row["value"] for row in rows]
    assert {record.partition for record in records} == {slot_of("SKHDT")}


async def _all_sent(service: Counter) -> bool:
    return all(row["sent_at"] is not None for row in await service.rows(BUS.outbox))


async def test_rows_of_compacted_topics_go_when_sent(counter: MakeCounter, kafka: Broker, prefix: str) -> None:
    service = await counter(consume=False)
    async with service.units_of_work.begin(units=[UNITLESS]) as work:
        work.publish(KeptV1(text="a"), unit=UNITLESS, subject="key-a")
        work.publish(KeptV1(text="b"), unit=UNITLESS, key="key-b", subject="other")
        work.publish_tombstone(f"{prefix}.kept", key="key-a")
    await until(lambda: _none_left(service))
    records = await read_all(kafka.bootstrap_servers, f"{prefix}.kept")
    assert [(record.key, record.value is None) for record in records] == [
        (b"key-a", False),
        (b"key-b", False),
        (b"key-a", True),
    ]


async def _none_left(service: Counter) -> bool:
    return not await service.rows(BUS.outbox)


async def test_a_message_that_kafka_refuses_is_parked_and_the_others_go_on(counter: MakeCounter, prefix: str) -> None:
    """The kit refuses what is too large for the table's limit; here the topic takes less than the table says."""
    service = await counter(consume=False)
    big = "x" * 1_100_000
    async with service.engine.begin() as connection:
        for name in ("first", "big", "last"):
            await connection.execute(
                BUS.outbox.insert().values(
                    slot=3,
                    topic=f"{prefix}.counted",
                    partition=3,
                    key="X",
                    value=(big if name == "big" else name).encode(),
                    headers={},
                    event_id=name,
                )
            )
    await until(lambda: _settled(service))
    rows = {row["event_id"]: row for row in await service.rows(BUS.outbox)}
    assert "MessageSizeTooLargeError" in str(rows["big"]["parked_reason"])
    assert rows["big"]["sent_at"] is None
    assert (rows["first"]["sent_offset"], rows["last"]["sent_offset"]) == (0, 1)


async def _settled(service: Counter) -> bool:
    rows = await service.rows(BUS.outbox)
    return all(row["sent_at"] is not None or row["parked_reason"] is not None for row in rows)


async def test_what_cannot_be_published_is_refused_when_it_is_written(counter: MakeCounter, prefix: str) -> None:
    """A wrong row would stop its slot for good, so it never becomes one."""
    service = await counter(started=False)
    async with service.units_of_work.begin(units=["SKHDT"]) as work:
        with pytest.raises(UnlockedUnitError, match="STC"):
            work.publish(CountedV1(number=1), unit="STC")
        with pytest.raises(WrongTopicError, match="does not belong"):
            work.publish(CountedV1(number=1), unit="SKHDT", topic=f"{prefix}.echoed")
        with pytest.raises(WrongTopicError, match="not in the table"):
            work.publish(CountedV1(number=1), unit="SKHDT", topic="no-such-topic")
        with pytest.raises(WrongTopicError, match="not compacted"):
            work.publish_tombstone(f"{prefix}.counted", key="SKHDT", unit="SKHDT")
        with pytest.raises(MessageTooLargeError, match="takes 1048576"):
            work.publish(CountedV1(number=1, note="x" * 1_050_000), unit="SKHDT")
        with pytest.raises(ValueError, match="needs a key"):
            work.publish(KeptV1(text=""), unit="SKHDT")
        with pytest.raises(WrongTopicError, match="on no topic"):
            work.publish(EFFECTLESS, unit="SKHDT")
    assert await service.rows(BUS.outbox) == []
    assert await service.rows(EFFECTS) == []


class EffectlessV1(CountedV1):
    """A type that the table of topics does not know."""


EFFECTLESS = EffectlessV1(number=1)
