"""The outbox: what is to be published commits together with what it tells of."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Table, insert, select
from sqlalchemy.ext.asyncio import AsyncSession


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
        """Return the id of the last event written for a partition, None when there is none.

        Transient events do not count, since no inbox remembers them: this is what a watermark's `after` names.
        """
        table = self._table
        last = (
            select(table.c.event_id)
            .where(
                table.c.topic == topic,
                table.c.partition == partition,
                table.c.headers["ce_type"].astext.not_in(self._transient_types),
            )
            .order_by(table.c.id.desc())
            .limit(1)
        )
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
