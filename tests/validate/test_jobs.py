"""Another broker gets the accepted figures whole: their topic is compacted, so the outbox does not keep them."""

import pytest
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncEngine

from services.validate import jobs
from services.validate.jobs import Jobs
from services.validate.storage.tables import bus, publications
from shared.events.validation_results import FiguresAcceptedV1
from tests.builders.rule_forms import a_rule, a_snapshot, some_cells
from tests.validate.world import PACKAGE, World, received

PERIODS = ("2024-04", "2024-05", "2024-06")


@pytest.fixture
async def world(engine: AsyncEngine) -> World:
    """Three deliveries with accepted figures, one of them in its second version; all is published."""
    made = World(engine)
    await made.release(a_snapshot({"RANGE": a_rule("range(I1, 0, 1000)")}))
    await made.take(*(received(some_cells(I1=number), period) for number, period in enumerate(PERIODS, 1)))
    await made.take(received(some_cells(I1=9), PERIODS[0], version=2))
    await forget(made)
    return made


async def forget(world: World) -> None:
    """Send the rows of the outbox, that is: they go."""
    async with world.sessions() as session, session.begin():
        await session.execute(delete(bus.outbox))


async def clusters(world: World) -> set[str]:
    async with world.sessions() as session:
        return set(await session.scalars(select(publications.c.cluster_id)))


async def test_the_first_cluster_gets_nothing_again(world: World) -> None:
    await Jobs(world.units_of_work).publish_to("first")
    assert await world.published(FiguresAcceptedV1) == []
    assert await clusters(world) == {"first"}


async def test_another_cluster_gets_all_figures_once_the_newest_of_each_delivery(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "DELIVERIES_AT_ONCE", 2)
    for cluster in ("first", "second", "second", "first"):
        await Jobs(world.units_of_work).publish_to(cluster)
    published = await world.published(FiguresAcceptedV1)
    assert [(str(each.delivery_id.period), each.version) for each in published] == [
        (PERIODS[0], 2),
        (PERIODS[1], 1),
        (PERIODS[2], 1),
    ]
    assert {each["ce_correlationid"] for each in await world.headers(FiguresAcceptedV1)} == {str(PACKAGE)}


async def test_begun_again_it_publishes_the_same_events(world: World) -> None:
    """As after a kill before the cluster was noted."""
    await Jobs(world.units_of_work).publish_to("first")
    await Jobs(world.units_of_work).publish_to("second")
    ids = [each["ce_id"] for each in await world.headers(FiguresAcceptedV1)]
    async with world.sessions() as session, session.begin():
        await session.execute(delete(publications).where(publications.c.cluster_id == "second"))
    await forget(world)
    await Jobs(world.units_of_work).publish_to("second")
    assert [each["ce_id"] for each in await world.headers(FiguresAcceptedV1)] == ids
