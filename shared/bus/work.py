"""One unit of work: what a handler is given. Everything in it commits together, or nothing does."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from shared.bus.cloudevents import encode
from shared.bus.errors import MessageTooLargeError, UnlockedUnitError, WrongTopicError
from shared.bus.outbox import OutboxRow
from shared.bus.partitions import UNITLESS, slot_of
from shared.bus.parts import Parts
from shared.bus.records import Record
from shared.bus.topics import TOPICS, Topic, TopicTable
from shared.events.base import SOURCE_PREFIX, Event, EventData

ContextT = TypeVar("ContextT")
DataT = TypeVar("DataT", bound=EventData)

ENVELOPE_BYTES = 1024
"""What Kafka's record batch adds around the largest key, value and headers."""


class Work(Generic[ContextT]):
    """A transaction with its outgoing events.

    `now` is business time at its start; `context` is the service's own, such as its snapshot of the catalogue.
    """

    def __init__(
        self,
        session: AsyncSession,
        *,
        service: str,
        now: datetime,
        context: ContextT,
        parts: Parts,
        topics: TopicTable = TOPICS,
    ) -> None:
        self.session = session
        self.service = service
        self.now = now
        self.context = context
        self.parts = parts
        self.topics = topics
        self.written_slots: set[int] = set()
        self.cluster_id: str | None = None
        """The Kafka cluster that the consumed records lie on: of a replayed one an earlier cluster, perhaps."""
        self._locked: set[str] = set()
        self._rows: list[OutboxRow] = []
        self._records: dict[int, tuple[object, Record]] = {}

    async def lock_units(self, units: Collection[str]) -> None:
        """Hold the locks of these units until the end; needed before anything is published for them.

        Lock all units at once, first of all: a second call may wait for somebody who waits for us, and PostgreSQL
        then ends one of the two (which is tried again).
        """
        wanted = set(units) - self._locked
        if wanted:
            await self.parts.unit_lock.lock(self.session, wanted)
            self._locked |= wanted

    def publish(
        self,
        data: DataT,
        *,
        unit: str,
        subject: str | None = None,
        cause: Event[EventData] | None = None,
        correlation_id: str | None = None,
        event_id: str | None = None,
        time: datetime | None = None,
        topic: str | None = None,
        key: str | None = None,
    ) -> Event[DataT]:
        """Publish an event when the transaction has committed; return it.

        `unit` decides partition, slot and key; it must be locked (`""` for events of no unit). The key of a topic
        that is not keyed by unit is `key`, or else `subject`. `cause` gives causation and, unless said, correlation.
        Without `event_id` the id is random; an event that must exist once gets a deterministic one. `time` is
        business time, now unless said.
        """
        event = self._event(
            data,
            unit=unit,
            subject=subject,
            cause=cause,
            correlation_id=correlation_id,
            event_id=event_id,
            time=time,
        )
        row = self._topic(topic or self.topics.topic_for(type(data), unit), type(data))
        if row.keyed_by != "unit":
            key = subject if key is None else key
            if not key:
                raise ValueError(f"an event on {row.name!r} needs a key (its {row.keyed_by}) or a subject")
        self._require_lock(unit)
        self._add(row, row.partition_of(unit), slot_of(unit), event, key)
        return event

    def publish_to_partition(
        self, data: DataT, *, partition: int, event_id: str | None = None, time: datetime | None = None
    ) -> Event[DataT]:
        """Publish an event that speaks of a whole partition and of no unit, such as a watermark; key `""`.

        It needs no unit's lock: it comes after all that had been committed for the partition when it was written.
        """
        event = self._event(data, unit=UNITLESS, event_id=event_id, time=time)
        row = self._topic(self.topics.topic_for(type(data)), type(data))
        self._add(row, partition, partition, event, UNITLESS)
        return event

    def publish_tombstone(self, topic: str, *, key: str, unit: str = UNITLESS) -> None:
        """Delete a key of a compacted topic."""
        row = self._topic(topic, None)
        if row.cleanup != "compact":
            raise WrongTopicError(f"{topic!r} is not compacted: nothing can be deleted from it")
        self._require_lock(unit)
        self._rows.append(
            OutboxRow(
                slot=slot_of(unit),
                topic=row.name,
                partition=row.partition_of(unit),
                key=key,
                value=None,
                headers={},
                event_id=str(uuid4()),
            )
        )

    async def flush(self) -> None:
        """Write the outgoing events so far to the outbox; also called at the end."""
        rows, self._rows = self._rows, []
        await self.parts.outbox.add(self.session, rows)
        self.written_slots.update(row.slot for row in rows)

    def record_of(self, event: Event[Any]) -> Record:
        """Return the Kafka record of a consumed event: topic, partition, offset, timestamp (ms, machine time).

        Raises LookupError for an event that did not come from the consumer.
        """
        try:
            return self._records[id(event)][1]
        except KeyError:
            raise LookupError(f"event {event.id!r} was not consumed in this unit of work") from None

    def attach(self, event: Event[Any], record: Record) -> None:
        """Remember the Kafka record of a consumed event; the consumer does, and tests of handlers may."""
        self._records[id(event)] = (event, record)  # the event is kept, so that its identity stays its own

    def _event(
        self,
        data: DataT,
        *,
        unit: str,
        subject: str | None = None,
        cause: Event[EventData] | None = None,
        correlation_id: str | None = None,
        event_id: str | None = None,
        time: datetime | None = None,
    ) -> Event[DataT]:
        return Event(
            id=event_id or str(uuid4()),
            source=SOURCE_PREFIX + self.service,
            type=data.ce_type,
            time=time or self.now,
            data=data,
            unit=unit,
            subject=subject,
            correlation_id=correlation_id or (cause.correlation_id if cause is not None else None),
            causation_id=cause.id if cause is not None else None,
        )

    def _topic(self, name: str, data_type: type[EventData] | None) -> Topic:
        """Return the topic's row; a wrong name would stop the relay for good, so it is refused here."""
        row = self.topics.topic_of(name)
        if row.producer != self.service:
            raise WrongTopicError(f"{self.service} does not produce {name!r}, {row.producer or 'an agency'} does")
        if data_type is not None and data_type not in row.types:
            raise WrongTopicError(f"{data_type.__name__} does not belong on {name!r}")
        return row

    def _require_lock(self, unit: str) -> None:
        if unit not in self._locked:
            raise UnlockedUnitError(f"lock unit {unit!r} before publishing for it: order on the bus depends on it")

    def _add(self, row: Topic, partition: int, slot: int, event: Event[EventData], key: str | None) -> None:
        message = encode(event, key)
        size = (
            len(message.value or b"")
            + len(message.key)
            + sum(len(name) + len(value) for name, value in message.headers)
        )
        if size + ENVELOPE_BYTES > row.message_bytes_max:
            raise MessageTooLargeError(f"{event.type} has {size} bytes, {row.name!r} takes {row.message_bytes_max}")
        self._rows.append(
            OutboxRow(
                slot=slot,
                topic=row.name,
                partition=partition,
                key=message.key.decode(),
                value=message.value,
                headers={name: value.decode() for name, value in message.headers},
                event_id=event.id,
            )
        )
