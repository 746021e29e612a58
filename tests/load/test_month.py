"""Ten times the demo's month comes at once, as fast as the doors take it."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from deploy.embedded.stack import DEFAULT_START
from tests.parts import until
from tests.system.agencies import Package, packages
from tests.system.books import disorder, versions_judged
from tests.system.town import Town, a_town

pytestmark = pytest.mark.deep

DEMO_PACKAGES = 85
TIMES = 10


@pytest_asyncio.fixture
async def town() -> AsyncIterator[Town]:
    async with a_town() as town:
        yield town


@pytest.mark.timeout(1800)
async def test_ten_times_the_demos_month_at_once_and_the_books_balance(town: Town) -> None:
    sending = packages(town.sample, TIMES * DEMO_PACKAGES, open_at=DEFAULT_START)
    begun = time.monotonic()
    await all_at_once(town, sending)
    taken = time.monotonic() - begun
    wanted = sum(town.agencies.acknowledged.values())
    await until(lambda: judged_count(town) >= wanted, seconds=900, every=0.2)
    judged = time.monotonic() - begun
    await town.settle()
    assert town.imbalances() == []
    assert disorder(town.reader.facts()) == []
    print(
        f"\n{len(sending)} packages, {wanted} reports: acknowledged in {taken:.1f} s ({len(sending) / taken:.0f}/s), "
        f"judged in {judged:.1f} s ({wanted / judged:.0f} reports/s)"
    )


def judged_count(town: Town) -> int:
    judged = versions_judged(town.reader.facts())
    return sum(1 for delivery, _ in judged if delivery in town.agencies.acknowledged)


async def all_at_once(town: Town, sending: list[Package]) -> None:
    """Let all units send at the same time, each one package after the other."""
    by_unit: dict[str, list[Package]] = defaultdict(list)
    for package in sending:
        by_unit[package.unit].append(package)

    async def send(mine: list[Package]) -> None:
        for package in mine:
            await town.agencies.send(package)

    await asyncio.gather(*(send(mine) for mine in by_unit.values()))
