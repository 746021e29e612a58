"""A dead letter as it is kept: the message whole, why it was put aside, and what became of it."""

from base64 import b64decode
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Self

from sqlalchemy import ColumnElement, Row, Table, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.bus.inbox import Outcome
from shared.bus.records import Record
from shared.bus.topics import AGENCY_SUBMISSIONS

StoredHeaders = Sequence[tuple[str, str | None]]
"""Header names with their values in base64: they may be no text."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A row of `dead_letters`. Instants are machine time."""

    id: int
    topic: str
    partition: int
    offset: int
    cluster_id: str
    consumer_group: str
    key: bytes | None
    value: bytes | None
    headers: StoredHeaders
    timestamp: datetime
    reason: str
    detail: str
    sha256: str
    first_seen: datetime
    last_seen: datetime
    count: int
    outcome: str
    replay_requested_at: datetime | None
    replayed_at: datetime | None

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Return the letter in a row."""
        return cls(**{field.name: getattr(row, field.name) for field in fields(cls)})

    @property
    def record(self) -> Record:
        """The Kafka record as it came, with its place and its time."""
        headers: Any = tuple((name, None if value is None else b64decode(value)) for name, value in self.headers)
        return Record(
            topic=self.topic,
            partition=self.partition,
            offset=self.offset,
            timestamp=round(self.timestamp.timestamp() * 1000),
            timestamp_type=0,  # not kept: nobody asks who stamped it
            key=self.key,
            value=self.value,
            checksum=None,
            serialized_key_size=-1 if self.key is None else len(self.key),
            serialized_value_size=-1 if self.value is None else len(self.value),
            headers=headers,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Chooses dead letters: those that fulfil all that is given. `since` is about when one was last seen."""

    ids: Collection[int] = ()
    topic: str | None = None
    reason: str | None = None
    unit: str | None = None
    since: datetime | None = None
    put_aside_only: bool = False
    """Without those that are done."""

    @property
    def everything(self) -> bool:
        """Whether nothing is given that would leave one out."""
        return not self.ids and all(each is None for each in (self.topic, self.reason, self.unit, self.since))

    def condition(self, table: Table) -> ColumnElement[bool]:
        """Return it as SQL."""
        found: list[ColumnElement[bool]] = [table.c.id.isnot(None)]
        if self.ids:
            found.append(table.c.id.in_(self.ids))
        if self.topic is not None:
            found.append(table.c.topic == self.topic)
        if self.reason is not None:
            found.append(table.c.reason == self.reason)
        if self.unit is not None:
            agency = AGENCY_SUBMISSIONS.for_unit(self.unit).name
            prefix = AGENCY_SUBMISSIONS.name.partition("<")[0]  # there the key is whatever the sender likes
            ours = and_(table.c.key == self.unit.encode(), table.c.topic.not_like(f"{prefix}%"))
            found.append(or_(table.c.topic == agency, ours))
        if self.since is not None:
            found.append(table.c.last_seen >= self.since)
        if self.put_aside_only:
            found.append(table.c.outcome == Outcome.QUARANTINED.value)
        return and_(*found)


async def find_letters(session: AsyncSession, table: Table, which: Which, limit: int | None = None) -> list[Letter]:
    """Return dead letters, the newest first."""
    rows = await session.execute(select(table).where(which.condition(table)).order_by(table.c.id.desc()).limit(limit))
    return [Letter.of(row) for row in rows]


async def request_replay(session: AsyncSession, table: Table, which: Which) -> list[int]:
    """Mark dead letters that are not done, so that their service replays them; return their ids, in order."""
    marked = await session.execute(
        update(table)
        .where(which.condition(table), table.c.outcome == Outcome.QUARANTINED.value)
        .values(replay_requested_at=func.now())
        .returning(table.c.id)
    )
    return sorted(marked.scalars())
