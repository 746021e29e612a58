"""The guard: our own faults stop us before they cost more than a few messages; one unit's nonsense stops nobody."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from shared.bus.consumer import in_turns
from shared.bus.guard import Guard
from shared.events.base import Event
from tests.bus.conftest import MakeCounter
from tests.bus.counter import BUS, Counter
from tests.bus.events import CountedV1
from tests.bus.kafka_tools import write
from tests.bus.test_consumer import a_message, taken
from tests.parts import Broker, until

pytestmark = pytest.mark.faults

BOUND = 3
NONSENSE = range(100, 108)
UNITS = ["STC", "SNV"]
HEAP = [(1, 0), (1, 1), (1, 2), (1, 3), (2, 0), (2, 1), (3, 5)]
"""Partition and offset of a batch as it is handed out: one after the other."""


async def put_aside(service: Counter, count: int) -> None:
    async def so_many() -> bool:
        return len(await service.rows(BUS.dead_letters)) >= count

    await until(so_many)


async def others_are_served_while_one_unit_sends_nonsense(
    make: MakeCounter, bootstrap_servers: str, guard: Guard
) -> None:
    """Its messages make our code fail, one after the other; then the others send, and it goes on."""
    service = await make(guard=guard)

    def fail(event: Event[CountedV1]) -> None:
        if event.unit == "NOISY":
            raise ZeroDivisionError("nonsense")

    service.before_effect = fail
    topic = service.topic("counted")
    await write(bootstrap_servers, topic, *(a_message(number, "NOISY") for number in NONSENSE))
    await put_aside(service, BOUND)
    more = [a_message(number + 100, "NOISY") for number in NONSENSE]
    await write(bootstrap_servers, topic, *(a_message(ord(unit[1]), unit) for unit in UNITS), *more)
    async with asyncio.timeout(5):
        for unit in UNITS:
            await taken(service, ord(unit[1]), unit)
    assert service.bus.readiness()["guard"] is True
    await put_aside(service, 2 * len(NONSENSE))


async def test_a_unit_that_sends_only_nonsense_is_slowed_alone(counter: MakeCounter, kafka: Broker) -> None:
    await others_are_served_while_one_unit_sends_nonsense(counter, kafka.bootstrap_servers, Guard(faults_max=BOUND))


async def test_without_the_rule_of_two_units_one_unit_s_nonsense_stops_all(counter: MakeCounter, kafka: Broker) -> None:
    with pytest.raises(TimeoutError):
        await others_are_served_while_one_unit_sends_nonsense(
            counter, kafka.bootstrap_servers, Guard(faults_max=BOUND, units_min=1)
        )


def test_partitions_take_turns_each_in_its_order() -> None:
    records: Any = [SimpleNamespace(topic="t", partition=partition, offset=offset) for partition, offset in HEAP]
    turns = [(each.partition, each.offset) for each in in_turns(tuple(records))]
    assert turns == [(1, 0), (2, 0), (3, 5), (1, 1), (2, 1), (1, 2), (1, 3)]


async def a_bad_release_costs_few_messages(make: MakeCounter, bootstrap_servers: str, guard: Guard) -> None:
    """It fails on everything; the release that follows takes the rest in, in order."""
    bad = await make(guard=guard)
    attempts: list[int] = []

    def fail(event: Event[CountedV1]) -> None:
        attempts.append(event.data.number)
        raise ZeroDivisionError("a bad release")

    bad.before_effect = fail
    messages = [a_message(number, "STC" if number % 2 else "SNV") for number in range(20)]
    await write(bootstrap_servers, bad.topic("counted"), *messages)
    # It has come to each message, or is held at one and tries it again and again.
    await until(lambda: len(set(attempts)) == 20 or max(map(attempts.count, attempts), default=0) > 8)
    await bad.stop()
    put_aside = len(await bad.rows(BUS.dead_letters))
    good = await make()

    async def is_done() -> bool:
        return len(await good.effects()) + put_aside == 20

    await until(is_done, seconds=20)
    assert put_aside == BOUND
    for unit in UNITS:
        assert await good.numbers(unit) == sorted(await good.numbers(unit))


async def test_a_bad_release_costs_no_more_than_the_guard_s_bound(counter: MakeCounter, kafka: Broker) -> None:
    await a_bad_release_costs_few_messages(counter, kafka.bootstrap_servers, Guard(faults_max=BOUND))


async def test_without_the_guard_a_bad_release_puts_everything_aside(counter: MakeCounter, kafka: Broker) -> None:
    with pytest.raises(AssertionError, match="assert 20 == 3"):
        await a_bad_release_costs_few_messages(counter, kafka.bootstrap_servers, Guard(faults_max=10**6))
