"""Dead letters: a message that cannot be processed is stored whole, then told of on `dlq.<service>`."""

from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Boolean, Table, func, literal_column
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.bus import metrics
from shared.bus.errors import Reason
from shared.bus.inbox import Outcome
from shared.bus.records import Record
from shared.bus.topics import dead_letters_of
from shared.events.dead_letters import DeadLetterV1

if TYPE_CHECKING:
    from shared.bus.work import Work

DETAIL_LENGTH_MAX = 2000
VALUE_BYTES_TOLD_MAX = 4 * 1024 * 1024
"""A larger value is in the table alone: telling of it must never fail for its size."""


class DeadLetters(Protocol):
    """Stores messages that could not be processed."""

    async def store(self, session: AsyncSession, record: Record, letter: DeadLetterV1, cluster_id: str) -> bool:
        """Store a message; return whether it is the first time that it comes here."""
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
        detail=printable(detail)[:DETAIL_LENGTH_MAX],
        sha256=sha256(record.value or b"").hexdigest(),
        key=_encoded(record.key),
        value=_encoded(value),
        headers=tuple((name, _encoded(value)) for name, value in record.headers),
    )


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
