"""Planning, opening, moving dates; two replicas at once."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from deploy.embedded.postgres import EmbeddedPostgres
from services.catalogue.domain.delivery import State
from services.catalogue.jobs import CALENDAR_LOCK
from services.catalogue.settings import CatalogueSettings
from services.catalogue.storage.deliveries import load_deliveries, stored_plans
from services.catalogue.storage.tables import SERVICE
from shared.bus.cluster import ClusterWatch
from shared.bus.locks import lock_number
from shared.database import make_engine, migrate
from shared.delivery_id import DeliveryId
from shared.events.deadlines import DeadlineOpenedV1, DeadlineRedatedV1
from shared.events.findings import Verdict
from tests.builders.catalogue_files import a_catalogue, a_file
from tests.catalogue.world import SetClock, World, judged
from tests.parts import until

MONTH = DeliveryId.of("SO-A", "001.T/BCS-A", "2024-06", "estimate")
LATER = DeliveryId.of("SO-A", "001.T/BCS-A", "2024-06", "preliminary")
OTHER = DeliveryId.of("SO-B", "001.T/BCS-A", "2024-06", "estimate")
DUE = datetime(2024, 6, 18, 16, 59, 59, tzinfo=UTC)
DAY_OFF = {"overrides": [{"day": "2024-06-18", "working": False, "note": "nghỉ"}]}


async def test_planning_is_done_once_a_release_and_business_day(world: World) -> None:
    await world.load_and_open(a_catalogue())
    first = await world.published(DeadlineOpenedV1)
    for _ in range(3):
        await world.jobs.tick()
    assert await world.published(DeadlineOpenedV1) == first
    world.clock.at += timedelta(days=8)
    await world.jobs.tick()
    new = {str(each.delivery_id) for each in await world.published(DeadlineOpenedV1)} - {
        str(each.delivery_id) for each in first
    }
    assert "SO-A/001.T%2FBCS-A/2024-07/estimate" in new, "history after the live window, when its time has come"
    assert str(LATER) in new


async def test_two_replicas_open_everything_once(world: World) -> None:
    other = World(world.engine, world.clock)
    await world.load(a_catalogue())
    await asyncio.gather(world.jobs.tick(), other.jobs.tick())
    await asyncio.gather(world.jobs.tick(), other.jobs.tick())
    told = [str(each.delivery_id) for each in await world.published(DeadlineOpenedV1)]
    assert told
    assert len(told) == len(set(told))


async def test_a_replica_leaves_the_calendar_to_the_one_that_holds_its_lock(world: World) -> None:
    await world.load(a_catalogue())
    async with world.engine.connect() as connection:
        await connection.execute(
            text("SELECT pg_advisory_xact_lock(:purpose, :number)"),
            {"purpose": lock_number(f"{SERVICE}/jobs"), "number": CALENDAR_LOCK},
        )
        await world.jobs.tick()
        assert await world.published(DeadlineOpenedV1) == []
    await world.jobs.tick()
    assert await world.published(DeadlineOpenedV1)


async def test_an_open_delivery_keeps_its_rule_and_a_planned_one_follows_the_new_one(world: World) -> None:
    await world.load_and_open(a_catalogue())
    changed = a_file("obligations").replace("P+0:D18", "P+0:D20").replace("P+1:D18", "P+1:D22")
    await world.load_and_open(a_catalogue(obligations=changed))
    async with world.units_of_work.sessions() as session:
        stored = await load_deliveries(session, [MONTH, LATER])
    assert (stored[MONTH].due_rule, stored[MONTH].due_at) == ("P+0:D18", DUE)
    assert stored[LATER].due_rule == "P+1:D22"
    assert await world.published(DeadlineRedatedV1) == []


async def test_a_new_day_off_moves_the_dates_of_open_deliveries(world: World) -> None:
    await world.load_and_open(a_catalogue())
    await world.feed(judged(OTHER, 1, Verdict.ACCEPTED, DUE - timedelta(days=3)))
    await world.load_and_open(a_catalogue(dict(DAY_OFF)))
    (moved,) = await world.published(DeadlineRedatedV1)
    assert (moved.delivery_id, moved.deadline_version, moved.due_at) == (MONTH, 2, DUE + timedelta(days=1))
    assert await world.told(OTHER) == ["opened 1", "met 1"], "what is met keeps its date"
    await world.load_and_open(a_catalogue())
    assert await world.told(MONTH) == ["opened 1", "redated 2", "redated 3"]


async def test_a_delivery_that_passed_and_is_redated_may_pass_again(world: World) -> None:
    await world.load_and_open(a_catalogue())
    await world.watermark(DUE + timedelta(seconds=1))
    await world.load_and_open(a_catalogue(dict(DAY_OFF)))
    await world.watermark(DUE + timedelta(hours=1))
    assert await world.told(MONTH) == ["opened 1", "passed 1", "redated 2"]
    await world.watermark(DUE + timedelta(days=2))
    assert await world.told(MONTH) == ["opened 1", "passed 1", "redated 2", "passed 2"]


async def test_a_duty_that_ends_cancels_what_is_open_and_drops_what_is_planned(world: World) -> None:
    await world.load_and_open(a_catalogue())
    rows = a_file("obligations").splitlines(keepends=True)
    fewer = "".join(row for row in rows if "SO-B" not in row and "preliminary" not in row)
    await world.load_and_open(a_catalogue(obligations=fewer))
    assert await world.told(OTHER) == ["opened 1", "closed 1"]
    async with world.units_of_work.sessions() as session:
        assert (await load_deliveries(session, [OTHER]))[OTHER].state is State.CANCELLED
        assert LATER not in await stored_plans(session)


async def test_a_few_thousand_deliveries_of_history_are_open_within_seconds(world: World) -> None:
    unit_rows = "".join(f"U{number:03d},Đơn vị {number},,department,CTK,56,false\n" for number in range(120))
    duties = "".join(f"001.T/BCS-A,I1,U{number:03d},M,P+0:D18,estimate\n" for number in range(120))
    catalogue = a_catalogue(
        {"history_from": "2022-06"},
        units=a_file("units") + unit_rows,
        obligations=a_file("obligations") + duties,
    )
    await world.load(catalogue)
    start = time.monotonic()
    await world.jobs.tick()
    seconds = time.monotonic() - start
    assert len(await world.published(DeadlineOpenedV1)) > 2900
    assert seconds < 20  # about 2 s on a quiet machine


async def test_the_jobs_outlive_the_database(own_postgres: EmbeddedPostgres) -> None:
    await migrate([SERVICE], own_postgres.url)
    engine = make_engine(own_postgres.url, SERVICE, pool_size=4)
    settings = CatalogueSettings(tick_seconds=0.05, sweep_seconds=0.05)
    world = World(engine, SetClock(datetime(2024, 6, 10, 1, tzinfo=UTC)), settings=settings)
    world.jobs.start(ClusterWatch("127.0.0.1:1", SERVICE))  # a broker that never answers
    await own_postgres.kill()
    await own_postgres.start()
    await world.load(a_catalogue())

    async def opened() -> bool:
        return bool(await world.published(DeadlineOpenedV1))

    await until(opened, seconds=20)
    assert world.jobs.alive
    await world.jobs.stop()
    await engine.dispose()
