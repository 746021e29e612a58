"""All services over sockets: each is killed among the work, and a replica that shares it; the books balance."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from demo.facts import Judgement, Received
from deploy.embedded.service_part import ServicePart
from deploy.embedded.stack import DEFAULT_START, SERVICES
from tests.parts import until
from tests.system.agencies import packages
from tests.system.books import disorder, imbalances
from tests.system.town import Town, a_second, a_town

pytestmark = pytest.mark.faults

PACKAGE_COUNT = 200
EVENT_COUNT = 500


@pytest_asyncio.fixture(scope="module")
async def town() -> AsyncIterator[Town]:
    async with a_town() as town:
        yield town


@pytest_asyncio.fixture
async def second_validate(town: Town) -> AsyncIterator[ServicePart]:
    async with a_second("validate", town) as replica:
        yield replica


@pytest.mark.timeout(300)
async def test_each_service_is_killed_among_200_packages_and_the_books_balance(town: Town) -> None:
    killed: list[tuple[str, int]] = []

    def killing(name: str) -> Callable[[], Awaitable[object]]:
        async def kill() -> None:
            killed.append((name, await town.stack.kill(name)))

        return kill

    at = {(place + 1) * PACKAGE_COUNT // (len(SERVICES) + 1): killing(name) for place, name in enumerate(SERVICES)}
    by_kafka = town.agencies.by_kafka
    await town.send(packages(town.sample, PACKAGE_COUNT, open_at=DEFAULT_START), at)
    await town.settle()
    assert sorted(name for name, _ in killed) == sorted(SERVICES)
    assert 0 < town.agencies.by_kafka - by_kafka < PACKAGE_COUNT, "both doors were used"
    assert town.imbalances() == []
    assert disorder(town.reader.facts()) == []


@pytest.mark.timeout(300)
async def test_two_replicas_share_500_packages_and_when_one_is_killed_the_other_does_all(
    town: Town, second_validate: ServicePart
) -> None:
    shares: list[float] = []

    async def kill() -> None:
        """Kill the second one once it has judged something; the others keep sending meanwhile."""
        await until(lambda: town.judged_by(second_validate.url), seconds=60)
        shares.append(await town.judged_by(second_validate.url))
        await second_validate.kill()

    before = await town.judged_by(town.stack.addresses.validate)
    count = sum(town.agencies.acknowledged.values())
    await town.send(packages(town.sample, EVENT_COUNT, open_at=DEFAULT_START), {EVENT_COUNT // 2: kill})
    await town.settle()
    sent = sum(town.agencies.acknowledged.values()) - count
    first_share = await town.judged_by(town.stack.addresses.validate) - before
    assert sent >= EVENT_COUNT
    assert 0 < shares[0] < sent
    assert 0 < first_share < sent, "neither did everything"
    assert town.imbalances() == []
    assert disorder(town.reader.facts()) == []


A_TIME = datetime(2024, 6, 10, tzinfo=UTC)


def test_the_books_notice_what_is_lost_doubled_or_out_of_order() -> None:
    def judged(version: int, event_id: str = "") -> Judgement:
        return Judgement(event_id or f"j{version}", "D", version, 1, "accepted", A_TIME)

    def received(version: int) -> Received:
        return Received(f"r{version}", "D", version, "p", A_TIME)

    sent = Counter({"D": 2})
    both = [received(1), received(2)]
    assert imbalances(sent, 0, [*both, judged(1), judged(2)]) == []
    assert imbalances(sent, 0, [*both, judged(1)]) == ["judged never: ('D', 2)"]
    assert imbalances(sent, 0, [*both, judged(1), judged(2), judged(2, "again")]) == ["judged 2 times: ('D', 2)"]
    assert imbalances(sent, 0, [*both, judged(2), judged(1)]) == ["out of order: D [2, 1]"]
    assert disorder([*both, judged(1), judged(2)]) == []
    assert disorder([*both, judged(2), judged(1)]) == ["D"]
    assert imbalances(sent, 1, [*both, judged(1), judged(2)]) == ["0 receipts for 1 packages on Kafka"]
