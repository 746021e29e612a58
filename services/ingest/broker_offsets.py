"""Asks the broker how far topics reach, and how far one of our consumer groups has committed."""

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from services.ingest.domain.watermark import Asked
from services.ingest.storage.sources import Partition
from shared.bus.clients import start_client

REQUEST_TIMEOUT_MS = 5_000
PROBE_MS = 400
PROBED_MAX = 4
"""Partitions that are probed at once: a probe fetches, so many of them would hold up the watermark."""


class Offsets(Protocol):
    """What ingest has to know of the broker. All raise KafkaError while it is away."""

    async def ask(self, at: datetime) -> dict[Partition, Asked]:
        """Return begin and end of each partition; `at` was taken before."""
        ...

    async def committed(self) -> dict[Partition, int]:
        """Return the group's committed offsets."""
        ...

    async def skip_markers(self, positions: Mapping[Partition, int]) -> dict[Partition, int]:
        """Return where reading on from these offsets comes to, as far as there is no message."""
        ...

    async def close(self) -> None:
        """Close the client."""
        ...


class KafkaOffsets:
    """The real one; clients are made anew after a failure, since they may hold on to the address of a dead broker."""

    def __init__(
        self, bootstrap_servers: str, *, group: str, pattern: str, client_options: Mapping[str, Any] | None = None
    ) -> None:
        self._options = {
            "bootstrap_servers": bootstrap_servers,
            "request_timeout_ms": REQUEST_TIMEOUT_MS,
            **(client_options or {}),
        }
        self._group = group
        self._pattern = re.compile(pattern)
        self._clients: tuple[AIOKafkaAdminClient, AIOKafkaConsumer] | None = None

    async def ask(self, at: datetime) -> dict[Partition, Asked]:
        """Return begin and end of each partition of the topics that exist now and match the pattern."""
        try:
            admin, consumer = await self._started()
            partitions = [
                TopicPartition(topic["topic"], part["partition"])
                for topic in await admin.describe_topics()  # a consumer may not know a topic for some seconds
                if topic["error_code"] == 0 and self._pattern.fullmatch(topic["topic"])
                for part in topic["partitions"]
            ]
            ends = await consumer.end_offsets(partitions)
            begins = await consumer.beginning_offsets(partitions)
        except KafkaError:
            await self.close()
            raise
        return {(each.topic, each.partition): Asked(at, begins[each], ends[each]) for each in partitions}

    async def committed(self) -> dict[Partition, int]:
        """Return the group's committed offsets."""
        try:
            admin, _ = await self._started()
            offsets = await admin.list_consumer_group_offsets(self._group)
        except KafkaError:
            await self.close()
            raise
        return {(each.topic, each.partition): found.offset for each, found in offsets.items() if found.offset >= 0}

    async def skip_markers(self, positions: Mapping[Partition, int]) -> dict[Partition, int]:
        """Read on from some of these offsets; where only the markers of a sender's transactions lie, move past them.

        No consumer is ever handed such a marker, so no offset behind it is committed, though the end counts it.
        """
        found: dict[Partition, int] = {}
        # A client of its own: what is assigned stays assigned, and the other one should fetch nothing.
        consumer = AIOKafkaConsumer(**self._options, enable_auto_commit=False)
        try:
            await start_client(consumer)
            for (topic, number), position in sorted(positions.items())[:PROBED_MAX]:
                partition = TopicPartition(topic, number)
                consumer.assign([partition])
                consumer.seek(partition, position)
                if not await consumer.getmany(partition, timeout_ms=PROBE_MS, max_records=1):
                    found[topic, number] = await consumer.position(partition)
        finally:
            await consumer.stop()
        return found

    async def close(self) -> None:
        """Close the clients."""
        clients, self._clients = self._clients, None
        if clients is not None:
            admin, consumer = clients
            await consumer.stop()
            await admin.close()

    async def _started(self) -> tuple[AIOKafkaAdminClient, AIOKafkaConsumer]:
        if self._clients is None:
            admin = AIOKafkaAdminClient(**self._options)
            consumer = AIOKafkaConsumer(**self._options, enable_auto_commit=False)
            try:
                await start_client(admin)
                await start_client(consumer)
            except BaseException:
                await consumer.stop()
                await admin.close()
                raise
            self._clients = admin, consumer
        return self._clients


def unmoved(
    before: Mapping[Partition, int], now: Mapping[Partition, int], among: Collection[Partition]
) -> set[Partition]:
    """Return the partitions whose offsets have not moved since the last look."""
    return {each for each in among if before.get(each, 0) == now.get(each, 0)}
