"""Units of work on the catalogue's schema for commands; the running service publishes what they leave."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.catalogue.storage.tables import SERVICE, bus
from shared.bus.unit_of_work import UnitOfWorkFactory
from shared.clock import clock_from
from shared.database import make_engine
from shared.settings import CommonSettings


@asynccontextmanager
async def command_units_of_work(settings: CommonSettings) -> AsyncIterator[UnitOfWorkFactory[None]]:
    """Give units of work to a command that ends; a running service publishes what they leave in the outbox."""
    engine = make_engine(settings.database_url, SERVICE, pool_size=2)
    try:
        yield UnitOfWorkFactory.of(
            engine,
            service=SERVICE,
            tables=bus,
            clock=clock_from(settings.clock, simulated=settings.simulated),
            context=lambda: None,
        )
    finally:
        await engine.dispose()
