"""All services over sockets: each is killed among the work, and a replica that shares it; the books balance."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import pytest
import pytest_asyncio

from demo.facts import Judgement, Received
from demo.sample import Sample
from demo.stack import Addresses
from demo.topics import TopicReader
from deploy.embedded.ports import free_port
from deploy.embedded.service_part import ServicePart
from deploy.embedded.stack import DEFAULT_SAMPLE, DEFAULT_START, PROJECT, SERVICES, Stack, Wiring
from tests.parts import make_folder, remove_folder, until
from tests.system.agencies import Agencies, Package, packages
from tests.system.books import disorder, imbalances, versions_judged

pytestmark = pytest.mark.faults

PACKAGE_COUNT = 200
EVENT_COUNT = 500
AT_ONCE = 4
JUDGEMENTS = "lienthong_validate_judgements_total{"


@dataclass
class Town:
    """A stack, all agencies of the sample, and one who reads the topics. The books go on over the module's tests."""

    stack: Stack
    sample: Sample
    agencies: Agencies
    reader: TopicReader
    client: httpx.AsyncClient

    async def send(self, sending: list[Package], at: Mapping[int, Callable[[], Awaitable[object]]]) -> None:
        """Send all packages, a few at once; before the package of a number `at` something else is done."""
        turn = asyncio.Semaphore(AT_ONCE)
        # The packages of one unit go one after the other, so that its versions have one order.
        by_unit: dict[str, list[int]] = defaultdict(list)
        for number, package in enumerate(sending):
            by_unit[package.unit].append(number)

        async def send_all(numbers: list[int]) -> None:
            for number in numbers:
                async with turn:
                    if number in at:
                        await at[number]()
                    await self.agencies.send(sending[number])

        await asyncio.gather(*(send_all(numbers) for numbers in by_unit.values()))

    async def settle(self) -> None:
        """Wait until everything that was sent is judged and the books balance, or see that they do not."""
        wanted = sum(self.agencies.acknowledged.values())
        await until(lambda: self._judged_count() >= wanted, seconds=90)
        await self.stack.wait_ready()
        await until(lambda: not self.imbalances(), seconds=30)
        assert self.reader.failure is None

    def imbalances(self) -> list[str]:
        return imbalances(self.agencies.acknowledged, self.agencies.by_kafka, self.reader.facts())

    async def judged_by(self, url: str) -> float:
        """Return how many judgements a replica of validate has made."""
        lines = (await self.client.get(f"{url}/metrics")).text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(JUDGEMENTS))

    def _judged_count(self) -> int:
        judged = versions_judged(self.reader.facts())
        return sum(1 for delivery, _ in judged if delivery in self.agencies.acknowledged)


@pytest_asyncio.fixture(scope="module")
async def town() -> AsyncIterator[Town]:
    folder = make_folder()
    sample = Sample.read(DEFAULT_SAMPLE)
    kafka_units = frozenset(code for code, unit in sample.units.items() if unit.kafka_door)
    try:
        async with Stack(folder / "data") as stack, httpx.AsyncClient(timeout=30) as client:
            addresses = Addresses.read(stack.addresses_file)
            reader = TopicReader(addresses.bootstrap_servers, kafka_units)
            await until(lambda: not reader.missing_topics())
            reader.start()
            yield Town(stack, sample, Agencies(addresses, kafka_units, client), reader, client)
            reader.stop()
    finally:
        remove_folder(folder)


@pytest_asyncio.fixture
async def second_validate(town: Town) -> AsyncIterator[ServicePart]:
    """Another replica of validate, beside the one that the stack looks after."""
    replica = ServicePart(
        "validate-2",
        port=free_port(frozenset(town.stack.service_ports.values())),
        command=[*Wiring().lienthong, "serve", "validate"],
        environment=town.stack.environment,
        folder=town.stack.data,
        cwd=PROJECT,
    )
    await replica.start()

    async def ready() -> bool:
        return await replica.missing(town.client) is None

    await until(ready, seconds=60)
    yield replica
    await replica.kill()


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
