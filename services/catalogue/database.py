"""Units of work on the catalogue's schema, for the service and for commands alike."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker

from services.catalogue.storage.tables import SERVICE, bus
from shared.bus.parts import Parts
from shared.bus.unit_of_work import UnitOfWorkFactory
from shared.bus.wakeup import RelayWakeup
from shared.bus.work import ContextT
from shared.clock import Clock, clock_from
from shared.database import make_engine
from shared.settings import CommonSettings


def units_of_work(
    engine: AsyncEngine,
    clock: Clock,
    context: Callable[[], ContextT],
    *,
    parts: Parts | None = None,
) -> UnitOfWorkFactory[ContextT]:
    """Return what begins units of work; without `parts` with the real ones."""
    return UnitOfWorkFactory(
        sessions=async_sessionmaker(engine, expire_on_commit=False),
        service=SERVICE,
        clock=clock,
        context=context,
        parts=parts or Parts.of(SERVICE, bus),
        wakeup=RelayWakeup(),
    )


@asynccontextmanager
async def command_units_of_work(settings: CommonSettings) -> AsyncIterator[UnitOfWorkFactory[None]]:
    """Give units of work to a command that ends; a running service publishes what they leave in the outbox."""
    engine = make_engine(settings.database_url, SERVICE, pool_size=2)
    try:
        yield units_of_work(engine, clock_from(settings.clock, simulated=settings.simulated), lambda: None)
    finally:
        await engine.dispose()
