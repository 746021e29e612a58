"""What was put aside and is replayed comes late to the catalogue: it is judged by when it was received."""

from datetime import datetime

import pytest

from services.catalogue.domain.delivery import State
from shared.events.deadlines import DeadlineMetV1
from shared.events.findings import Verdict
from tests.builders.catalogue_files import a_catalogue
from tests.catalogue.test_handlers import AFTER, EARLY, LATE, MONTH, state_of
from tests.catalogue.world import World, judged, received


@pytest.mark.parametrize("verdict_first", [False, True])
@pytest.mark.parametrize(
    ("received_at", "state"), [(EARLY, State.MET_IN_TIME), (LATE, State.MET_LATE)], ids=["in time", "late"]
)
async def test_a_report_that_comes_after_passed_is_in_time_if_it_was_received_in_time(
    world: World, received_at: datetime, state: State, *, verdict_first: bool
) -> None:
    await world.load_and_open(a_catalogue())
    await world.watermark(AFTER)
    assert await world.told(MONTH) == ["opened 1", "passed 1"]
    facts = [received(MONTH, 1, received_at), judged(MONTH, 1, Verdict.ACCEPTED, received_at)]
    for fact in reversed(facts) if verdict_first else facts:
        await world.feed(fact)
    assert await state_of(world, MONTH) is state
    (met,) = await world.published(DeadlineMetV1)
    assert met.in_time is (state is State.MET_IN_TIME)
    assert await world.told(MONTH) == ["opened 1", "passed 1", "met 1"]
