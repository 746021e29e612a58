import asyncio
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from demo.facts import Judgement, Received
from demo.sample import Sample
from demo.stack import Addresses
from demo.topics import TopicReader
from deploy.embedded.stack import DEFAULT_SAMPLE, DEFAULT_START, SERVICES, Stack
from tests.parts import until
from tests.system.agencies import Agencies, packages
from tests.system.books import imbalances, versions_judged

PACKAGE_COUNT = 200
AT_ONCE = 4


@pytest.mark.timeout(300)
async def test_each_service_is_killed_among_200_packages_and_the_books_balance(own_folder: Path) -> None:
    sample = Sample.read(DEFAULT_SAMPLE)
    sending = packages(sample, PACKAGE_COUNT, open_at=DEFAULT_START)
    kafka_units = frozenset(code for code, unit in sample.units.items() if unit.kafka_door)
    kill_at = {(number + 1) * PACKAGE_COUNT // (len(SERVICES) + 1): name for number, name in enumerate(SERVICES)}
    async with Stack(own_folder / "data") as stack, httpx.AsyncClient(timeout=30) as client:
        addresses = Addresses.read(stack.addresses_file)
        reader = TopicReader(addresses.bootstrap_servers, kafka_units)
        await until(lambda: not reader.missing_topics())
        reader.start()
        agencies = Agencies(addresses, kafka_units, client)
        turn = asyncio.Semaphore(AT_ONCE)
        killed = []

        async def send(number: int) -> None:
            async with turn:
                if name := kill_at.get(number):
                    killed.append((name, await stack.kill(name)))
                await agencies.send(sending[number])

        # The packages of one unit go one after the other, so that its versions have one order.
        by_unit: dict[str, list[int]] = {}
        for number, package in enumerate(sending):
            by_unit.setdefault(package.unit, []).append(number)

        async def send_all(numbers: list[int]) -> None:
            for number in numbers:
                await send(number)

        await asyncio.gather(*(send_all(numbers) for numbers in by_unit.values()))
        wanted = sum(agencies.acknowledged.values())
        await until(lambda: _judged(reader, agencies.acknowledged) >= wanted, seconds=90)
        await stack.wait_ready()
        await until(lambda: not imbalances(agencies.acknowledged, agencies.by_kafka, reader.facts()), seconds=30)
        reader.stop()
    assert reader.failure is None
    assert sorted(name for name, _ in killed) == sorted(SERVICES)
    assert 0 < agencies.by_kafka < PACKAGE_COUNT, "both doors were used"
    assert imbalances(agencies.acknowledged, agencies.by_kafka, reader.facts()) == []


def _judged(reader: TopicReader, acknowledged: Counter[str]) -> int:
    return sum(1 for delivery, _ in versions_judged(reader.facts()) if delivery in acknowledged)


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
    assert imbalances(sent, 1, [*both, judged(1), judged(2)]) == ["0 receipts for 1 packages on Kafka"]
