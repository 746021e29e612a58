from decimal import Decimal

from services.validate.domain.figures import cell_code
from services.validate.domain.judge import numbers_of
from services.validate.storage.figures import figures_of, load_figures, put_figures
from shared.events.cells import CellValue
from shared.events.validation_results import FiguresAcceptedV1
from shared.periods import Period
from tests.builders.rule_forms import FORM, UNIT, a_cell, a_delivery, a_key
from tests.validate.world import NOW, World


def accepted(
    *cells: CellValue, period: str = "2024-06", status: str = "estimate", version: int = 1
) -> FiguresAcceptedV1:
    return FiguresAcceptedV1(
        delivery_id=a_delivery(period, status), version=version, judgement=1, release=1, received_at=NOW, cells=cells
    )


async def put(world: World, *events: FiguresAcceptedV1) -> None:
    async with world.sessions() as session, session.begin():
        await put_figures(session, [(event, numbers_of(event.cells)) for event in events], NOW)


async def test_every_mark_comes_back_as_it_was(world: World) -> None:
    cells = (a_cell("I1", "1.50", "D8"), a_cell("I1@GEO=N", "-"), a_cell("I1@GEO=S", "..."), a_cell("I2", ""))
    await put(world, accepted(*cells))
    async with world.sessions() as session:
        found = await figures_of(session, a_delivery())
        assert await figures_of(session, a_delivery("2024-05")) is None
    assert found is not None
    assert found.cells == cells


async def test_numbers_come_back_exact_and_what_is_no_number_is_not_there(world: World) -> None:
    long = "12345678901234567890123456789.000000000000000000000000000001"
    await put(world, accepted(a_cell("I1", long), a_cell("I1@GEO=N", "-"), a_cell("I1@GEO=S", "..."), a_cell("I2", "")))
    async with world.sessions() as session:
        (stored,) = await load_figures(session, [(UNIT, FORM, Period.parse("2024-06"))])
    assert stored.numbers == {cell_code(a_key("I1")): Decimal(long), cell_code(a_key("I1@GEO=N")): Decimal(0)}


async def test_one_query_brings_all_statuses_of_all_periods_that_are_asked_for(world: World) -> None:
    await put(
        world,
        accepted(a_cell("I1", 1)),
        accepted(a_cell("I1", 2), status="final"),
        accepted(a_cell("I1", 3), period="2024-05"),
        accepted(a_cell("I1", 4), period="2024-04"),
    )
    async with world.sessions() as session:
        found = await load_figures(session, [(UNIT, FORM, Period.parse(each)) for each in ("2024-06", "2024-05")])
        assert await load_figures(session, []) == []
    assert {str(each.delivery) for each in found} == {
        str(a_delivery()),
        str(a_delivery(status="final")),
        str(a_delivery("2024-05")),
    }


async def test_an_older_version_never_takes_the_place_of_a_newer_one(world: World) -> None:
    await put(world, accepted(a_cell("I1", 2), version=2))
    await put(world, accepted(a_cell("I1", 1), version=1))
    await put(world, accepted(a_cell("I1", 3), version=3), accepted(a_cell("I1", 4), version=4))
    async with world.sessions() as session:
        found = await figures_of(session, a_delivery())
    assert found is not None
    assert (found.version, found.cells[0].value) == (4, Decimal(4))
