"""Half an hour of steady work: nothing grows but the tables. `LIENTHONG_TEST_SOAK_SECONDS` makes it shorter."""

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from deploy.embedded.stack import DEFAULT_START, SERVICES
from tests.load.gauges import MEGABYTE, Sample, growths, take_sample
from tests.system.agencies import Package, packages
from tests.system.books import disorder
from tests.system.town import Town, a_town

pytestmark = pytest.mark.deep

SECONDS = float(os.environ.get("LIENTHONG_TEST_SOAK_SECONDS", "1800"))
PER_SECOND = 10
SAMPLE_COUNT = 90


@pytest_asyncio.fixture
async def town() -> AsyncIterator[Town]:
    async with a_town() as town:
        yield town


@pytest.mark.timeout(2 * SECONDS + 600)
async def test_nothing_grows_but_the_tables(town: Town) -> None:
    sending = packages(town.sample, int(SECONDS * PER_SECOND), open_at=DEFAULT_START)
    samples: list[Sample] = []
    flow = asyncio.create_task(send_steadily(town, sending))
    while not flow.done():
        samples.append(await take_sample(town.stack))
        await asyncio.wait([flow], timeout=SECONDS / SAMPLE_COUNT)
    took = await flow
    await town.settle()
    found = growths(samples)
    print(f"\n{len(sending)} packages in {took:.0f} s; second and last third of {len(samples)} samples:")
    print("\n".join(map(str, found)))
    assert [str(each) for each in found if each.too_much] == []
    assert town.imbalances() == []
    assert disorder(town.reader.facts()) == []


async def send_steadily(town: Town, sending: list[Package]) -> float:
    """Send so many packages a second, those of one unit one after the other; return the seconds that it took."""
    turns: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
    begun = time.monotonic()

    async def send(number: int, package: Package) -> None:
        await asyncio.sleep(number / PER_SECOND - (time.monotonic() - begun))
        async with turns[package.unit]:
            await town.agencies.send(package)

    async with asyncio.TaskGroup() as group:
        for number, package in enumerate(sending):
            group.create_task(send(number, package))
    return time.monotonic() - begun


def test_what_grows_is_noticed() -> None:
    flat = Sample(
        rss=dict.fromkeys(SERVICES, 100 * MEGABYTE),
        handles=dict.fromkeys(SERVICES, 50),
        connections=20,
        dead_rows=100,
        live_rows=10_000,
    )
    leaking = [replace(flat, handles={**flat.handles, "ingest": 50 + number}) for number in range(30)]
    assert not any(each.too_much for each in growths([flat] * 30))
    assert [each.gauge for each in growths(leaking) if each.too_much] == ["ingest handles"]
