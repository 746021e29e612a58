"""Two replicas of a service share the work; one is killed in the middle: nothing lost, nothing twice, order kept."""

import asyncio
import sys
from collections import Counter as Tally
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from tests.bus.conftest import MakeCounter
from tests.bus.counter import BUS, Counter
from tests.bus.events import CountedV1, EchoedV1
from tests.bus.kafka_tools import read_all
from tests.parts import Broker, until

pytestmark = pytest.mark.faults

UNITS = [f"UNIT-{number}" for number in range(20)]
EVENTS = 500
KILL_AFTER = 100
WRITTEN_BY_THEN = 300
"""Written without a pause while both work; the rest comes after the kill."""

StartReplica = Callable[[], Awaitable[asyncio.subprocess.Process]]


@pytest_asyncio.fixture
async def replica(kafka: Broker, counter_database: str, prefix: str) -> AsyncIterator[StartReplica]:
    """Start a replica as a process and wait until it consumes."""
    processes: list[asyncio.subprocess.Process] = []

    async def start() -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.bus.replica", kafka.bootstrap_servers, counter_database, prefix),
            stdout=asyncio.subprocess.PIPE,
        )
        processes.append(process)
        assert process.stdout is not None
        async with asyncio.timeout(30):
            while line := await process.stdout.readline():
                if line.strip() == b"ready":
                    return process
        raise AssertionError("the replica ended before it was ready")

    yield start
    for process in processes:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def publish(service: Counter, numbers: range) -> None:
    """Write numbers in transactions of ten units each; the replicas relay them, as they would their own."""
    for first in numbers[::10]:
        some = range(first, min(first + 10, numbers.stop))
        async with service.units_of_work.begin(units={UNITS[number % 20] for number in some}) as work:
            for number in some:
                work.publish(CountedV1(number=number), unit=UNITS[number % 20])


async def test_two_replicas_one_killed_nothing_lost_nothing_twice_order_kept(
    counter: MakeCounter, replica: StartReplica, kafka: Broker, prefix: str
) -> None:
    observer = await counter(started=False, consume=False)
    first, second = await asyncio.gather(replica(), replica())

    async def effects(count: int) -> bool:
        return len(await observer.effects()) >= count

    async with asyncio.TaskGroup() as group:
        group.create_task(publish(observer, range(WRITTEN_BY_THEN)))
        await until(lambda: effects(KILL_AFTER), seconds=30)
        first.kill()
    await publish(observer, range(WRITTEN_BY_THEN, EVENTS))  # so the kill came in the middle
    await until(lambda: effects(EVENTS), seconds=60)
    second.terminate()  # ends what is in flight, so that what would come twice has come
    assert await second.wait() == 0

    done = await observer.effects()
    assert Tally(number for _, number in done) == Tally(range(EVENTS))
    for number, unit in enumerate(UNITS):
        assert await observer.numbers(unit) == list(range(number, EVENTS, 20))
    assert await observer.rows(BUS.dead_letters) == []

    third = await replica()  # publishes what the others had no time for

    async def echoes() -> bool:
        return all(row["sent_at"] is not None for row in await observer.rows(BUS.outbox))

    await until(echoes, seconds=30)
    third.terminate()
    assert await third.wait() == 0
    records = await read_all(kafka.bootstrap_servers, f"{prefix}.echoed")
    once = {dict(record.headers)["ce_id"]: record for record in records}
    echoed = [EchoedV1.model_validate_json(record.value or b"").number for record in once.values()]
    assert sorted(echoed) == list(range(EVENTS))
