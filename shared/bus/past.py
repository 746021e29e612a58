"""What was published before now, read once from one end to the other, without a group: for recovering, by hand."""

import re
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.bus.clients import ClientOptions, admin_client, start_client
from shared.bus.cloudevents import UnknownType, decode
from shared.bus.records import Record
from shared.bus.topics import TOPICS, TopicTable
from shared.events.base import Event, EventData

POLL_MS = 500
BATCH_RECORDS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Told:
    """An event that stands on a topic, and the record that it came in."""

    event: Event[Any]
    record: Record


class Past:
    """Reads topics up to where they ended when it was asked. `since` is machine time; None is the beginning.

    All methods raise KafkaError when the broker does not answer.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        since: datetime | None,
        *,
        topics: TopicTable = TOPICS,
        client_options: ClientOptions | None = None,
    ) -> None:
        self.since = since
        self._bootstrap_servers = bootstrap_servers
        self._topics = topics
        self._client_options = dict(client_options or {})

    async def events(
        self, pattern: str, types: Collection[type[EventData]], *, whole: bool = False
    ) -> AsyncIterator[Told]:
        """Give the events of these types since then (`whole`: of all time) on the topics that match.

        In order within a partition. Raises BadMessageError for an event that cannot be read: it is one of our own.
        """
        known = {data_type.ce_type: data_type for data_type in types}
        async for record in self.records(pattern, whole=whole):
            if record.value is None:
                continue
            event = decode(record, known, self._topics.unit_of(record.topic, record.key))
            if not isinstance(event, UnknownType):
                yield Told(event, record)

    async def records(
        self, pattern: str, *, whole: bool = False, starts: Mapping[TopicPartition, int] | None = None
    ) -> AsyncIterator[Record]:
        """Give what stands on the topics whose whole name matches: since then, or from the offsets in `starts`.

        With `starts` a partition that is not in it is read from its beginning.
        """
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap_servers,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            **self._client_options,
        )
        try:
            await start_client(consumer)
            partitions = await self.partitions(pattern)
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions) if partitions else {}
            begins = await consumer.beginning_offsets(partitions) if partitions else {}
            if starts is not None:
                begins |= {each: max(begins[each], start) for each, start in starts.items() if each in begins}
            elif not whole and self.since is not None:
                begins = await offsets_at(consumer, partitions, self.since)
            for partition in partitions:
                consumer.seek(partition, begins[partition])
            left = {each for each in partitions if begins[each] < ends[each]}
            while left:
                batches = await consumer.getmany(*left, timeout_ms=POLL_MS, max_records=BATCH_RECORDS_MAX)
                for place, records in batches.items():
                    for record in records:
                        if record.offset < ends[place]:
                            yield record
                # Asked, and not reckoned: markers of a sender's transactions take offsets and are never handed out.
                left = {each for each in left if await consumer.position(each) < ends[each]}
        finally:
            await consumer.stop()

    async def cluster_id(self) -> str:
        """Return the id of the cluster that answers."""
        async with admin_client(self._bootstrap_servers, self._client_options) as admin:
            return str((await admin.describe_cluster())["cluster_id"])

    async def partitions(self, pattern: str) -> list[TopicPartition]:
        """Return the partitions of the topics that exist and whose whole name matches."""
        async with admin_client(self._bootstrap_servers, self._client_options) as admin:
            return sorted(
                TopicPartition(topic["topic"], part["partition"])
                for topic in await admin.describe_topics()
                if topic["error_code"] == 0 and re.fullmatch(pattern, topic["topic"])
                for part in topic["partitions"]
            )


async def offsets_at(
    consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition], at: datetime
) -> dict[TopicPartition, int]:
    """Return the offset of the first record at or after a machine instant; the end where there is none."""
    if not partitions:
        return {}
    found = await consumer.offsets_for_times(dict.fromkeys(partitions, max(0, int(at.timestamp() * 1000))))
    ends = await consumer.end_offsets(partitions)
    return {each: found[each].offset if found[each] is not None else ends[each] for each in partitions}
