"""Reading and writing topics in tests, past the kit."""

from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.bus.records import Record

Headers = Sequence[tuple[str, bytes]]


async def read_all(bootstrap_servers: str, topic: str) -> list[Record]:
    """Return all that a topic holds, partition by partition."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap_servers, group_id=None, auto_offset_reset="earliest")
    try:
        await consumer.start()
        partitions = sorted(consumer.assignment())
        ends = await consumer.end_offsets(partitions)
        found: dict[TopicPartition, list[Record]] = {partition: [] for partition in partitions}
        for partition in partitions:
            while await consumer.position(partition) < ends[partition]:
                for each, records in (await consumer.getmany(timeout_ms=200)).items():
                    found[each].extend(records)
        return [record for partition in partitions for record in found[partition]]
    finally:
        await consumer.stop()


async def write(
    bootstrap_servers: str,
    topic: str,
    *messages: tuple[bytes | None, bytes | None, Headers],
    partition: int | None = None,
) -> None:
    """Write messages (key, value, headers) in order."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, acks="all")
    await producer.start()
    try:
        for key, value, headers in messages:
            await producer.send_and_wait(topic, value, key=key, headers=list(headers), partition=partition)
    finally:
        await producer.stop()


async def rewind(bootstrap_servers: str, group: str, topic: str, partition: int) -> None:
    """Set the committed offset of a group without members back to the beginning."""
    place = TopicPartition(topic, partition)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, group_id=group, enable_auto_commit=False)
    try:
        await consumer.start()
        consumer.assign([place])
        await consumer.commit({place: 0})
    finally:
        await consumer.stop()
