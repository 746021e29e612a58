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


class Identity(NamedTuple):
    """What makes an event one and the same: CloudEvents 1.0, section 3.1, `source` + `id`."""

    source: str
    id: str


class Inbox(Protocol):
    """Remembers events."""

    async def claim(self, session: AsyncSession, events: Sequence[tuple[Identity, Outcome]]) -> set[Identity]:
        """Record the events and return those that were not there before."""
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

    async def contains(self, session: AsyncSession, identity: Identity) -> bool:
        """Whether an event was taken in, also by the transaction of this session."""
        found = select(self._table.c.id).where(self._table.c.source == identity.source, self._table.c.id == identity.id)
        return (await session.execute(found)).first() is not None
