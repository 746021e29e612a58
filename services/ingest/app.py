"""Composition root: settings → engine, bus, clock, doors → app; the only place that wires."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI

from services.ingest import api, metrics, openapi
from services.ingest.agency_topics import AgencyTopics
from services.ingest.broker_offsets import KafkaOffsets
from services.ingest.catching_up import CatchUp
from services.ingest.context import Context
from services.ingest.handlers import events, packages
from services.ingest.http_source import HttpSource, LeasedHttpSource
from services.ingest.jobs import Jobs
from services.ingest.senders import ScopedSenders, Senders
from services.ingest.settings import IngestSettings
from services.ingest.state import IngestState
from services.ingest.storage.arrivals import Arrivals, PostgresArrivals
from services.ingest.storage.tables import SERVICE, bus
from services.ingest.watermark import WatermarkWriter
from shared.access import AccessTable
from shared.bus.outbox import PostgresOutbox
from shared.bus.parts import Parts
from shared.bus.service_bus import ServiceBus
from shared.bus.topics import DEADLINES, TOPICS, VALIDATION_RESULTS
from shared.bus.unit_of_work import UnitOfWorkFactory
from shared.catalogue.reader import CatalogueReader, attach_access
from shared.clock import Clock, clock_from
from shared.database import database_answers, make_engine
from shared.http import health_router, install_problems
from shared.objects import FolderStore, ObjectStore
from shared.settings import CommonSettings
from shared.vital import OnLoss

PACKAGES_GROUP = "ingest.packages"
EVENTS_GROUP = "ingest.events"
PACKAGES_AT_ONCE_MAX = 50
UNIT_BYTES_AT_ONCE_MAX = 64 * 1024
"""A unit that sends much at once has its turn between the others: a package takes some ms, a larger one comes alone."""
AGENCY_PATTERN = "^agency\\.[^.]+\\.submissions$"
"""Also of units that the catalogue does not know: their topics name where to answer."""


def build_app(
    common: CommonSettings,
    *,
    settings: IngestSettings | None = None,
    parts: Parts | None = None,
    clock: Clock | None = None,
    arrivals: Arrivals | None = None,
    senders: Senders | None = None,
    http_source: HttpSource | None = None,
    objects: ObjectStore | None = None,
    on_loss: OnLoss | None = None,
) -> FastAPI:
    """Build the service; the keyword arguments take the place of the real parts.

    `on_loss` is called when something that should run for ever has ended by a fault of ours.
    """
    settings = settings or IngestSettings()
    clock = clock or clock_from(common.clock, simulated=common.simulated)
    engine = make_engine(common.database_url, SERVICE, common.database_pool_size)
    reader, access = CatalogueReader(), AccessTable(clock)
    http_source = http_source or LeasedHttpSource(clock, timedelta(seconds=settings.lease_seconds))
    units_of_work: UnitOfWorkFactory[IngestState] = UnitOfWorkFactory.of(
        engine, service=SERVICE, tables=bus, clock=clock, context=lambda: state, parts=parts
    )
    service_bus = ServiceBus(
        common.bootstrap_servers,
        engine=engine,
        outbox=bus.outbox,
        units_of_work=units_of_work,
        before_consuming=reader.wait_first,
        on_loss=on_loss,
    )
    state = IngestState(
        reader=reader,
        access=access,
        objects=objects or FolderStore(common.objects),
        arrivals=arrivals or PostgresArrivals(),
        http_source=http_source,
        settings=settings,
        clock=clock,
        cluster_id=lambda: service_bus.cluster.cluster_id,
        ensure_topics=service_bus.ensure,
    )
    reader.attach(service_bus)
    attach_access(access, service_bus)
    service_bus.consumer(
        PACKAGES_GROUP,
        packages,
        pattern=AGENCY_PATTERN,
        records_max=PACKAGES_AT_ONCE_MAX,
        partition_bytes_max=UNIT_BYTES_AT_ONCE_MAX,
        deduplicate=False,
    )
    service_bus.consumer(EVENTS_GROUP, events, topics=(DEADLINES.name, VALIDATION_RESULTS.name))
    offsets = KafkaOffsets(common.bootstrap_servers, group=PACKAGES_GROUP, pattern=AGENCY_PATTERN)
    deadlines = KafkaOffsets(common.bootstrap_servers, group=EVENTS_GROUP, pattern=DEADLINES.pattern)
    transient = {data_type.ce_type for data_type in TOPICS.transient}
    jobs = Jobs(
        units_of_work,
        settings,
        http_source=http_source,
        watermark=WatermarkWriter(units_of_work, state, offsets, PostgresOutbox(bus.outbox, transient)),
        topics=AgencyTopics(units_of_work, state),
        catch_up=CatchUp(units_of_work, state, deadlines),
        on_loss=on_loss,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service_bus.start()
        jobs.start(service_bus.cluster.wait_known)
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
            "catalogue": reader.release is not None,
            "doors": http_source.live,
            "deadlines": state.deadlines_read,
            "jobs": jobs.alive,
        }

    app = FastAPI(title="Liên thông: ingest", version="1", lifespan=lifespan)
    app.state.context = Context(units_of_work, state, senders or ScopedSenders())
    app.state.bus = service_bus
    app.state.jobs = jobs
    install_problems(app, on_unavailable=metrics.REFUSED.labels("unavailable").inc)
    app.include_router(health_router(readiness, clock, simulated=common.simulated, release=lambda: reader.release))
    app.include_router(api.router)
    openapi.describe(app)
    return app
