"""Dead letters: a message that cannot be processed is stored whole, then told of on `dlq.<service>`."""

from base64 import b64encode
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from sqlalchemy import Boolean, Table, func, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.bus import metrics
from shared.bus.errors import Reason
from shared.bus.inbox import Outcome
from shared.bus.letters import Letter
from shared.bus.records import Record
from shared.bus.topics import dead_letters_of
from shared.events.dead_letters import DeadLetterV1

if TYPE_CHECKING:
    from shared.bus.work import Work

DETAIL_LENGTH_MAX = 2000
VALUE_BYTES_TOLD_MAX = 4 * 1024 * 1024
"""A larger value is in the table alone: telling of it must never fail for its size."""


Place = tuple[str, int, int]
"""Topic, partition, offset."""


class Cause(NamedTuple):
    """A message, whose it is, and why it is put aside."""

    record: Record
    unit: str
    reason: Reason
    detail: str


class DeadLetters(Protocol):
    """Stores messages that could not be processed, and gives those out again that are to be replayed."""

    async def store(
        self, session: AsyncSession, letters: Sequence[tuple[Record, DeadLetterV1]], cluster_id: str
    ) -> set[Place]:
        """Store messages of one group; return the places of those that were not here before."""
        ...

    async def next_to_replay(self, session: AsyncSession, groups: Collection[str]) -> Letter | None:
        """Return the oldest message that somebody asked to replay, None when there is none."""
        ...

    async def hold(self, session: AsyncSession, letter_id: int) -> bool:
        """Hold a message for the transaction, to replay it; False when another replica does, or it is done."""
        ...

    async def settle(self, session: AsyncSession, letter_id: int, outcome: Outcome) -> None:
        """Record what became of a message that was replayed."""
        ...

    async def keep(self, session: AsyncSession, letter_id: int, reason: Reason, detail: str) -> None:
        """Record that a message failed again, and why: it waits until somebody asks once more."""
        ...


class PostgresDeadLetters:
    """The table `dead_letters`; a message is known by (cluster id, topic, partition, offset, consumer group)."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def store(
        self, session: AsyncSession, letters: Sequence[tuple[Record, DeadLetterV1]], cluster_id: str
    ) -> set[Place]:
        """Insert the messages at once, in arrival order, or count those that are there already."""
        table = self._table
        upsert = (
            insert(table)
            .on_conflict_do_update(
                constraint="dead_letters_message", set_={"count": table.c.count + 1, "last_seen": func.now()}
            )
            .returning(
                table.c.topic,
                table.c.partition,
                table.c.offset,
                literal_column("xmax = 0", Boolean),  # PostgreSQL: zero for a row that this statement inserted
            )
        )
        stored = await session.execute(upsert, [_row(record, letter, cluster_id) for record, letter in letters])
        return {(topic, partition, offset) for topic, partition, offset, first in stored if first}

    async def next_to_replay(self, session: AsyncSession, groups: Collection[str]) -> Letter | None:
        """Look into the index of those that wait; their order is that in which they were put aside."""
        table = self._table
        waiting = (
            select(table)
            .where(
                table.c.replay_requested_at.isnot(None),
                table.c.replayed_at.is_(None),
                table.c.consumer_group.in_(groups),
            )
            .order_by(table.c.id)
            .limit(1)
        )
        row = (await session.execute(waiting)).first()
        return None if row is None else Letter.of(row)

    async def hold(self, session: AsyncSession, letter_id: int) -> bool:
        """Lock the row, unless somebody else has."""
        table = self._table
        row = (
            select(table.c.id)
            .where(table.c.id == letter_id, table.c.replay_requested_at.isnot(None), table.c.replayed_at.is_(None))
            .with_for_update(skip_locked=True)
        )
        return (await session.execute(row)).first() is not None

    async def settle(self, session: AsyncSession, letter_id: int, outcome: Outcome) -> None:
        """Write outcome and instant."""
        table = self._table
        await session.execute(
            update(table).where(table.c.id == letter_id).values(outcome=outcome.value, replayed_at=func.now())
        )

    async def keep(self, session: AsyncSession, letter_id: int, reason: Reason, detail: str) -> None:
        """Take the request back, unless the message is done meanwhile."""
        table = self._table
        await session.execute(
            update(table)
            .where(table.c.id == letter_id, table.c.replayed_at.is_(None))
            .values(
                reason=reason.value,
                detail=_told(detail),
                count=table.c.count + 1,
                last_seen=func.now(),
                replay_requested_at=None,
            )
        )


async def put_aside(work: "Work[Any]", causes: Sequence[Cause], *, group: str, cluster_id: str) -> set[Place]:
    """Store messages as dead letters and tell of each on `dlq.<service>`; return the places of those that are new.

    The units' locks must be held.
    """
    letters = [dead_letter(each.record, group=group, reason=each.reason, detail=each.detail) for each in causes]
    records = [each.record for each in causes]
    first = await work.parts.dead_letters.store(work.session, list(zip(records, letters, strict=True)), cluster_id)
    for each, letter in zip(causes, letters, strict=True):
        if place_of(each.record) in first:
            work.publish(letter, unit=each.unit, topic=dead_letters_of(work.service).name)
            metrics.DEAD_LETTERS.labels(work.service, group, each.reason.value).inc()
    return first


def place_of(record: Record) -> Place:
    """Return where a message lies."""
    return record.topic, record.partition, record.offset


def _row(record: Record, letter: DeadLetterV1, cluster_id: str) -> dict[str, object]:
    headers = [
        [printable(name), None if value is None else b64encode(value).decode()] for name, value in record.headers
    ]
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "cluster_id": cluster_id,
        "consumer_group": letter.consumer_group,
        "key": record.key,
        "value": record.value,
        "headers": headers,
        "timestamp": letter.timestamp,
        "reason": letter.reason,
        "detail": letter.detail,
        "sha256": letter.sha256,
        "outcome": Outcome.QUARANTINED.value,
    }


def dead_letter(record: Record, *, group: str, reason: Reason, detail: str) -> DeadLetterV1:
    """Return the event that tells of a dead letter: the whole message, and why it is one."""
    value = record.value
    if value is not None and len(value) > VALUE_BYTES_TOLD_MAX:
        detail, value = f"[the value of {len(value)} bytes is in the table dead_letters alone] {detail}", None
    return DeadLetterV1(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp=datetime.fromtimestamp(record.timestamp / 1000, UTC),
        consumer_group=group,
        reason=reason.value,
        detail=_told(detail),
        sha256=sha256(record.value or b"").hexdigest(),
        key=_encoded(record.key),
        value=_encoded(value),
        headers=tuple((name, _encoded(value)) for name, value in record.headers),
    )


def _told(detail: str) -> str:
    return printable(detail)[:DETAIL_LENGTH_MAX]


def _encoded(value: bytes | None) -> bytes | None:
    return None if value is None else b64encode(value)


def printable(text: str) -> str:
    """Return a text that PostgreSQL can store: an error's message may quote whatever was sent."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")


def root_cause(error: BaseException) -> str:
    """Return an error as one line, `ValueError: …`, with its cause where it names one."""
    line = f"{type(error).__name__}: {error}"
    cause = error.__cause__
    return line if cause is None else f"{line} (because of {type(cause).__name__}: {cause})"
