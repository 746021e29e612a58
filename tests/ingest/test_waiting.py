"""Workbooks take their turn to be read, but nobody waits for long: who waits holds the watermark."""

from services.ingest.bodies import XLSX_TYPE
from services.ingest.settings import IngestSettings
from tests.ingest.conftest import MakeWorld
from tests.ingest.world import World


async def test_an_upload_whose_turn_does_not_come_is_asked_to_come_again(make_world: MakeWorld) -> None:
    world = await make_world(settings=IngestSettings(workbook_wait_seconds_max=0.05))
    await fill(world)
    response = await world.post(content=b"PK", headers={"Content-Type": XLSX_TYPE})
    assert response.status_code == 503
    assert response.headers["retry-after"]
    assert not world.state.http_source._inside, "it would hold the watermark"


async def test_json_does_not_wait_for_workbooks(world: World) -> None:
    await fill(world)
    assert (await world.post()).status_code == 202


async def test_a_place_is_free_again_after_each_workbook_good_or_bad(world: World) -> None:
    for _ in range(5):
        response = await world.post(content=b"no workbook", headers={"Content-Type": XLSX_TYPE})
        assert response.status_code == 422


async def fill(world: World) -> None:
    while not world.state.workbooks.locked():
        await world.state.workbooks.acquire()
