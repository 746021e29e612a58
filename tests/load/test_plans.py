"""With 10,000 units no statement of the daily work reads a growing table from end to end.

Left out is what has to see everything: planning (once a day and a release), counting for the metrics, the page of all
open deliveries.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from services.catalogue.domain.delivery import Version
from services.catalogue.storage import deliveries as calendar
from services.catalogue.storage import queries as calendar_queries
from services.ingest.storage import arrivals, packages
from services.ingest.storage import deliveries as ingest_deliveries
from services.ingest.storage.tables import bus
from services.notify.domain.steps import Kind, Step
from services.notify.storage import deliveries as notify_deliveries
from services.notify.storage import mails, steps
from services.validate.storage import figures, judgements
from shared.bus.clearing import PostgresClearing
from shared.bus.inbox import Identity, Outcome, PostgresInbox
from shared.bus.lock_session import LockSession
from shared.bus.outbox import PostgresOutbox
from shared.bus.sweep import Loss, PostgresSentRows
from shared.bus.topics import SERVICES, TOPICS
from shared.bus.unsent import UnsentRows
from shared.database import make_engine, migrate
from shared.delivery_id import DeliveryId
from shared.events.agency import ReportVerdict
from shared.events.findings import Verdict
from tests.load.filling import TABLES, UNIT_COUNT, fill
from tests.load.plans import Caught, catching, read_whole
from tests.parts import Databases

pytestmark = pytest.mark.faults

NOW = datetime(2024, 6, 18, 12, tzinfo=UTC)
A_PACKAGE = UUID("c4ca4238-a0b9-2382-0dcc-509a6f75849b")
SOME = [DeliveryId.of(f"U{number}", "F1", "2024-06", "final") for number in range(0, UNIT_COUNT, UNIT_COUNT // 50)]
MARKS = dict.fromkeys(range(12), NOW)


@pytest_asyncio.fixture(scope="module")
async def filled(databases: Databases) -> AsyncIterator[str]:
    url = await databases.fresh()
    await migrate(SERVICES, url)
    await fill(url)
    yield url
    await databases.drop(url)


async def bus_kit(session: AsyncSession) -> None:
    inbox, outbox = PostgresInbox(bus.inbox), PostgresOutbox(bus.outbox, ["vn.lienthong.watermark.v1"])
    identities = [Identity("urn:lienthong:catalogue", str(uuid4())) for _ in range(500)]
    await inbox.claim(session, [(each, Outcome.HANDLED) for each in identities])
    await inbox.contains(session, identities[0])
    await outbox.last_event_id(session, "submissions", 3)


async def at_the_doors(session: AsyncSession) -> None:
    known = arrivals.PostgresArrivals()
    await known.find(session, arrivals.door_key("U1", "urn:agency", "1"))
    await ingest_deliveries.deliveries_of_form(session, "U1", "F1")
    of_some = await ingest_deliveries.deliveries_by_id(session, SOME)
    await ingest_deliveries.open_deliveries(session, ["U1", "U2"], None)
    await ingest_deliveries.save_deliveries(session, of_some.values())
    await packages.packages_by_id(session, [A_PACKAGE])
    await packages.submissions_of(session, [A_PACKAGE])
    told = [ReportVerdict(delivery_id=each, version=1, judgement=1, verdict=Verdict.ACCEPTED) for each in SOME]
    assert await packages.record_verdicts(session, told) > 0


async def in_the_calendar(session: AsyncSession) -> None:
    loaded = await calendar.load_deliveries(session, SOME)
    await calendar.load_all_statuses(session, SOME)
    await calendar.load_versions(session, SOME)
    await calendar.save_deliveries(session, list(loaded.values()))
    await calendar.save_versions(session, [(each, Version(number=2, received_at=NOW)) for each in SOME])
    await calendar.claim_events(session, [(each, 1, "opened") for each in SOME], NOW)
    assert await calendar.ids_to_open(session, NOW + timedelta(days=31), 200)
    assert await calendar.ids_to_pass(session, MARKS, 200)
    await calendar_queries.find_delivery(session, SOME[0])
    await calendar_queries.due_dates(session, SOME)
    await calendar_queries.owed_next(session, "U1", "F1")


async def telling(session: AsyncSession) -> None:
    loaded = await notify_deliveries.load(session, SOME)
    await notify_deliveries.save(session, list(loaded.values()))
    await notify_deliveries.set_plans(session, [(each, NOW) for each in loaded.values()], "policy", 1)
    await notify_deliveries.units_to_plan(session, "policy", 1, 100)
    await notify_deliveries.load_unplanned(session, ["U1", "U2"], "policy", 1)
    assert await notify_deliveries.units_to_remind(session, MARKS, 100)
    await notify_deliveries.load_overdue(session, "U0", NOW)
    a_step = Step(SOME[0], "reminder-3d", Kind.REMINDER, "x", NOW, 1)
    await steps.add_steps(session, [a_step], NOW)
    assert await steps.units_ready(session, datetime.now(UTC), 100)
    await steps.load_ready(session, "U0", datetime.now(UTC))
    await steps.set_state(session, [a_step], steps.StepState.TOLD)
    await mails.told_already(session, "CU1", [a_step])
    due = await mails.next_due(session, NOW)
    assert due is not None
    claimed = await mails.claim(session, due[0], now=NOW, until=NOW)
    assert claimed is not None
    await mails.finish(session, claimed, mails.MailState.SENT, at=NOW)
    await mails.queue_state(session)


async def judging(session: AsyncSession) -> None:
    await figures.load_figures(session, [(each.unit, each.form, each.period) for each in SOME])
    await judgements.judgements_of_package(session, uuid4())
    await judgements.latest_judgement(session, DeliveryId.of("U0", "F2", "2024-06", "final"))


async def caught_in(url: str, schema: str, work: Callable[[AsyncSession], Awaitable[None]]) -> Caught:
    engine = make_engine(url, schema)
    async with catching(engine) as caught, AsyncSession(engine) as session:
        await work(session)
        await session.rollback()
    await engine.dispose()
    return caught


@pytest.mark.parametrize("work", [bus_kit, at_the_doors, in_the_calendar, telling, judging])
async def test_no_statement_of_a_service_reads_a_growing_table_whole(filled: str, work: Any) -> None:
    caught = await caught_in(filled, "load", work)
    assert len(caught.statements) >= 3
    assert growing(await read_whole(filled, caught)) == {}


async def test_no_statement_of_relay_sweep_and_clearing_reads_a_growing_table_whole(filled: str) -> None:
    engine = make_engine(filled, "load")
    unsent, sent = UnsentRows(bus.outbox), PostgresSentRows(bus.outbox)
    async with catching(engine) as caught, LockSession.open(engine, "load") as session:
        rows = await unsent.page(session, 3, [("figures", 2)])
        assert await unsent.pending(session, range(12)) == set(range(12))
        assert (await unsent.backlog(session)).unsent_count == 200
        await unsent.mark_sent(session, rows[:1], [1], "cluster")
        await unsent.delete(session, rows[1:2])
        await unsent.park(session, rows[2], "for a test")
        (lane,) = await sent.lanes(session, 5)
        lost = Loss(lane.cluster_id, lane.lane, lane.last_offset - 50, shortened=True)
        assert await sent.take_back(session, 5, lost) > 0
        await PostgresClearing(bus, TOPICS).clear(async_sessionmaker(engine), datetime.now(UTC))
    await engine.dispose()
    assert growing(await read_whole(filled, caught)) == {}


async def test_a_missing_index_is_noticed(filled: str) -> None:
    async def look(session: AsyncSession) -> None:
        await session.execute(text("select id from ingest.packages where original = 'x'"))

    found = await read_whole(filled, await caught_in(filled, "load", look))
    assert list(found.values()) == [{"ingest.packages"}]


def growing(found: dict[str, set[str]]) -> dict[str, set[str]]:
    return {statement: tables & set(TABLES) for statement, tables in found.items() if tables & set(TABLES)}
