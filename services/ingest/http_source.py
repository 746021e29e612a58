"""The HTTP doors of one replica as a source of the watermark: what has come in and is not committed yet.

A request commits only while the replica's row in `sources` is live. A replica that was frozen longer than its lease
finds its row gone: the watermark may have passed what it holds, so those requests end in 503 and are sent again.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from services.ingest import metrics
from services.ingest.storage.sources import add_http_source, drop_source, hold_http_source, renew_http_source
from shared.clock import Clock
from shared.logs import get_logger
from shared.problems import UnavailableError

log = get_logger(__name__)


@dataclass(eq=False, frozen=True, slots=True)
class Ticket:
    """One request whose body has ended at a machine instant, under one life of the replica's row."""

    received_at: datetime
    source: str


class HttpSource(Protocol):
    """Knows the requests in flight."""

    def enter(self) -> Ticket:
        """Note that a request's body has ended now; raises UnavailableError while there is no live row."""
        ...

    async def confirm(self, session: AsyncSession, ticket: Ticket) -> None:
        """Let the session's transaction commit the request; raises UnavailableError when it may not."""
        ...

    def leave(self, ticket: Ticket) -> None:
        """Note that a request has ended, committed or not."""
        ...

    async def beat(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        """Say that everything up to the oldest request in flight is committed, and renew the lease."""
        ...

    async def stop(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        """Take the row away."""
        ...

    @property
    def live(self) -> bool:
        """Whether there is a row."""
        ...


@dataclass
class LeasedHttpSource:
    """The real one: a row with a lease."""

    clock: Clock
    lease: timedelta
    _source: str | None = None
    _inside: set[Ticket] = field(default_factory=set)

    @property
    def live(self) -> bool:
        """Whether there is a row, as far as this replica knows."""
        return self._source is not None

    def enter(self) -> Ticket:
        """Note that a request's body has ended now."""
        if self._source is None:
            raise UnavailableError("the doors are not open yet")
        ticket = Ticket(self.clock.machine_now(), self._source)
        self._inside.add(ticket)
        return ticket

    async def confirm(self, session: AsyncSession, ticket: Ticket) -> None:
        """Hold the row that the request came in under until the transaction ends."""
        if not await hold_http_source(session, ticket.source):
            raise UnavailableError("the lease of these doors has run out; the request was not taken")

    def leave(self, ticket: Ticket) -> None:
        """Note that a request has ended."""
        self._inside.discard(ticket)

    async def beat(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        """Move the row to the oldest request in flight, else to now; register anew when it is gone."""
        source, now = self._source, self.clock.machine_now()
        if source is not None:
            mine = (ticket.received_at for ticket in self._inside if ticket.source == source)
            oldest = min(mine, default=now)
            async with sessions() as session, session.begin():
                renewed = await renew_http_source(session, source, oldest, self.lease)
            if renewed:
                return
            metrics.SOURCES_LOST.inc()
            log.warning("lease_lost", source=source, requests=len(self._inside))
            self._source, now = None, self.clock.machine_now()
        source = f"http/{uuid4()}"
        async with sessions() as session, session.begin():
            await add_http_source(session, source, now, self.lease)
        self._source = source  # only now: a body that ended before the commit may be older than a watermark

    async def stop(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        """Take the row away, unless requests are still inside: then the lease has to run out."""
        if self._source is not None and not self._inside:
            source, self._source = self._source, None
            async with sessions() as session, session.begin():
                await drop_source(session, source)
