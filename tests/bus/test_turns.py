"""A partition that holds much lets the others have their turn."""

import itertools

import pytest

from shared.bus.partitions import PARTITION_COUNT, slot_of
from shared.bus.subscription import PARTITION_BYTES_MAX
from tests.bus.conftest import MakeCounter
from tests.bus.counter import Counter
from tests.bus.events import CountedV1
from tests.bus.kafka_tools import write
from tests.bus.test_consumer import a_message
from tests.parts import Broker, until

pytestmark = pytest.mark.faults

BUSY_COUNT = 200
LITTLE = 32 * 1024
NOTE = "x" * 1000

_by_slot = {slot_of(unit): unit for unit in (f"UNIT-{number}" for number in range(200))}
UNITS = [_by_slot[slot] for slot in range(PARTITION_COUNT)]
BUSY, OTHERS = UNITS[::2], UNITS[1::2]
"""One a partition: busy ones that have a heap to tell, others with one word between them."""


async def nobody_waits_for_a_heap(make: MakeCounter, bootstrap_servers: str, partition_bytes_max: int) -> None:
    service: Counter = await make(started=False, records_max=50, partition_bytes_max=partition_bytes_max)
    numbers = itertools.count()
    heaps = [(unit, CountedV1(number=next(numbers), note=NOTE)) for unit in BUSY for _ in range(BUSY_COUNT)]
    words = [(unit, CountedV1(number=next(numbers))) for unit in OTHERS]
    messages = (a_message(data.number, unit, data) for unit, data in [*heaps, *words])
    await write(bootstrap_servers, service.topic("counted"), *messages)
    service.bus.start()

    async def all_done() -> bool:
        return len(await service.effects()) == len(heaps) + len(words)

    await until(all_done, seconds=30)
    order = [unit for unit, _ in await service.effects()]
    first_heap_ends = min(len(order) - order[::-1].index(unit) for unit in BUSY)
    assert max(order.index(unit) for unit in OTHERS) < first_heap_ends


async def test_nobody_waits_for_another_s_heap(counter: MakeCounter, kafka: Broker) -> None:
    await nobody_waits_for_a_heap(counter, kafka.bootstrap_servers, LITTLE)


async def test_when_much_is_fetched_at_once_somebody_waits_for_a_heap(counter: MakeCounter, kafka: Broker) -> None:
    with pytest.raises(AssertionError, match=r"assert \d+ < \d+"):
        await nobody_waits_for_a_heap(counter, kafka.bootstrap_servers, PARTITION_BYTES_MAX)
