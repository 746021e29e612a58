"""How far the doors have published, as a reader of `submissions` knows it.

A watermark says: everything that any door received up to `at` was published before this, on this partition. After a
loss of the broker's disk it may come before what it speaks of, so it names the last event before it: a reader that
has not taken that one in does not believe it.
"""

from datetime import datetime
from typing import Protocol

from sqlalchemy import Table, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.bus import metrics
from shared.bus.inbox import Identity, Inbox
from shared.events.base import Event
from shared.events.submissions import WatermarkV1


class Watermarks(Protocol):
    """Keeps the watermark of each partition of `submissions`."""

    async def record(self, session: AsyncSession, partition: int, event: Event[WatermarkV1], inbox: Inbox) -> bool:
        """Take a watermark in; return whether it was believed."""
        ...

    async def read_all(self, session: AsyncSession) -> dict[int, datetime]:
        """Return the watermark of each partition that has one."""
        ...


class PostgresWatermarks:
    """The watermarks as a table; they never move back."""

    def __init__(self, table: Table, service: str) -> None:
        self._table = table
        self._service = service

    async def record(self, session: AsyncSession, partition: int, event: Event[WatermarkV1], inbox: Inbox) -> bool:
        """Take a watermark in, unless the inbox lacks the event that it says went before it."""
        after = event.data.after
        if after is not None and not await inbox.contains(session, Identity(event.source, after)):
            metrics.WATERMARKS_IGNORED.labels(self._service).inc()
            return False
        row = insert(self._table).values(partition=partition, at=event.data.at)
        await session.execute(
            row.on_conflict_do_update(
                index_elements=[self._table.c.partition],
                set_={"at": func.greatest(self._table.c.at, row.excluded.at), "updated_at": func.now()},
            )
        )
        metrics.WATERMARK.labels(self._service, str(partition)).set(event.data.at.timestamp())
        return True

    async def read_all(self, session: AsyncSession) -> dict[int, datetime]:
        """Return the watermark of each partition that has one."""
        rows = await session.execute(select(self._table.c.partition, self._table.c.at))
        return {row.partition: row.at for row in rows}
