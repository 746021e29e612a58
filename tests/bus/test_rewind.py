"""A group whose database was restored goes back to the first event that the database does not know."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.bus.inbox import Identity
from shared.bus.past import Past
from shared.bus.rewind import Copied, GroupInUseError, rewind, wait_for_empty_groups
from shared.bus.topic_admin import ensure_topics
from shared.bus.topics import TOPICS, Topic
from tests.parts import Broker

pytestmark = pytest.mark.faults

SOURCE = "urn:lienthong:test"
NOW = datetime.now(UTC)
COPIED = Copied(NOW - timedelta(hours=2))
TRANSIENT = next(iter(TOPICS.transient)).ce_type
EVENT = "vn.lienthong.submission.received.v1"

Message = tuple[float, str, str]
"""Hours before the copy, type and id."""
Write = Callable[..., Awaitable[TopicPartition]]


@pytest.fixture
def write(kafka: Broker, prefix: str) -> Write:
    """Write a topic of one partition, and let the group have read all of it."""

    async def write(*messages: Message) -> TopicPartition:
        place = TopicPartition(f"{prefix}-events", 0)
        await ensure_topics(kafka.bootstrap_servers, [Topic(place.topic, partitions=1)])
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, acks="all")
        await producer.start()
        for hours, ce_type, event_id in messages:
            at = COPIED.at - timedelta(hours=hours)
            headers = [("ce_id", event_id.encode()), ("ce_source", SOURCE.encode()), ("ce_type", ce_type.encode())]
            await producer.send_and_wait(
                place.topic, b"{}", key=b"SO-A", headers=headers, timestamp_ms=int(at.timestamp() * 1000)
            )
        await producer.stop()
        await _commit(kafka, prefix, place, len(messages))
        return place

    return write


async def _commit(kafka: Broker, group: str, place: TopicPartition, offset: int) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers, group_id=group, enable_auto_commit=False)
    await consumer.start()
    consumer.assign([place])
    await consumer.commit({place: offset})
    await consumer.stop()


def events(*hours: float) -> list[Message]:
    return [(each, EVENT, f"e{number}") for number, each in enumerate(hours)]


def seconds(count: int, hours: float) -> list[Message]:
    """Watermarks, that no inbox remembers."""
    return [(hours, TRANSIENT, f"w{number}") for number in range(count)]


@pytest.mark.parametrize(
    ("written", "known", "start"),
    [
        pytest.param(events(3, 0.1, 0, -0.1, -0.2), 3, 1, id="it was up to date: ten minutes back"),
        pytest.param(events(3, 2.5, 0.5, -0.1), 2, 2, id="it lagged: to the first event that is not known"),
        pytest.param(events(3, 2, 1), 0, 0, id="nothing is known: to the beginning"),
        pytest.param([*events(3), *seconds(3, 0.1), (-1, EVENT, "e9")], 1, 1, id="silence before the copy"),
        pytest.param([*seconds(3, 50), *seconds(3, 0.1), *seconds(2, -1)], 0, 3, id="watermarks alone"),
        pytest.param(events(3, 2), 2, None, id="all is known: it stays"),
    ],
)
async def test_a_group_goes_back_to_what_is_not_known(
    kafka: Broker, prefix: str, write: Write, written: Sequence[Message], known: int, start: int | None
) -> None:
    place = await write(*written)
    inbox = {Identity(SOURCE, event_id) for _, ce_type, event_id in written if ce_type == EVENT}
    inbox = {each for each in inbox if int(each.id[1:]) < known}

    async def those_known(identities: Sequence[Identity]) -> set[Identity]:
        return inbox & set(identities)

    moved = await rewind(kafka.bootstrap_servers, prefix, [place], COPIED, known=those_known, topics=TOPICS)
    assert moved == ({} if start is None else {place: start})


async def test_a_position_that_the_database_knows_is_taken_and_never_moves_a_group_forward(
    kafka: Broker, prefix: str, write: Write
) -> None:
    place = await write(*events(3, 2, 1))

    async def nobody_asks(_: Sequence[Identity]) -> set[Identity]:
        raise AssertionError("the position says it")

    for position, moved in ((1, {place: 1}), (2, {})):
        assert moved == await rewind(
            kafka.bootstrap_servers,
            prefix,
            [place],
            COPIED,
            known=nobody_asks,
            topics=TOPICS,
            positions={place: position},
        )


async def test_a_group_that_somebody_is_in_is_left_alone(kafka: Broker, prefix: str, write: Write) -> None:
    place = await write(*events(1))
    member = AIOKafkaConsumer(place.topic, bootstrap_servers=kafka.bootstrap_servers, group_id=prefix)
    await member.start()
    try:
        with pytest.raises(GroupInUseError, match=prefix):
            await wait_for_empty_groups(kafka.bootstrap_servers, [prefix], seconds_max=0)
    finally:
        await member.stop()
    await wait_for_empty_groups(kafka.bootstrap_servers, [prefix])


async def test_the_past_is_read_from_an_instant_from_offsets_or_whole(kafka: Broker, prefix: str, write: Write) -> None:
    place = await write(*events(3, 2, 1, 0))
    past = Past(kafka.bootstrap_servers, COPIED.at - timedelta(hours=1.5))

    async def offsets(pattern: str, **more: Any) -> list[int]:
        return [each.offset async for each in past.records(pattern, **more)]

    assert await offsets(place.topic) == [2, 3]
    assert await offsets(place.topic, whole=True) == [0, 1, 2, 3]
    assert await offsets(place.topic, starts={place: 3}) == [3]
    assert await offsets(f"{prefix}-nothing") == []
