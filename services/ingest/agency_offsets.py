"""Asks the broker how far the agencies' topics reach, and how far our consumer group has committed."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from services.ingest.domain.watermark import Asked
from services.ingest.storage.sources import Partition

REQUEST_TIMEOUT_MS = 5_000


class AgencyOffsets(Protocol):
    """What the watermark has to know of the broker. All raise KafkaError while it is away."""

    async def ask(self, at: datetime) -> dict[Partition, Asked]:
        """Return begin and end of each partition of the agencies' topics; `at` was taken before."""
        ...

    async def committed(self) -> dict[Partition, int]:
        """Return the group's committed offsets."""
        ...

    async def close(self) -> None:
        """Close the client."""
        ...


class KafkaAgencyOffsets:
    """The real one; its client is made anew after a failure, since it may hold on to the address of a dead broker."""

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
        self._consumer: AIOKafkaConsumer | None = None

    async def ask(self, at: datetime) -> dict[Partition, Asked]:
        """Return begin and end of each partition of the topics that exist now."""
        try:
            consumer = await self._started()
            names = sorted(name for name in await consumer.topics() if self._pattern.fullmatch(name))
            partitions = [
                TopicPartition(name, number) for name in names for number in consumer.partitions_for_topic(name) or ()
            ]
            ends = await consumer.end_offsets(partitions)
            begins = await consumer.beginning_offsets(partitions)
        except KafkaError:
            await self.close()
            raise
        return {(each.topic, each.partition): Asked(at, begins[each], ends[each]) for each in partitions}

    async def committed(self) -> dict[Partition, int]:
        """Return the group's committed offsets."""
        admin = AIOKafkaAdminClient(**self._options)
        try:
            await admin.start()
            offsets = await admin.list_consumer_group_offsets(self._group)
        finally:
            await admin.close()
        return {(each.topic, each.partition): found.offset for each, found in offsets.items() if found.offset >= 0}

    async def close(self) -> None:
        """Close the client."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    async def _started(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(**self._options, metadata_max_age_ms=5_000)
            try:
                await consumer.start()
            except KafkaError:
                await consumer.stop()
                raise
            self._consumer = consumer
        return self._consumer
