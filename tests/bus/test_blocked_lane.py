"""One topic that cannot be written holds up nobody else's events, and its own come in order once it can."""

import math
from datetime import UTC, datetime

import pytest

from shared.bus import Topic, slot_of
from shared.bus.metrics import RELAY_BLOCKED
from shared.bus.relay import Relay
from shared.bus.topic_admin import ensure_topics
from shared.events.submissions import WatermarkV1
from tests.bus.conftest import MakeCounter
from tests.bus.counter import BUS, SERVICE, Counter
from tests.bus.events import CountedV1
from tests.bus.kafka_tools import read_all
from tests.parts import Broker, until

pytestmark = pytest.mark.faults

AT = datetime(2024, 6, 12, 10, 0, tzinfo=UTC)
SLOT = slot_of("SKHDT")
ROWS = 600
"""More than a page."""


def missing_topic(prefix: str) -> Topic:
    """Return a topic that the table has and the broker has not."""
    return Topic(f"{prefix}.SKHDT.door", partitions=1, broker_append_time=True)


async def add_unwritable(service: Counter, topic: Topic, *numbers: int) -> None:
    """Write outbox rows for a topic past the kit, in the slot of SKHDT."""
    rows = [
        {
            "slot": SLOT,
            "topic": topic.name,
            "partition": 0,
            "key": "SKHDT",
            "value": str(number).encode(),
            "headers": {},
            "event_id": f"unwritable-{number}",
        }
        for number in numbers
    ]
    async with service.engine.begin() as connection:
        await connection.execute(BUS.outbox.insert(), rows)


async def on_the_bus(kafka: Broker, prefix: str) -> list[str]:
    """Return what came on the partition of SKHDT: numbers, and `T` for a watermark."""
    return [
        "T"
        if dict(record.headers)["ce_type"] == WatermarkV1.ce_type.encode()
        else str(CountedV1.model_validate_json(record.value or b"").number)
        for record in await read_all(kafka.bootstrap_servers, f"{prefix}.counted")
        if record.partition == SLOT
    ]


async def the_others_go_on(service: Counter, relay: Relay, kafka: Broker, prefix: str, topic: Topic) -> None:
    """The unwritable rows come first in the slot; those of `counted` come through, each watermark in its place."""
    await add_unwritable(service, topic, *range(ROWS))
    await service.count("SKHDT", 1, 2)
    async with service.units_of_work.begin() as work:
        work.publish_to_partition(WatermarkV1(at=AT, after=None), partition=SLOT)
    service.bus._parts.start("cluster watch", service.bus.cluster.run())
    await service.bus.cluster.wait_known()
    service.bus._relaying.start("relay", relay.run())

    async def came(*expected: str) -> bool:
        return await on_the_bus(kafka, prefix) == list(expected)

    try:
        await until(lambda: came("1", "2", "T"), seconds=6)
    except TimeoutError:
        assert await on_the_bus(kafka, prefix) == ["1", "2", "T"]
    await add_unwritable(service, topic, ROWS)
    await service.count("SKHDT", 3)
    await until(lambda: came("1", "2", "T", "3"), seconds=6)


def a_relay(service: Counter, patience_seconds: float) -> Relay:
    bus = service.bus
    bus.relay = Relay(
        service.engine,
        BUS.outbox,
        service=SERVICE,
        publisher=bus._publisher,
        cluster=bus.cluster,
        sweep=bus.sweep,
        wakeup=service.units_of_work.wakeup,
        topics=service.topics,
        patience_seconds=patience_seconds,
    )
    return bus.relay


async def test_a_topic_that_is_not_there_holds_up_nobody_else(counter: MakeCounter, kafka: Broker, prefix: str) -> None:
    service, topic = await counter(started=False, consume=False), missing_topic(prefix)
    await the_others_go_on(service, a_relay(service, 0.5), kafka, prefix, topic)

    blocked = RELAY_BLOCKED.labels(SERVICE)
    await until(lambda: blocked._value.get() == 1, seconds=20)
    await ensure_topics(kafka.bootstrap_servers, [topic])

    async def all_there() -> bool:
        return all(row["sent_at"] is not None for row in await service.rows(BUS.outbox))

    await until(all_there, seconds=30)
    values = [record.value for record in await read_all(kafka.bootstrap_servers, topic.name)]
    assert values == [str(number).encode() for number in range(ROWS + 1)]
    assert blocked._value.get() == 0


async def test_without_leaving_it_behind_a_topic_that_is_not_there_holds_up_its_slot(
    counter: MakeCounter, kafka: Broker, prefix: str
) -> None:
    service = await counter(started=False, consume=False)
    with pytest.raises(AssertionError, match=r"assert \[.*\] == \['1', '2', 'T'\]"):
        await the_others_go_on(service, a_relay(service, math.inf), kafka, prefix, missing_topic(prefix))
