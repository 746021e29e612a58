"""A batch with one bad message is halved until it is alone: it costs few transactions."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from shared.bus.parts import Divide, in_halves
from shared.bus.records import Records
from shared.events.base import Event
from tests.bus.conftest import MakeCounter
from tests.bus.counter import BUS
from tests.bus.events import CountedV1
from tests.bus.test_consumer import a_message
from tests.bus.test_replay import a_record, at_rest

SIZE, BAD = 128, 77
TRANSACTIONS_MAX = 1 + 2 * 7
"""The whole, and two halves at each of its seven halvings."""


def one_by_one(records: Records) -> Sequence[Records]:
    return [(record,) for record in records]


async def a_bad_message_costs_few_transactions(make: MakeCounter, divide: Divide) -> None:
    service = await at_rest(make, change=lambda parts: replace(parts, divide=divide))

    def fail(event: Event[CountedV1]) -> None:
        if event.data.number == BAD:
            raise ZeroDivisionError

    service.before_effect = fail
    (consumer,) = service.bus.consumers
    await consumer._settle(tuple(a_record(service, a_message(number), number) for number in range(SIZE)))
    assert await service.numbers("SKHDT") == [number for number in range(SIZE) if number != BAD]
    assert [row["offset"] for row in await service.rows(BUS.dead_letters)] == [BAD]
    assert len(service.runs) <= TRANSACTIONS_MAX


async def test_a_bad_message_costs_few_transactions(counter: MakeCounter) -> None:
    await a_bad_message_costs_few_transactions(counter, in_halves)


async def test_one_by_one_it_costs_one_for_each_of_its_neighbours(counter: MakeCounter) -> None:
    with pytest.raises(AssertionError, match="assert 129 <= 15"):
        await a_bad_message_costs_few_transactions(counter, one_by_one)
