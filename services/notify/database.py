"""Units of work on notify's schema."""

from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker

from services.notify.storage.tables import SERVICE, bus
from shared.bus.parts import Parts
from shared.bus.unit_of_work import UnitOfWorkFactory
from shared.bus.wakeup import RelayWakeup
from shared.bus.work import ContextT
from shared.clock import Clock


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
