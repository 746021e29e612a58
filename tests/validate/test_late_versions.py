"""Versions of one delivery that come out of order, as after a replay: each is judged once, the newest figures stay."""

from typing import Any

import pytest

from services.validate.known import AcceptedNow
from services.validate.storage.figures import figures_of
from shared.delivery_id import DeliveryId
from shared.events.findings import Verdict
from shared.events.validation_results import FiguresAcceptedV1, ValidationCompletedV1
from tests.builders.rule_forms import a_rule, a_snapshot, some_cells
from tests.validate.world import World, received

FIRST, SECOND, THIRD = (received(some_cells(I1=10 * version), version=version) for version in (1, 2, 3))


async def an_older_version_takes_nobodys_place(world: World) -> None:
    await world.release(a_snapshot({"RANGE": a_rule("range(I1, 0, 1000)")}))
    await world.take(SECOND)
    await world.take(THIRD, FIRST)
    results = await world.published(ValidationCompletedV1)
    assert [(each.version, each.verdict) for each in results] == [
        (2, Verdict.ACCEPTED),
        (3, Verdict.ACCEPTED),
        (1, Verdict.ACCEPTED),
    ]
    assert [each.version for each in await world.published(FiguresAcceptedV1)] == [2, 3]
    async with world.sessions() as session:
        stored = await figures_of(session, FIRST.delivery_id)
    assert stored is not None
    assert stored.version == 3


async def test_an_older_version_that_comes_later_is_judged_and_takes_nobodys_place(world: World) -> None:
    await an_older_version_takes_nobodys_place(world)


async def test_without_a_look_at_the_version_it_takes_the_place_of_the_newest(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Forgetful(dict[DeliveryId, int]):
        """Knows no version."""

        def get(self, key: DeliveryId, default: object = None) -> Any:
            return 0

    load = AcceptedNow.load

    async def careless(*arguments: Any) -> AcceptedNow:
        loaded = await load(*arguments)
        loaded.versions = Forgetful()
        return loaded

    monkeypatch.setattr(AcceptedNow, "load", careless)
    with pytest.raises(AssertionError, match=r"assert \[2, 3, 1\] == \[2, 3\]"):
        await an_older_version_takes_nobodys_place(world)
