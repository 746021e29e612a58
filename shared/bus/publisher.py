"""Sends runs of outbox rows to Kafka, each as whole batches that are repeated unchanged until they are written."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.conn import CloseReason
from aiokafka.errors import (
    InvalidTopicError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    ProducerClosed,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from shared.bus.clients import ClientOptions, start_client

REQUEST_TIMEOUT_MS = 10_000
BATCH_BYTES_MAX = 900_000
"""Below the smallest `max.message.bytes` of the table; a larger message goes alone."""
BATCH_OVERHEAD_BYTES = 1_024
RECORD_OVERHEAD_BYTES = 256
"""Lengths, timestamps and offsets that Kafka adds to a record; generous, as headers have lengths too."""
METADATA_SECONDS_MAX = 12.0
"""Longer than aiokafka asks for a topic by itself: one that was closed meanwhile would wait without end."""
STOP_SECONDS_MAX = 12.0
"""Longer than a request may take: what a producer still has in hand has been given up by then."""

REFUSALS = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidTopicError)
"""What Kafka will never take, however often it is asked."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class UnsentRow:
    """An outbox row as the relay reads it."""

    id: int
    topic: str
    partition: int
    key: str
    value: bytes | None
    headers: dict[str, str]

    @property
    def size(self) -> int:
        """Bytes, roughly."""
        return (
            len(self.value or b"") + len(self.key) + sum(len(name) + len(value) for name, value in self.headers.items())
        )


class Publisher:
    """A producer that can be replaced.

    It is not idempotent: an idempotent one that outlives a broker's disk gets false acknowledgements from the new one.
    What is sent twice is dropped by the readers' inboxes. `on_disconnect` is called when a connection was lost: who
    answers the next one may be another broker at the same address.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        client_options: ClientOptions | None = None,
        on_disconnect: Callable[[], None] | None = None,
    ) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._client_options = dict(client_options or {})
        self._producer: AIOKafkaProducer | None = None
        self._on_disconnect = on_disconnect
        self._renewals = 0
        self._starting = asyncio.Lock()

    async def send(self, rows: Sequence[UnsentRow]) -> int:
        """Send rows of one partition as one batch; return the offset of the first when all replicas have it.

        The rows must fit one batch (`batches`). Raises KafkaError or TimeoutError; the same rows may be sent again at
        any time.
        """
        topic, partition = rows[0].topic, rows[0].partition
        renewals = self._renewals
        producer = await self._started()
        try:
            async with asyncio.timeout(METADATA_SECONDS_MAX):
                partitions = await producer.partitions_for(topic)
            if partition not in partitions:
                raise UnknownTopicOrPartitionError(f"{topic!r} has no partition {partition}")
            batch = producer.create_batch()
            for row in rows:
                headers = [(name, value.encode()) for name, value in row.headers.items()]
                if batch.append(key=row.key.encode(), value=row.value, timestamp=None, headers=headers) is None:
                    raise ValueError(f"{len(rows)} rows do not fit one batch")
            batch.close()
            if renewals != self._renewals:  # what is sent from now on must have been read after it
                raise ProducerClosed
            sent = await (await producer.send_batch(batch, topic, partition=partition))
        except (*REFUSALS, KafkaTimeoutError, TopicAuthorizationFailedError):  # of one topic: the producer is sound
            raise
        except KafkaError as error:
            if not error.retriable:
                await self._drop(producer)
            raise
        return int(sent.offset)

    async def renew(self) -> None:
        """Have nothing more sent that was handed over before now: give it up, with the producer."""
        self._renewals += 1
        await self.stop()

    async def stop(self) -> None:
        """Close the producer; what is unsent stays in the outbox."""
        if self._producer is not None:
            await self._drop(self._producer)

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap_servers,
                    acks="all",
                    enable_idempotence=False,
                    request_timeout_ms=REQUEST_TIMEOUT_MS,
                    max_batch_size=BATCH_BYTES_MAX,
                    metadata_max_age_ms=5_000,
                    **self._client_options,
                )
                if self._on_disconnect is not None:
                    _tell_of_disconnects(producer, self._on_disconnect)
                try:
                    await start_client(producer)
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer

    async def _drop(self, producer: AIOKafkaProducer) -> None:
        """Close a producer that cannot be trusted any more; the next batch makes a new one."""
        if self._producer is producer:
            self._producer = None
        try:
            async with asyncio.timeout(STOP_SECONDS_MAX):
                await producer.stop()
        except (KafkaError, TimeoutError) as error:
            log.warning("producer_not_closed", error=str(error) or type(error).__name__)


def _tell_of_disconnects(producer: AIOKafkaProducer, told: Callable[[], None]) -> None:
    """Call `told` for each connection that ends before its producer; aiokafka 0.14 has no other door for it."""
    client: Any = producer.client
    closed = client._on_connection_closed  # noqa: SLF001

    def on_close(connection: object, reason: CloseReason | None) -> None:
        closed(connection, reason)
        if reason is not CloseReason.SHUTDOWN:
            told()

    client._on_connection_closed = on_close  # noqa: SLF001


def batches(rows: Sequence[UnsentRow]) -> list[list[UnsentRow]]:
    """Split rows of one partition, in order, into runs that fit one batch each."""
    split: list[list[UnsentRow]] = []
    size = 0
    for row in rows:
        row_size = row.size + RECORD_OVERHEAD_BYTES
        if not split or size + row_size > BATCH_BYTES_MAX - BATCH_OVERHEAD_BYTES:
            split.append([])
            size = 0
        split[-1].append(row)
        size += row_size
    return split
