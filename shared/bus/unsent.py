"""What the relay asks of the outbox table, all through the session that holds its locks."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Integer, Table, Text, all_, and_, bindparam, cast, func, select, true, update
from sqlalchemy import delete as delete_from

from shared.bus.lock_session import LockSession
from shared.bus.publisher import UnsentRow

PAGE_ROWS_MAX = 500
PAGE_BYTES_MAX = 16 * 1024 * 1024
"""A page ends before the row that would go beyond; it has at least one row."""
LANE_SEPARATOR = ":"
"""No topic's name has it."""

Lane = tuple[str, int]
"""A partition of a topic: what has an order of its own."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much is unpublished: rows, seconds since the oldest was written, and rows parked for good."""

    unsent_count: int
    oldest_seconds: float
    parked_count: int


class UnsentRows:
    """The unsent rows of one service's outbox."""

    def __init__(self, table: Table) -> None:
        unsent = and_(table.c.sent_at.is_(None), table.c.parked_reason.is_(None))
        lane = table.c.topic + LANE_SEPARATOR + cast(table.c.partition, Text)
        size = func.coalesce(func.octet_length(table.c.value), 0)
        page = (
            select(table, func.sum(size).over(order_by=table.c.id, rows=(None, -1)).label("bytes_before"))
            .where(table.c.slot == bindparam("slot"), unsent, lane != all_(bindparam("busy", type_=ARRAY(Text))))
            .order_by(table.c.id)
            .limit(PAGE_ROWS_MAX)
            .subquery()
        )
        self._page = (
            select(page.c.id, page.c.topic, page.c.partition, page.c.key, page.c.value, page.c.headers)
            .where(func.coalesce(page.c.bytes_before, 0) < PAGE_BYTES_MAX)
            .order_by(page.c.id)
        )
        slots = func.unnest(bindparam("slots", type_=ARRAY(Integer))).table_valued("slot").render_derived()
        any_row = select(table.c.id).where(table.c.slot == slots.c.slot, unsent).limit(1).lateral()
        self._pending = select(slots.c.slot).select_from(slots.join(any_row, true()))
        sent = (
            func.unnest(bindparam("ids", type_=ARRAY(BigInteger)), bindparam("offsets", type_=ARRAY(BigInteger)))
            .table_valued("id", "offset")
            .render_derived()
        )
        self._mark = (
            update(table)
            .where(table.c.id == sent.c.id)
            .values(sent_at=func.now(), cluster_id=bindparam("cluster", type_=Text), sent_offset=sent.c.offset)
        )
        self._delete = delete_from(table).where(table.c.id == func.any(bindparam("ids", type_=ARRAY(BigInteger))))
        self._park = (
            update(table).where(table.c.id == bindparam("row_id")).values(parked_reason=bindparam("reason", type_=Text))
        )
        age = func.extract("epoch", func.now() - func.min(table.c.created_at))
        self._backlog = select(func.count(), func.coalesce(age, 0)).where(unsent)
        self._parked = select(func.count()).where(table.c.parked_reason.is_not(None))

    async def page(self, session: LockSession, slot: int, busy: Collection[Lane] = ()) -> list[UnsentRow]:
        """Return the first unsent rows of a slot in order, without those of busy lanes.

        They are at most `PAGE_ROWS_MAX` and about `PAGE_BYTES_MAX`.
        """
        lanes = [f"{topic}{LANE_SEPARATOR}{partition}" for topic, partition in busy]
        rows = await session.execute(self._page, {"slot": slot, "busy": lanes})
        return [UnsentRow(row.id, row.topic, row.partition, row.key, row.value, row.headers) for row in rows]

    async def pending(self, session: LockSession, slots: Collection[int]) -> set[int]:
        """Return which of these slots have unsent rows; one index probe a slot."""
        rows = await session.execute(self._pending, {"slots": sorted(slots)})
        return {row.slot for row in rows}

    async def mark_sent(
        self, session: LockSession, rows: Sequence[UnsentRow], offsets: Sequence[int], cluster_id: str
    ) -> None:
        """Write down at which offset each row stands in Kafka."""
        await session.execute(
            self._mark, {"ids": [row.id for row in rows], "offsets": list(offsets), "cluster": cluster_id}
        )

    async def delete(self, session: LockSession, rows: Sequence[UnsentRow]) -> None:
        """Forget rows that nobody will ask for again."""
        await session.execute(self._delete, {"ids": [row.id for row in rows]})

    async def park(self, session: LockSession, row: UnsentRow, reason: str) -> None:
        """Put a row aside that Kafka refuses for good; the rows after it go on."""
        await session.execute(self._park, {"row_id": row.id, "reason": reason})

    async def backlog(self, session: LockSession) -> Backlog:
        """Return how much is unpublished in all slots."""
        unsent: Any = (await session.execute(self._backlog))[0]
        parked: Any = (await session.execute(self._parked))[0]
        return Backlog(unsent_count=unsent[0], oldest_seconds=float(unsent[1]), parked_count=parked[0])
