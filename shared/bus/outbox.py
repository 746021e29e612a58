"""The outbox: what is to be published commits together with what it tells of."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Table, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

OVERTAKEN_ROWS_MAX = 500
"""How many rows of a partition may at most be sent before one with a lower identity."""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A message to be published. `value` None is a tombstone. Rows of one slot are published in order."""

    slot: int
    topic: str
    partition: int
    key: str
    value: bytes | None
    headers: Mapping[str, str]
    event_id: str


class Outbox(Protocol):
    """Takes messages in a transaction, to be published after its commit."""

    async def add(self, session: AsyncSession, rows: Sequence[OutboxRow]) -> None:
        """Add messages in order."""
        ...


class PostgresOutbox:
    """The outbox as a table; the relay publishes its rows."""

    def __init__(self, table: Table, transient_types: Collection[str] = ()) -> None:
        self._table = table
        self._transient_types = tuple(transient_types)

    async def add(self, session: AsyncSession, rows: Sequence[OutboxRow]) -> None:
        """Insert all rows at once; identities are given in the order of the rows."""
        if rows:
            await session.execute(insert(self._table), [_values(row) for row in rows])

    async def last_event_id(self, session: AsyncSession, topic: str, partition: int) -> str | None:
        """Return the id of the last event before what is written now for a partition, None when there is none.

        Transient events do not count, since no inbox remembers them: this is what a watermark's `after` names. Last is
        what comes last on the partition: a row that committed after one with a higher identity was sent behind it.
        """
        table = self._table
        recent = (
            select(table.c.event_id, table.c.id, table.c.sent_at, table.c.sent_offset)
            .where(
                table.c.topic == topic,
                table.c.partition == partition,
                table.c.headers["ce_type"].astext.not_in(self._transient_types),
            )
            .order_by(table.c.id.desc())
            .limit(OVERTAKEN_ROWS_MAX)
            .subquery()
        )
        as_sent = (column.desc().nulls_first() for column in (recent.c.sent_at, recent.c.sent_offset, recent.c.id))
        last = select(recent.c.event_id).order_by(*as_sent).limit(1)
        return (await session.execute(last)).scalar_one_or_none()


def _values(row: OutboxRow) -> dict[str, object]:
    return {
        "slot": row.slot,
        "topic": row.topic,
        "partition": row.partition,
        "key": row.key,
        "value": row.value,
        "headers": dict(row.headers),
        "event_id": row.event_id,
    }
