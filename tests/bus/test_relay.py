"""The relay: replicas share the slots, and order in a slot survives their coming and going."""

import shutil
from collections import defaultdict

import pytest
from sqlalchemy import text

from deploy.embedded.kafka import EmbeddedKafka
from shared.bus.partitions import PARTITION_COUNT
from shared.bus.publisher import BATCH_BYTES_MAX, UnsentRow, batches
from tests.bus.conftest import MakeCounter
from tests.bus.counter import BUS, Counter, make_counter
from tests.bus.events import CountedV1
from tests.bus.kafka_tools import read_all
from tests.parts import Broker, until

pytestmark = pytest.mark.faults

UNITS = [f"UNIT-{number}" for number in range(20)]


async def write_backlog(service: Counter, rows: int) -> None:
    """Write numbers 0 … rows - 1, dealt to the units in turn, in transactions of 100."""
    for first in range(0, rows, 100):
        async with service.units_of_work.begin(units=UNITS) as work:
            for number in range(first, min(rows, first + 100)):
                work.publish(CountedV1(number=number), unit=UNITS[number % len(UNITS)])


async def order_on_the_bus(bootstrap_servers: str, topic: str) -> dict[str, list[int]]:
    """Return each unit's numbers as a reader with an inbox sees them: repeated messages dropped."""
    seen: set[bytes | None] = set()
    order: defaultdict[str, list[int]] = defaultdict(list)
    for record in await read_all(bootstrap_servers, topic):
        event_id = dict(record.headers)["ce_id"]
        if event_id not in seen:
            seen.add(event_id)
            order[(record.key or b"").decode()].append(CountedV1.model_validate_json(record.value or b"").number)
    return order


async def all_sent(service: Counter) -> bool:
    async with service.engine.connect() as connection:
        unsent = text("SELECT count(*) FROM counter.outbox WHERE sent_at IS NULL")
        return bool((await connection.execute(unsent)).scalar_one() == 0)


async def test_replicas_share_the_slots_fairly_and_take_over(counter: MakeCounter) -> None:
    first = await counter(consume=False)
    await until(lambda: len(first.bus.relay.slots) == PARTITION_COUNT)
    second = await counter(consume=False)
    await until(lambda: (len(first.bus.relay.slots), len(second.bus.relay.slots)) == (6, 6))
    assert first.bus.relay.slots.isdisjoint(second.bus.relay.slots)
    third = await counter(consume=False)
    await until(lambda: [len(each.bus.relay.slots) for each in (first, second, third)] == [4, 4, 4])
    await third.stop()
    await first.stop()
    await until(lambda: len(second.bus.relay.slots) == PARTITION_COUNT)


async def test_order_survives_relays_that_come_and_go(counter: MakeCounter, kafka: Broker, prefix: str) -> None:
    """While two relays work off a backlog, a third comes, one leaves, and another loses its session."""
    writer = await counter(started=False, consume=False)
    await write_backlog(writer, 2000)
    one, two = await counter(consume=False), await counter(consume=False)
    await write_backlog(writer, 1000)
    three = await counter(consume=False)
    await one.stop()
    async with writer.engine.begin() as connection:
        await connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)"
                " WHERE locktype = 'advisory' AND datname = current_database() LIMIT 1"
            )
        )
    await write_backlog(writer, 1000)
    await until(lambda: all_sent(writer), seconds=30)
    order = await order_on_the_bus(kafka.bootstrap_servers, f"{prefix}.counted")
    expected = [*range(2000), *range(1000), *range(1000)]
    assert order == {unit: [number for number in expected if UNITS[number % len(UNITS)] == unit] for unit in UNITS}
    assert len(two.bus.relay.slots) + len(three.bus.relay.slots) > 0


async def test_another_replica_s_rows_are_found_by_the_poll(counter: MakeCounter, kafka: Broker, prefix: str) -> None:
    writer, relaying = await counter(started=False, consume=False), await counter(consume=False)
    await until(lambda: len(relaying.bus.relay.slots) == PARTITION_COUNT)
    await writer.count("SKHDT", 1)
    await until(lambda: all_sent(writer), seconds=2)


async def test_a_broker_that_goes_and_comes_loses_nothing_and_keeps_the_order(
    own_kafka: EmbeddedKafka, counter_database: str, prefix: str
) -> None:
    service = make_counter(own_kafka.bootstrap_servers, counter_database, prefix)
    service.bus.start()
    await service.bus.wait_ready()
    await service.count("SKHDT", *range(10))
    await own_kafka.kill()
    for first in range(10, 100, 10):
        await service.count("SKHDT", *range(first, first + 10))
    await own_kafka.start()

    async def all_done() -> bool:
        return len(await service.numbers("SKHDT")) >= 100

    await until(all_done, seconds=60)
    assert await service.numbers("SKHDT") == list(range(100))
    await service.stop()


async def test_a_wiped_broker_gets_its_topics_again(
    own_kafka: EmbeddedKafka, counter_database: str, prefix: str
) -> None:
    service = make_counter(own_kafka.bootstrap_servers, counter_database, prefix)
    service.bus.start()
    await service.bus.wait_ready()
    before = service.bus.cluster.cluster_id
    await own_kafka.kill()
    shutil.rmtree(own_kafka.folder / "data")
    await own_kafka.start()
    await until(lambda: service.bus.cluster.cluster_id != before, seconds=30)
    await service.count("SKHDT", 1, 2)

    async def all_done() -> bool:
        return await service.numbers("SKHDT") == [1, 2]

    await until(all_done, seconds=60)
    await until(lambda: all_sent(service))
    assert {row["cluster_id"] for row in await service.rows(BUS.outbox)} == {service.bus.cluster.cluster_id}
    await service.stop()


def test_batches_keep_the_order_and_fit() -> None:
    rows = [UnsentRow(number, "t", 0, "k", b"x" * (number % 7 * 100_000), {}) for number in range(50)]
    split = batches(rows)
    assert [row for batch in split for row in batch] == rows
    assert all(sum(row.size for row in batch) < BATCH_BYTES_MAX for batch in split)
    alone = UnsentRow(1, "t", 0, "k", b"x" * 2_000_000, {})
    assert batches([rows[0], alone, rows[1]]) == [[rows[0]], [alone], [rows[1]]]
