"""A topic read whole: caught up before it is ready, tombstones, kept up to date, read again on another cluster."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.bus import UNITLESS, CompactedTable, Record
from tests.bus.conftest import MakeCounter
from tests.bus.events import KeptV1
from tests.bus.kafka_tools import write
from tests.parts import Broker, until


class Shelf:
    """What the table was told."""

    def __init__(self) -> None:
        self.entries: dict[bytes, bytes] = {}
        self.resets = 0

    def apply(self, record: Record) -> None:
        if record.value == b"impossible":
            raise ZeroDivisionError
        if record.value is None:
            self.entries.pop(record.key or b"", None)
        else:
            self.entries[record.key or b""] = record.value

    def reset(self) -> None:
        self.entries.clear()
        self.resets += 1


@asynccontextmanager
async def reading(table: CompactedTable) -> AsyncIterator[None]:
    task = asyncio.create_task(table.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_table_is_ready_when_it_has_read_what_was_there_and_goes_on(
    counter: MakeCounter, kafka: Broker, prefix: str
) -> None:
    await counter(started=False)
    topic, shelf = f"{prefix}.kept", Shelf()
    many = [(f"key-{number}".encode(), b"x", ()) for number in range(1200)]
    await write(kafka.bootstrap_servers, topic, *many, (b"key-0", None, ()), (b"key-1", b"", ()))
    table = CompactedTable(kafka.bootstrap_servers, topic, shelf.apply, service="counter")
    assert not table.ready.is_set()
    async with reading(table):
        await asyncio.wait_for(table.ready.wait(), 10)
        assert len(shelf.entries) == 1199
        assert b"key-0" not in shelf.entries
        assert shelf.entries[b"key-1"] == b""
        await write(kafka.bootstrap_servers, topic, (b"late", b"1", ()))
        await until(lambda: b"late" in shelf.entries)


async def test_an_empty_topic_is_ready_at_once(counter: MakeCounter, kafka: Broker, prefix: str) -> None:
    await counter(started=False)
    table = CompactedTable(kafka.bootstrap_servers, f"{prefix}.kept", Shelf().apply, service="counter")
    async with reading(table):
        await asyncio.wait_for(table.ready.wait(), 10)


async def test_one_record_that_cannot_be_applied_does_not_stop_the_others(
    counter: MakeCounter, kafka: Broker, prefix: str
) -> None:
    await counter(started=False)
    topic, shelf = f"{prefix}.kept", Shelf()
    await write(kafka.bootstrap_servers, topic, (b"a", b"1", ()), (b"b", b"impossible", ()), (b"c", b"3", ()))
    table = CompactedTable(kafka.bootstrap_servers, topic, shelf.apply, service="counter")
    async with reading(table):
        await asyncio.wait_for(table.ready.wait(), 10)
        assert set(shelf.entries) == {b"a", b"c"}


async def test_a_table_is_read_again_after_a_reset(counter: MakeCounter, kafka: Broker, prefix: str) -> None:
    await counter(started=False)
    topic, shelf = f"{prefix}.kept", Shelf()
    await write(kafka.bootstrap_servers, topic, (b"a", b"1", ()))
    table = CompactedTable(kafka.bootstrap_servers, topic, shelf.apply, service="counter", on_reset=shelf.reset)
    async with reading(table):
        await asyncio.wait_for(table.ready.wait(), 10)
        shelf.entries[b"stale"] = b""
        table.reset()
        await until(lambda: shelf.resets == 1)
        await asyncio.wait_for(table.ready.wait(), 10)
        await until(lambda: shelf.entries == {b"a": b"1"})


async def test_a_service_consumes_only_when_its_tables_are_ready(counter: MakeCounter, prefix: str) -> None:
    shelf = Shelf()
    writer = await counter(consume=False)
    async with writer.units_of_work.begin(units=[UNITLESS]) as work:
        work.publish(KeptV1(text="a"), unit=UNITLESS, subject="key-a")
    service = await counter(started=False)
    service.bus.table(f"{prefix}.kept", shelf.apply)
    assert service.bus.readiness()[f"table {prefix}.kept"] is False
    service.bus.start()
    await service.bus.wait_ready()
    assert set(shelf.entries) == {b"key-a"}
    await until(lambda: all(service.bus.readiness().values()))
