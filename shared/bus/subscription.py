"""What a consumer group reads, and how it is read with FastStream: raw records, in batches, committed by hand."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiokafka import ConsumerRebalanceListener
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage

from shared.bus.records import Records

BATCH_RECORDS_MAX = 500
PARTITION_BYTES_MAX = 1024 * 1024
"""What is fetched of a partition at once, and handed out before the next partition has its turn."""
BATCH_TIMEOUT_MS = 100
"""After an empty poll FastStream waits as long again, so this bounds the latency of a quiet topic."""
SESSION_TIMEOUT_MS = 6_000
"""The broker's lower bound: so long after a kill another replica takes over."""
HEARTBEAT_INTERVAL_MS = 1_500
POLL_INTERVAL_MS_MAX = 300_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One consumer group: topics by name, or by an anchored pattern. Never two subscriptions in one group.

    Where a message costs much, less of it at once lets a busy partition hold up the others for a shorter time.
    """

    group: str
    topics: tuple[str, ...] = ()
    pattern: str | None = None
    records_max: int = BATCH_RECORDS_MAX
    partition_bytes_max: int = PARTITION_BYTES_MAX

    def __post_init__(self) -> None:
        if bool(self.topics) == (self.pattern is not None):
            raise ValueError(f"group {self.group!r} reads either topics or a pattern")
        # aiokafka matches a prefix: without the end, `….submissions.dlq` would come in too.
        if self.pattern is not None and not (self.pattern.startswith("^") and self.pattern.endswith("$")):
            raise ValueError(f"pattern {self.pattern!r} must be anchored with ^ and $")


def subscribe(
    broker: KafkaBroker,
    subscription: Subscription,
    consume: Callable[[Records], Awaitable[None]],
    listener: ConsumerRebalanceListener,
) -> Any:
    """Add a batch subscriber to a broker that has not started, and return it.

    `consume` must not raise: FastStream would log it and go on, and the batch would be lost.
    """

    async def parse(records: Records) -> KafkaMessage:
        # The default parser decodes headers as UTF-8 and loses the whole batch for one that is not.
        return KafkaMessage(
            body=b"",
            headers={},
            batch_headers=[],
            raw_message=records,
            message_id="",
            correlation_id="",
            consumer=subscriber.consumer,
        )

    async def decode(message: KafkaMessage) -> Any:
        return message.raw_message

    subscriber: Any = broker.subscriber(
        *subscription.topics,
        pattern=subscription.pattern,
        group_id=subscription.group,
        batch=True,
        max_records=subscription.records_max,
        max_partition_fetch_bytes=subscription.partition_bytes_max,
        batch_timeout_ms=BATCH_TIMEOUT_MS,
        ack_policy=AckPolicy.MANUAL,
        auto_offset_reset="earliest",
        no_reply=True,  # a sender's `reply_to` header must not choose where we write
        listener=listener,
        parser=parse,
        decoder=decode,
        session_timeout_ms=SESSION_TIMEOUT_MS,
        heartbeat_interval_ms=HEARTBEAT_INTERVAL_MS,
        max_poll_interval_ms=POLL_INTERVAL_MS_MAX,
    )
    subscriber(consume)
    return subscriber
