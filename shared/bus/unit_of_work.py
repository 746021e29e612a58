"""Where a transaction begins and ends: one place commits, for handlers, HTTP requests and jobs alike."""

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, Self

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from shared.bus.parts import Parts
from shared.bus.tables import BusTables
from shared.bus.topics import TOPICS, TopicTable
from shared.bus.wakeup import RelayWakeup
from shared.bus.work import ContextT, Work
from shared.clock import Clock


@dataclass(frozen=True, kw_only=True)
class UnitOfWorkFactory(Generic[ContextT]):
    """Begins units of work for one service. `context` is called at each beginning."""

    sessions: async_sessionmaker[AsyncSession]
    service: str
    clock: Clock
    context: Callable[[], ContextT]
    parts: Parts
    wakeup: RelayWakeup
    topics: TopicTable = TOPICS

    @classmethod
    def of(
        cls,
        engine: AsyncEngine,
        *,
        service: str,
        tables: BusTables,
        clock: Clock,
        context: Callable[[], ContextT],
        parts: Parts | None = None,
    ) -> Self:
        """Return what begins units of work on a service's schema; without `parts` with the real ones."""
        return cls(
            sessions=async_sessionmaker(engine, expire_on_commit=False),
            service=service,
            clock=clock,
            context=context,
            parts=parts or Parts.of(service, tables),
            wakeup=RelayWakeup(),
        )

    @asynccontextmanager
    async def begin(self, units: Collection[str] = ()) -> AsyncIterator[Work[ContextT]]:
        """Begin, lock the units, and at the end write the outbox, commit, and wake the relay.

        An exception rolls everything back; nothing is published then.
        """
        async with self.sessions() as session, session.begin():
            work = Work(
                session,
                service=self.service,
                now=self.clock.now(),
                context=self.context(),
                parts=self.parts,
                topics=self.topics,
            )
            await work.lock_units(units)
            yield work
            await work.flush()
        self.wakeup.wake(work.written_slots)
