"""The HTTP door as a source of the watermark: what was received and is not committed holds the watermark back.

A replica has a row that it renews. A request belongs to the row that was there when its body ended, and commits only
while that row is there: the watermark may have passed the request once the row was deleted, since its lease ran out.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from services.ingest.metrics import IN_FLIGHT
from services.ingest.problems import replica_not_live
from services.ingest.storage.sources import add_source, delete_source, hold_source, renew_source
from shared.clock import Clock


@dataclass(frozen=True, slots=True)
class Reception:
    """A request whose body has ended: when (machine time), and the row that it belongs to."""

    at: datetime
    source: str


class HttpSource(Protocol):
    """Knows the requests in flight, and tells the database."""

    @property
    def live(self) -> bool:
        """Whether packages can be taken."""
        ...

    @contextmanager
    def reception(self) -> Iterator[Reception]:
        """Enter when a body has ended, leave when its package is committed; raises ProblemError 503."""
        ...

    async def hold(self, session: AsyncSession, reception: Reception) -> None:
        """Make sure, until the transaction's end, that the watermark waits for it; raises ProblemError 503."""
        ...

    async def renew(self, session: AsyncSession) -> str:
        """Tell how far this replica is; return its row's name, to be `confirmed` after the commit."""
        ...

    def confirm(self, name: str) -> None:
        """Note that the row is committed: bodies that end from now on belong to it."""
        ...

    async def withdraw(self, session: AsyncSession) -> None:
        """Delete the row at the end, so that nobody waits for it."""
        ...


@dataclass
class LeasedHttpSource:
    """One replica's row in `sources`."""

    clock: Clock
    lease_seconds: float
    _name: str | None = None
    _in_flight: dict[int, Reception] = field(default_factory=dict)

    @property
    def live(self) -> bool:
        """Whether there is a row."""
        return self._name is not None

    @contextmanager
    def reception(self) -> Iterator[Reception]:
        """Register a request from the end of its body to its commit."""
        if self._name is None:
            raise replica_not_live()
        reception = Reception(self.clock.machine_now(), self._name)
        self._in_flight[id(reception)] = reception
        IN_FLIGHT.set(len(self._in_flight))
        try:
            yield reception
        finally:
            del self._in_flight[id(reception)]
            IN_FLIGHT.set(len(self._in_flight))

    async def hold(self, session: AsyncSession, reception: Reception) -> None:
        """Lock the request's row against deletion; renewing it does not wait for that."""
        if not await hold_source(session, reception.source):
            raise replica_not_live()

    async def renew(self, session: AsyncSession) -> str:
        """Renew the row, or begin another one when it was deleted: requests of the old one are refused then."""
        if self._name is not None and await renew_source(session, self._name, self.settled(), self.lease_seconds):
            return self._name
        self._name = None
        name = f"http/{uuid4()}"
        await add_source(session, name, self.clock.machine_now(), self.lease_seconds)
        return name

    def confirm(self, name: str) -> None:
        """Let requests belong to the row."""
        self._name = name

    async def withdraw(self, session: AsyncSession) -> None:
        """Delete the row."""
        name, self._name = self._name, None
        if name is not None:
            await delete_source(session, name)

    def settled(self) -> datetime:
        """Return the instant before which all that this row's requests brought is committed."""
        # Taken in one step of the event loop: a request that comes between the two would be overlooked.
        waiting = [each.at for each in self._in_flight.values() if each.source == self._name]
        return min(waiting, default=self.clock.machine_now())
