"""The inbox: effects happen once, because what was taken in is recorded in the transaction of its effect."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from sqlalchemy import ARRAY, Table, Text, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession


class Outcome(StrEnum):
    """What became of a message."""

    HANDLED = "handled"
    SKIPPED = "skipped"
    QUARANTINED = "quarantined"
    REPEATED = "repeated"
    """Of a dead letter alone: when it was replayed, its event had been taken in already, so nothing was done."""


class Identity(NamedTuple):
    """What makes an event one and the same: CloudEvents 1.0, section 3.1, `source` + `id`."""

    source: str
    id: str


class Inbox(Protocol):
    """Remembers events."""

    async def claim(self, session: AsyncSession, events: Sequence[tuple[Identity, Outcome]]) -> set[Identity]:
        """Record the events and return those that were not there before."""
        ...

    async def settle(self, session: AsyncSession, identity: Identity, outcome: Outcome) -> bool:
        """Record that an event that was put aside is done now; False when it was done before."""
        ...

    async def contains(self, session: AsyncSession, identity: Identity) -> bool:
        """Whether an event was taken in, whatever became of it."""
        ...


class PostgresInbox:
    """The inbox as a table; a transaction that holds the same event makes the other wait for its end."""

    def __init__(self, table: Table) -> None:
        self._table = table
        rows = (
            func.unnest(
                bindparam("sources", type_=ARRAY(Text)),
                bindparam("ids", type_=ARRAY(Text)),
                bindparam("outcomes", type_=ARRAY(Text)),
            )
            .table_valued("source", "id", "outcome")
            .render_derived()
        )
        self._claim = (
            insert(table)
            .from_select(["source", "id", "outcome"], select(rows.c.source, rows.c.id, rows.c.outcome))
            .on_conflict_do_nothing()
            .returning(table.c.source, table.c.id)
        )

    async def claim(self, session: AsyncSession, events: Sequence[tuple[Identity, Outcome]]) -> set[Identity]:
        """Record all in one statement, in sorted order, so that two claims never wait for each other in a ring."""
        if not events:
            return set()
        ordered = sorted(events)
        result = await session.execute(
            self._claim,
            {
                "sources": [identity.source for identity, _ in ordered],
                "ids": [identity.id for identity, _ in ordered],
                "outcomes": [outcome.value for _, outcome in ordered],
            },
        )
        return {Identity(source, event_id) for source, event_id in result}

    async def settle(self, session: AsyncSession, identity: Identity, outcome: Outcome) -> bool:
        """Turn `quarantined` into what has become of the event, or record one that could not be read before."""
        row = insert(self._table).values(source=identity.source, id=identity.id, outcome=outcome.value)
        settled = row.on_conflict_do_update(
            index_elements=[self._table.c.source, self._table.c.id],
            set_={"outcome": row.excluded.outcome},
            where=self._table.c.outcome == Outcome.QUARANTINED.value,
        ).returning(self._table.c.id)
        return (await session.execute(settled)).first() is not None

    async def contains(self, session: AsyncSession, identity: Identity) -> bool:
        """Whether an event was taken in, also by the transaction of this session."""
        found = select(self._table.c.id).where(self._table.c.source == identity.source, self._table.c.id == identity.id)
        return (await session.execute(found)).first() is not None
