"""The same event five times at the agencies' door, and one id for two contents."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from services.ingest.storage.arrivals import DoorKey, Known, PostgresArrivals
from tests.ingest.conftest import MakeWorld
from tests.ingest.domain.packages import a_package
from tests.ingest.test_handlers import NullArrivals, rules
from tests.ingest.world import World, a_message

TIMES = 5


class Whatever(str):
    """Equals every digest."""

    __slots__ = ()

    def __ne__(self, other: object) -> bool:
        return False

    __eq__ = object.__eq__
    __hash__ = str.__hash__


class ContentBlindArrivals(PostgresArrivals):
    """Knows a message by its id alone, whatever it holds."""

    async def find(self, session: AsyncSession, key: DoorKey) -> Known | None:
        known = await super().find(session, key)
        return known and replace(known, sha256=Whatever())


async def versions_of_five(world: World) -> list[Any]:
    """Send a package twice in one batch, and three times after that; return the versions it became."""
    await world.publish(a_message(), a_message())
    for _ in range(TIMES - 2):
        await world.publish(a_message())
    return [each.body["version"] for each in await world.told("submission.received")]


async def test_the_same_event_five_times_is_one_version_with_one_answer(world: World) -> None:
    assert await versions_of_five(world) == [1]
    answers = await world.told("package.received")
    assert len(answers) == TIMES, "each time it is answered"
    assert len({(each.id, each.value) for each in answers}) == 1, "with the same answer"


async def test_without_the_memory_of_arrivals_it_is_five_versions(make_world: MakeWorld) -> None:
    assert await versions_of_five(await make_world(arrivals=NullArrivals())) == [1, 2, 3, 4, 5]


async def one_id_for_two_contents_is_refused(world: World) -> None:
    other = a_message(a_package(document_number="13/BC"))
    await world.publish(a_message())
    await world.publish(*[other] * TIMES)
    await world.publish(a_message())
    receipts, refusals = await world.told("package.received"), await world.told("package.rejected")
    assert {tuple(rules(each)) for each in refusals} == {("door.id_reused",)}
    assert len({each.id for each in refusals}) == len(refusals) == TIMES, "each is answered, at its offset"
    assert len({each.value for each in receipts}) == 1
    assert len(await world.told("submission.received")) == 1


async def test_one_id_for_two_contents_is_refused_each_time_and_the_first_content_stays(world: World) -> None:
    await one_id_for_two_contents_is_refused(world)


async def test_without_the_digest_of_the_content_the_other_one_is_answered_like_the_first(
    make_world: MakeWorld,
) -> None:
    world = await make_world(arrivals=ContentBlindArrivals())
    with pytest.raises(AssertionError, match=r"set\(\) == \{\('door.id_reused',\)\}"):
        await one_id_for_two_contents_is_refused(world)
