"""Dead letters: a message that cannot be processed is stored whole, then told of on `dlq.<service>`."""

from base64 import b64encode
from collections.abc import Collection
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol

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


class DeadLetters(Protocol):
    """Stores messages that could not be processed, and gives those out again that are to be replayed."""

    async def store(self, session: AsyncSession, record: Record, letter: DeadLetterV1, cluster_id: str) -> bool:
        """Store a message; return whether it is the first time that it comes here."""
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

    async def store(self, session: AsyncSession, record: Record, letter: DeadLetterV1, cluster_id: str) -> bool:
        """Insert the message, or count it when it is there already."""
        row = insert(self._table).values(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            cluster_id=cluster_id,
            consumer_group=letter.consumer_group,
            key=record.key,
            value=record.value,
            headers=[
                [printable(name), None if value is None else b64encode(value).decode()]
                for name, value in record.headers
            ],
            timestamp=letter.timestamp,
            reason=letter.reason,
            detail=letter.detail,
            sha256=letter.sha256,
            outcome=Outcome.QUARANTINED.value,
        )
        upsert = row.on_conflict_do_update(
            constraint="dead_letters_message",
            set_={"count": self._table.c.count + 1, "last_seen": func.now()},
        ).returning(literal_column("xmax = 0", Boolean))  # PostgreSQL: zero for a row that this statement inserted
        return bool(await session.scalar(upsert))

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


async def put_aside(
    work: "Work[Any]",
    record: Record,
    *,
    unit: str,
    group: str,
    cluster_id: str,
    reason: Reason,
    detail: str,
) -> bool:
    """Store a message as a dead letter and tell of it on `dlq.<service>`; return whether it was not there before.

    The unit's lock must be held.
    """
    letter = dead_letter(record, group=group, reason=reason, detail=detail)
    if not await work.parts.dead_letters.store(work.session, record, letter, cluster_id):
        return False
    work.publish(letter, unit=unit, topic=dead_letters_of(work.service).name)
    metrics.DEAD_LETTERS.labels(work.service, group, reason.value).inc()
    return True


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
