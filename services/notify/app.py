"""Composition root: settings → engine, bus, clock, mail server → app; the only place that wires."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from services.notify import api
from services.notify.context import Context, WebContext
from services.notify.domain.recheck import Recheck
from services.notify.domain.recheck import recheck as look_again
from services.notify.handlers import handlers
from services.notify.jobs import Jobs
from services.notify.mail_server import MailServer, SmtpAddress, SmtpServer
from services.notify.sending import Sender
from services.notify.settings import NotifySettings
from services.notify.state import Contacts, NotifyState
from services.notify.storage.tables import SERVICE, bus
from shared.access import AccessTable
from shared.bus.parts import Parts
from shared.bus.service_bus import ServiceBus
from shared.bus.topics import DEADLINES, SUBMISSIONS, VALIDATION_RESULTS
from shared.bus.unit_of_work import UnitOfWorkFactory
from shared.catalogue.reader import CatalogueReader, attach_access
from shared.clock import Clock, clock_from
from shared.database import database_answers, make_engine
from shared.http import health_router, install_problems
from shared.settings import CommonSettings
from shared.vital import OnLoss

EVENTS_GROUP = "notify.events"


def build_app(
    common: CommonSettings,
    *,
    settings: NotifySettings | None = None,
    parts: Parts | None = None,
    clock: Clock | None = None,
    mail_server: MailServer | None = None,
    recheck: Recheck = look_again,
    access: AccessTable | None = None,
    on_loss: OnLoss | None = None,
) -> FastAPI:
    """Build the service; `parts`, `clock`, `mail_server`, `recheck` and `access` take the place of the real ones.

    `on_loss` is called when something that should run for ever has ended by a fault of ours.
    """
    settings = settings or NotifySettings()
    clock = clock or clock_from(common.clock, simulated=common.simulated)
    mail_server = mail_server or SmtpServer(SmtpAddress.parse(common.smtp_url), settings.send_timeout_seconds)
    engine = make_engine(common.database_url, SERVICE, common.database_pool_size)
    reader, contacts, access = CatalogueReader(), Contacts(), access or AccessTable(clock)
    state = NotifyState(reader, contacts, access)
    context = Context(state, settings, clock)
    units_of_work = UnitOfWorkFactory.of(
        engine, service=SERVICE, tables=bus, clock=clock, context=lambda: context, parts=parts
    )
    service_bus = ServiceBus(
        common.bootstrap_servers,
        engine=engine,
        outbox=bus.outbox,
        units_of_work=units_of_work,
        before_consuming=reader.wait_first,
        on_loss=on_loss,
    )
    reader.attach(service_bus)
    contacts.attach(service_bus)
    attach_access(access, service_bus)
    service_bus.consumer(EVENTS_GROUP, handlers, topics=(SUBMISSIONS.name, VALIDATION_RESULTS.name, DEADLINES.name))
    sender = Sender(
        units_of_work,
        context,
        mail_server,
        recheck,
        ingest_url=common.ingest_url,
        simulated=common.simulated,
    )
    jobs = Jobs(units_of_work, context, sender, on_loss)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service_bus.start()
        jobs.start(service_bus.wait_ready)
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
            "mail_server": sender.health.good,
            "jobs": jobs.alive,
        }

    app = FastAPI(title="Liên thông: notify", version="1", lifespan=lifespan)
    app.state.context = WebContext(units_of_work, context)
    app.state.jobs = jobs
    app.state.bus = service_bus
    install_problems(app)
    app.include_router(health_router(readiness, clock, simulated=common.simulated, release=lambda: reader.release))
    app.include_router(api.router)
    return app
