"""The consumer: effects once and in order, a bad message costs itself alone, a broken world costs nothing."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.bus import BadMessageError, Record, UnknownType, Work, slot_of
from shared.bus.cloudevents import encode
from shared.bus.guard import Guard
from shared.bus.inbox import Inbox
from shared.bus.parts import Divide, in_halves
from shared.bus.retry import is_transient
from shared.bus.subscription import Subscription
from shared.clock import RealClock
from shared.events.base import Event, EventData
from shared.events.dead_letters import DeadLetterV1
from tests.bus.conftest import MakeCounter
from tests.bus.counter import BUS, Counter
from tests.bus.events import CountedV1, ForgottenV1
from tests.bus.kafka_tools import Headers, read_all, rewind, write
from tests.bus.nulls import NullInbox, not_at_all
from tests.parts import Broker, until

Message = tuple[bytes | None, bytes | None, Headers]
MARKER = 99


def a_message(number: int, unit: str = "SKHDT", data: EventData | None = None, **changes: Any) -> Message:
    event: Event[EventData] = Event(
        id=changes.get("id", f"e-{number}"),
        source="urn:lienthong:counter",
        type=(data or CountedV1(number=number)).ce_type,
        time=RealClock().now(),
        data=data or CountedV1(number=number),
        unit=unit,
    )
    message = encode(event)
    return message.key, changes.get("value", message.value), changes.get("headers", message.headers)


async def taken(service: Counter, number: int, unit: str = "SKHDT") -> None:
    """Wait until a number is done."""

    async def is_there() -> bool:
        return number in await service.numbers(unit)

    await until(is_there, seconds=20)


async def dead_letters(service: Counter) -> list[tuple[object, object]]:
    """Return (offset, reason) of what was put aside, in order."""
    return [(row["offset"], row["reason"]) for row in await service.rows(BUS.dead_letters)]


async def test_what_is_published_is_taken_in_once_and_in_order(counter: MakeCounter) -> None:
    service = await counter()
    await service.count("SKHDT", 1, 2, 3)
    await service.count("STC", 1)
    await service.count("SKHDT", 4)
    await taken(service, 4)
    await taken(service, 1, "STC")
    assert await service.numbers("SKHDT") == [1, 2, 3, 4]
    assert await service.numbers("STC") == [1]


async def test_a_handler_s_events_carry_cause_and_partition(counter: MakeCounter, kafka: Broker, prefix: str) -> None:
    service = await counter()
    await write(kafka.bootstrap_servers, f"{prefix}.counted", a_message(1))

    async def echoed() -> list[Record]:
        return await read_all(kafka.bootstrap_servers, f"{prefix}.echoed")

    (record,) = await until(echoed)
    headers = dict(record.headers)
    assert (headers["ce_causationid"], record.key, record.partition) == (b"e-1", b"SKHDT", slot_of("SKHDT"))
    await service.stop()


async def a_repeated_message_has_its_effect_once(
    make: MakeCounter, bootstrap_servers: str, prefix: str, inbox: Inbox | None
) -> None:
    service = await make(change=lambda parts: parts if inbox is None else replace(parts, inbox=inbox))
    batch = [a_message(number) for number in range(3)]
    await write(bootstrap_servers, f"{prefix}.counted", *batch, *batch)
    await taken(service, 2)
    await write(bootstrap_servers, f"{prefix}.counted", *batch, a_message(MARKER))
    await taken(service, MARKER)
    assert await service.numbers("SKHDT") == [0, 1, 2, MARKER]


async def test_a_repeated_message_has_its_effect_once(counter: MakeCounter, kafka: Broker, prefix: str) -> None:
    await a_repeated_message_has_its_effect_once(counter, kafka.bootstrap_servers, prefix, None)


async def test_without_the_inbox_a_repeated_message_has_its_effect_twice(
    counter: MakeCounter, kafka: Broker, prefix: str
) -> None:
    with pytest.raises(AssertionError, match=r"assert \[0, 1, 2, 0, .* == \[0, 1, 2, 99\]"):
        await a_repeated_message_has_its_effect_once(counter, kafka.bootstrap_servers, prefix, NullInbox())


async def bad_messages_in_a_batch_cost_themselves_alone(
    make: MakeCounter, bootstrap_servers: str, prefix: str, divide: Divide
) -> Counter:
    """Of 100 messages one makes the handler fail, one is no JSON, one has a header that is not UTF-8."""
    service = await make(started=False, change=lambda parts: replace(parts, divide=divide))

    def fail(event: Event[CountedV1]) -> None:
        if event.data.number == 50:
            raise ZeroDivisionError("fifty")

    service.before_effect = fail
    messages = [a_message(number) for number in range(100)]
    messages[30] = a_message(30, headers=[("ce_id", b"\xff")])
    messages[70] = a_message(70, value=b"{")
    await write(bootstrap_servers, f"{prefix}.counted", *messages)
    service.bus.start()

    async def settled() -> bool:
        return len(await service.effects()) + len(await dead_letters(service)) >= 100

    await until(settled, seconds=20)
    assert max(service.runs) > 1, "the first attempt was no batch, so nothing was shown"
    assert await service.numbers("SKHDT") == [number for number in range(100) if number not in {30, 50, 70}]
    assert sorted(await dead_letters(service), key=str) == [
        (30, "unreadable_header"),
        (50, "handler_failed"),
        (70, "not_json"),
    ]
    return service


async def test_without_dividing_a_bad_message_takes_its_neighbours_along(
    counter: MakeCounter, kafka: Broker, prefix: str
) -> None:
    with pytest.raises(AssertionError, match=r"assert \[\] == \[0, 1"):
        await bad_messages_in_a_batch_cost_themselves_alone(counter, kafka.bootstrap_servers, prefix, not_at_all)


async def test_bad_messages_in_a_batch_cost_themselves_alone(counter: MakeCounter, kafka: Broker, prefix: str) -> None:
    await bad_messages_in_a_batch_cost_themselves_alone(counter, kafka.bootstrap_servers, prefix, in_halves)

    async def told() -> list[DeadLetterV1]:
        records = await read_all(kafka.bootstrap_servers, "dlq.counter")
        letters = [DeadLetterV1.model_validate_json(record.value or b"") for record in records]
        mine = [letter for letter in letters if letter.topic == f"{prefix}.counted"]
        return mine if len(mine) >= 3 else []

    letters = {letter.offset: letter for letter in await until(told)}
    assert letters[70].value == b"{"
    assert letters[30].headers == (("ce_id", b"\xff"),)
    assert letters[50].detail == "ZeroDivisionError: fifty"
    assert letters[50].consumer_group == f"{prefix}.group"


async def test_a_message_without_a_readable_key_is_put_aside(counter: MakeCounter, kafka: Broker, prefix: str) -> None:
    service = await counter()
    key, value, headers = a_message(1)
    await write(kafka.bootstrap_servers, f"{prefix}.counted", (b"\xff", value, headers), partition=slot_of("SKHDT"))
    await write(kafka.bootstrap_servers, f"{prefix}.counted", a_message(MARKER))
    await taken(service, MARKER)
    assert key == b"SKHDT"
    assert await dead_letters(service) == [(0, "unreadable_key")]


async def test_a_message_put_aside_is_not_put_aside_again_when_it_comes_again(
    counter: MakeCounter, kafka: Broker, prefix: str
) -> None:
    """What has no readable id is known by its place: here the offsets were not committed before a crash."""
    service = await counter()
    await write(kafka.bootstrap_servers, f"{prefix}.counted", a_message(1, headers=[]), a_message(MARKER))
    await taken(service, MARKER)
    await service.bus.stop()
    await rewind(kafka.bootstrap_servers, f"{prefix}.group", f"{prefix}.counted", slot_of("SKHDT"))
    again = await counter()
    await write(kafka.bootstrap_servers, f"{prefix}.counted", a_message(MARKER + 1))
    await taken(again, MARKER + 1)
    rows = await again.rows(BUS.dead_letters)
    assert [(row["offset"], row["count"]) for row in rows] == [(0, 2)]
    assert await again.numbers("SKHDT") == [MARKER, MARKER + 1]


async def test_a_type_without_a_handler_is_skipped_but_known(counter: MakeCounter, kafka: Broker, prefix: str) -> None:
    service = await counter()
    unknown = a_message(7, data=ForgottenV1(number=7))
    await write(kafka.bootstrap_servers, f"{prefix}.counted", unknown, a_message(MARKER))
    await taken(service, MARKER)
    assert await dead_letters(service) == []
    assert {(row["id"], row["outcome"]) for row in await service.rows(BUS.inbox)} == {
        ("e-7", "skipped"),
        (f"e-{MARKER}", "handled"),
    }


async def test_hooks_answer_bad_messages_and_unknown_types_in_the_same_transaction(
    counter: MakeCounter, kafka: Broker, prefix: str
) -> None:
    service = await counter(started=False)

    @service.handlers.on_bad_message
    async def answer_bad(run: Sequence[tuple[Record, BadMessageError]], work: Work[None]) -> None:
        for record, error in run:
            work.publish(CountedV1(number=1000 + record.offset, note=error.reason), unit="STC")

    @service.handlers.on_unknown_type
    async def answer_unknown(record: Record, unknown: UnknownType, work: Work[None]) -> None:
        work.publish(CountedV1(number=2000 + record.offset, note=unknown.type), unit="STC")

    await write(
        kafka.bootstrap_servers,
        f"{prefix}.counted",
        a_message(1, value=b"?", unit="STC"),
        a_message(2, data=ForgottenV1(number=2), unit="STC"),
    )
    service.bus.start()
    await taken(service, 2001, "STC")
    assert await service.numbers("STC") == [1000, 2001]


async def test_a_database_that_drops_its_connections_costs_nothing(counter: MakeCounter) -> None:
    """All sessions are ended again and again, the relay's with its locks too: all effects once, in order."""
    service = await counter()
    watcher = service.units_of_work.sessions  # the same pool: it suffers, too

    async def end_all_sessions() -> None:
        try:
            async with watcher() as session:
                await session.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
                )
        except DBAPIError as error:  # it may hit itself
            if not is_transient(error):
                raise

    async with asyncio.TaskGroup() as group:
        for first in range(0, 300, 10):
            group.create_task(end_all_sessions())  # while the last numbers are relayed and the next ones written
            await until(lambda: _counts(service, *range(first, first + 10)), seconds=20)  # noqa: B023
    await taken(service, 299)
    assert await service.numbers("SKHDT") == list(range(300))
    assert await dead_letters(service) == []


async def _counts(service: Counter, *numbers: int) -> bool:
    try:
        await service.count("SKHDT", *numbers)
    except DBAPIError as error:  # an HTTP client would get 503 and try again
        if not is_transient(error):
            raise
        return False
    return True


async def test_the_guard_holds_messages_when_our_own_faults_pile_up(
    counter: MakeCounter, kafka: Broker, prefix: str
) -> None:
    """A bad release puts three aside and no more; mended, it takes the rest in."""
    service = await counter(guard=Guard(faults_max=3, units_min=1))
    attempts: list[int] = []

    def fail(event: Event[CountedV1]) -> None:
        attempts.append(event.data.number)
        raise ZeroDivisionError

    service.before_effect = fail
    await write(kafka.bootstrap_servers, f"{prefix}.counted", *(a_message(number) for number in range(10)))
    await until(lambda: attempts.count(3) >= 3)  # tried, and tried again
    assert len(await dead_letters(service)) == 3
    assert service.bus.readiness()["guard"] is False
    service.before_effect = None
    await taken(service, 9)
    assert await service.numbers("SKHDT") == [3, 4, 5, 6, 7, 8, 9]
    assert len(await dead_letters(service)) == 3
    assert service.bus.readiness()["guard"] is True


async def test_what_senders_do_wrong_does_not_trip_the_guard(counter: MakeCounter, kafka: Broker, prefix: str) -> None:
    service = await counter(guard=Guard(faults_max=3))
    bad = [a_message(number, value=b"garbage") for number in range(10)]
    await write(kafka.bootstrap_servers, f"{prefix}.counted", *bad, a_message(MARKER))
    await taken(service, MARKER)
    assert len(await dead_letters(service)) == 10


def test_the_guard_counts_types_apart() -> None:
    guard = Guard(faults_max=2)
    guard.fault("a", "SKHDT")
    guard.success({"b"})
    guard.fault("a", "STC")
    assert not guard.tripped, "these may be put aside"
    guard.fault("a", "STC")
    assert (guard.holds("a"), guard.holds("b"), guard.tripped) == (True, False, True)
    guard.success({"a"})
    assert not guard.tripped


def test_the_guard_does_not_stop_all_for_what_one_unit_sends() -> None:
    guard = Guard(faults_max=3)
    for _ in range(100):
        guard.fault("a", "SKHDT")
    assert not guard.tripped
    guard.fault("a", "STC")
    assert guard.tripped


async def test_lag_counts_what_is_not_committed(counter: MakeCounter, kafka: Broker, prefix: str) -> None:
    service = await counter()
    (consumer,) = service.bus.consumers
    service.before_effect = _away
    await write(kafka.bootstrap_servers, f"{prefix}.counted", *(a_message(number) for number in range(5)))
    await until(lambda: consumer.lag() == 5)
    assert consumer.batch_age_seconds() > 0
    service.before_effect = None
    await taken(service, 4)
    await until(lambda: consumer.lag() == 0)
    assert consumer.batch_age_seconds() == 0


def _away(event: object) -> None:
    raise ConnectionRefusedError


async def test_a_stop_in_the_middle_of_a_retry_ends_soon_and_loses_nothing(
    counter: MakeCounter, kafka: Broker, prefix: str
) -> None:
    service = await counter()
    failing = asyncio.Event()

    def away(event: Event[CountedV1]) -> None:
        failing.set()
        raise ConnectionRefusedError

    service.before_effect = away
    await write(kafka.bootstrap_servers, f"{prefix}.counted", a_message(1))
    await failing.wait()
    async with asyncio.timeout(5):
        await service.stop()
    again = await counter()
    await taken(again, 1)


@pytest.mark.parametrize("arguments", [{}, {"topics": ("a",), "pattern": "^a$"}, {"pattern": "a.*"}])
def test_a_subscription_reads_topics_or_an_anchored_pattern(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"either|anchored"):
        Subscription(group="g", **arguments)
