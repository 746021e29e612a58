"""A topic that is read whole into memory, and kept up to date: catalogue, access, contacts."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared.bus import metrics
from shared.bus.clients import ClientOptions, start_client
from shared.bus.quarantine import root_cause
from shared.bus.records import Record
from shared.bus.retry import Backoff
from shared.bus.topic_admin import wait_for_topics

BATCH_RECORDS_MAX = 500
POLL_MS = 200

log = structlog.get_logger(__name__)

Apply = Callable[[Record], Awaitable[None] | None]


class CompactedTable:
    """Reads all partitions of a topic from the beginning, without a group, and hands each record to `apply`.

    A tombstone has the value None; an empty value is b"". `ready` is set once everything is applied that the topic
    held at the start; `on_ready` is called just before. After an error and on another cluster everything is read again:
    `on_reset` is called, the records, `on_ready`. So keep what was complete in force until the new copy is.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        topic: str,
        apply: Apply,
        *,
        service: str,
        on_reset: Callable[[], None] | None = None,
        on_ready: Callable[[], None] | None = None,
        client_options: ClientOptions | None = None,
    ) -> None:
        self.topic = topic
        self.ready = asyncio.Event()
        self._bootstrap_servers = bootstrap_servers
        self._apply = apply
        self._on_reset = on_reset
        self._on_ready = on_ready
        self._labels = (service, topic)
        self._client_options = dict(client_options or {})
        self._reset = asyncio.Event()

    def reset(self) -> None:
        """Read everything again: this is another log."""
        self._reset.set()

    async def run(self) -> None:
        """Read for ever, until cancelled."""
        backoff = Backoff()
        while True:
            self._reset.clear()
            self.ready.clear()
            metrics.TABLE_READY.labels(*self._labels).set(0)
            try:
                await wait_for_topics(self._bootstrap_servers, {self.topic}, self._client_options)
                backoff = Backoff()
                await self._read()
            except (KafkaError, OSError) as error:
                log.warning("table_interrupted", topic=self.topic, error=root_cause(error))
                await backoff.pause()
            if self._on_reset is not None:
                self._on_reset()

    async def _read(self) -> None:
        """Read from the beginning until reset."""
        consumer = AIOKafkaConsumer(
            self.topic,
            bootstrap_servers=self._bootstrap_servers,
            group_id=None,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            metadata_max_age_ms=5_000,
            **self._client_options,
        )
        try:
            await start_client(consumer)
            ends = await consumer.end_offsets(consumer.assignment())
            while not self._reset.is_set():
                # Everything handed out has been applied by now, so the position is what has been applied.
                if not self.ready.is_set() and await _reached(consumer, ends):
                    if self._on_ready is not None:
                        self._on_ready()
                    self.ready.set()
                    metrics.TABLE_READY.labels(*self._labels).set(1)
                    log.info("table_ready", topic=self.topic, end_offsets=sum(ends.values()))
                batches = await consumer.getmany(timeout_ms=POLL_MS, max_records=BATCH_RECORDS_MAX)
                for partition in sorted(batches):
                    for record in batches[partition]:
                        await self._apply_one(record)
        finally:
            await consumer.stop()

    async def _apply_one(self, record: Record) -> None:
        try:
            done = self._apply(record)
            if isawaitable(done):
                await done
        except Exception as error:
            metrics.TABLE_FAILED.labels(*self._labels).inc()
            log.exception(
                "record_not_applied",
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                error=root_cause(error),
            )


async def _reached(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> bool:
    for partition, end in ends.items():
        if await consumer.position(partition) < end:
            return False
    return True
