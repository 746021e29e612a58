"""Retention: what no reader can ask for any more is deleted once a day, by machine time and in small batches."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog
from sqlalchemy import ARRAY as ARRAY_OF
from sqlalchemy import BigInteger, DateTime, any_, bindparam, delete, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from shared.bus import metrics
from shared.bus.errors import WrongTopicError
from shared.bus.retry import Backoff, is_transient
from shared.bus.tables import BusTables
from shared.bus.topics import RETENTION_MS, TopicTable

ROWS_AT_ONCE = 1_000
DAY_SECONDS = 24 * 3600.0
START_SECONDS = 60.0
INBOX_MARGIN = timedelta(days=30)
"""How much longer than any topic the inbox remembers: a message may be read on its last day, and come again."""

log = structlog.get_logger(__name__)

Sessions = async_sessionmaker[AsyncSession]


@dataclass(frozen=True, slots=True)
class Cleared:
    """How many rows went."""

    outbox_count: int
    inbox_count: int


class Clearing(Protocol):
    """Deletes old rows."""

    async def clear(self, sessions: Sessions, now: datetime) -> Cleared:
        """Delete what is too old at `now` (machine time); transactions of its own, each short."""
        ...


class PostgresClearing:
    """Clears the outbox by its identity, which grows with time, and the inbox by an index of its instants."""

    def __init__(self, tables: BusTables, topics: TopicTable) -> None:
        outbox, inbox = tables.outbox, tables.inbox
        self._topics = topics
        self._page = (
            select(outbox.c.id, outbox.c.topic, outbox.c.created_at, outbox.c.sent_at)
            .where(outbox.c.id > bindparam("after", type_=BigInteger))
            .order_by(outbox.c.id)
            .limit(ROWS_AT_ONCE)
        )
        self._delete = delete(outbox).where(
            outbox.c.id == any_(bindparam("ids", type_=ARRAY_OF(BigInteger))), outbox.c.sent_at.is_not(None)
        )
        old = (
            select(inbox.c.source, inbox.c.id)
            .where(inbox.c.recorded_at < bindparam("before", type_=DateTime(timezone=True)))
            .order_by(inbox.c.recorded_at)
            .limit(ROWS_AT_ONCE)
            .cte("old")
        )
        self._forget = delete(inbox).where(inbox.c.source == old.c.source, inbox.c.id == old.c.id).returning(inbox.c.id)

    async def clear(self, sessions: Sessions, now: datetime) -> Cleared:
        """Delete sent rows older than their topic's retention, and inbox rows that are older than all of them."""
        return Cleared(await self._clear_outbox(sessions, now), await self._clear_inbox(sessions, now))

    async def _clear_outbox(self, sessions: Sessions, now: datetime) -> int:
        """Walk from the oldest row on, to the first page without one that is too old; unsent and parked ones stay."""
        count, after = 0, 0
        while True:
            async with sessions() as session, session.begin():
                page = (await session.execute(self._page, {"after": after})).all()
                ids = [
                    row.id for row in page if row.sent_at is not None and self._is_old(row.topic, row.created_at, now)
                ]
                if ids:
                    await session.execute(self._delete, {"ids": ids})
            count += len(ids)
            if len(page) < ROWS_AT_ONCE or all(row.created_at > now - self._shortest() for row in page):
                return count
            after = page[-1].id

    async def _clear_inbox(self, sessions: Sessions, now: datetime) -> int:
        count = 0
        while True:
            async with sessions() as session, session.begin():
                gone = len(
                    (await session.execute(self._forget, {"before": now - self._longest() - INBOX_MARGIN})).all()
                )
            count += gone
            if gone < ROWS_AT_ONCE:
                return count

    def _is_old(self, topic: str, created_at: datetime, now: datetime) -> bool:
        try:
            retention_ms = self._topics.topic_of(topic).retention_ms
        except WrongTopicError:  # of an earlier version, which kept none longer
            retention_ms = RETENTION_MS
        return retention_ms is not None and created_at < now - timedelta(milliseconds=retention_ms)

    def _retentions(self) -> list[timedelta]:
        found = [topic.retention_ms for topic in self._topics.rows if topic.retention_ms is not None]
        return [timedelta(milliseconds=each) for each in found]

    def _shortest(self) -> timedelta:
        return min(self._retentions())

    def _longest(self) -> timedelta:
        return max(self._retentions())


async def clear_daily(clearing: Clearing, sessions: Sessions, service: str) -> None:
    """Clear soon after the start and then each day, for ever. Replicas may do it at once; raises a fault of ours."""
    await asyncio.sleep(START_SECONDS)
    while True:
        backoff = Backoff(seconds_max=START_SECONDS)
        while True:
            try:
                cleared = await clearing.clear(sessions, datetime.now(UTC))
                break
            except Exception as error:
                if not is_transient(error):
                    raise
                await backoff.pause()
        metrics.CLEARED.labels(service, "outbox").inc(cleared.outbox_count)
        metrics.CLEARED.labels(service, "inbox").inc(cleared.inbox_count)
        log.info("old_rows_deleted", service=service, outbox=cleared.outbox_count, inbox=cleared.inbox_count)
        await asyncio.sleep(DAY_SECONDS)
