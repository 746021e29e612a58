"""Composition root: settings → engine, bus, clock → app; the only place that wires."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from services.catalogue import api, api_entities
from services.catalogue.context import Context
from services.catalogue.handlers import handlers
from services.catalogue.jobs import Jobs
from services.catalogue.settings import CatalogueSettings
from services.catalogue.state import CatalogueState
from services.catalogue.storage.tables import SERVICE, bus
from shared.access import AccessTable
from shared.bus.parts import Parts
from shared.bus.service_bus import ServiceBus
from shared.bus.topics import SUBMISSIONS, VALIDATION_RESULTS
from shared.bus.unit_of_work import UnitOfWorkFactory
from shared.clock import Clock, clock_from
from shared.database import database_answers, make_engine
from shared.http import health_router, install_problems
from shared.settings import CommonSettings
from shared.vital import OnLoss

EVENTS_GROUP = "catalogue.events"


def build_app(
    common: CommonSettings,
    *,
    settings: CatalogueSettings | None = None,
    parts: Parts | None = None,
    clock: Clock | None = None,
    access: AccessTable | None = None,
    on_loss: OnLoss | None = None,
) -> FastAPI:
    """Build the service; `parts`, `clock` and `access` take the place of the real ones.

    `on_loss` is called when something that should run for ever has ended by a fault of ours.
    """
    settings = settings or CatalogueSettings()
    clock = clock or clock_from(common.clock, simulated=common.simulated)
    engine = make_engine(common.database_url, SERVICE, common.database_pool_size)
    state = CatalogueState(access or AccessTable(clock))
    units_of_work = UnitOfWorkFactory.of(
        engine, service=SERVICE, tables=bus, clock=clock, context=lambda: state, parts=parts
    )
    service_bus = ServiceBus(
        common.bootstrap_servers, engine=engine, outbox=bus.outbox, units_of_work=units_of_work, on_loss=on_loss
    )
    service_bus.consumer(EVENTS_GROUP, handlers, topics=(SUBMISSIONS.name, VALIDATION_RESULTS.name))
    jobs = Jobs(units_of_work, state, settings, on_loss)
    service_bus.cluster.on_change(jobs.publish_again)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service_bus.start()
        jobs.start(service_bus.cluster)
        try:
            yield
        finally:
            await jobs.stop()
            await service_bus.stop()
            await engine.dispose()

    async def readiness() -> dict[str, bool]:
        return {
            **service_bus.readiness(),
            "database": await database_answers(engine),
            "catalogue": state.release is not None,
            "access": state.has_tokens,
            "jobs": jobs.alive,
        }

    app = FastAPI(title="Liên thông: catalogue", version="1", lifespan=lifespan)
    app.state.context = Context(units_of_work, state)
    app.state.jobs = jobs
    app.state.bus = service_bus
    install_problems(app)
    app.include_router(health_router(readiness, clock, simulated=common.simulated, release=lambda: state.release))
    app.include_router(api.router)
    app.include_router(api_entities.router)
    return app
