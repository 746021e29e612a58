"""Dead letters are replayed: each has its effect once, on whatever replica, or stays where it is and says why."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.bus import BadMessageError, Parts, Record, Work
from shared.bus.guard import Guard
from shared.bus.inbox import Identity, Inbox, Outcome, PostgresInbox
from shared.bus.letters import Letter, Which, find_letters, request_replay
from shared.bus.quarantine import PostgresDeadLetters
from shared.bus.replay import Replayer
from shared.events.base import Event
from tests.bus.conftest import MakeCounter
from tests.bus.counter import BUS, Counter
from tests.bus.events import CountedV1, ForgottenV1
from tests.bus.kafka_tools import read_all, write
from tests.bus.nulls import NullInbox
from tests.bus.test_consumer import MARKER, Message, a_message, taken
from tests.parts import Broker, until

PLACE = {"partition": 3, "timestamp": 1_718_000_000_123}


class LenientV1(CountedV1):
    """`CountedV1` as a mended release reads it: a note may be null."""

    note: str | None = ""  # type: ignore[assignment]


class DeafInbox(PostgresInbox):
    """Knows no way from `quarantined` to done: whatever it has seen is a duplicate."""

    async def settle(self, session: AsyncSession, identity: Identity, outcome: Outcome) -> bool:
        return identity in await self.claim(session, [(identity, outcome)])


class UnlockedLetters(PostgresDeadLetters):
    """Gives a letter to whoever asks."""

    async def hold(self, session: AsyncSession, letter_id: int) -> bool:
        return True


async def letters(service: Counter) -> list[Letter]:
    """Return the dead letters, the oldest first."""
    async with service.units_of_work.sessions() as session:
        return (await find_letters(session, BUS.dead_letters, Which()))[::-1]


async def outcomes(service: Counter) -> list[str]:
    return [letter.outcome for letter in await letters(service)]


async def known(service: Counter) -> dict[object, object]:
    """Return what the inbox holds: outcome by id."""
    return {row["id"]: row["outcome"] for row in await service.rows(BUS.inbox)}


async def mark(service: Counter, which: Which | None = None) -> list[int]:
    """Do what `lienthong dlq replay` does."""
    async with service.units_of_work.sessions.begin() as session:
        return await request_replay(session, BUS.dead_letters, which or Which())


async def replay_all(service: Counter) -> None:
    """Run the service's job until nothing is left to do."""
    replayer = Replayer(service.units_of_work, service.bus.consumers)
    while await replayer.replay_next():
        pass


def a_record(service: Counter, message: Message, offset: int = 5) -> Record:
    key, value, headers = message
    sizes = {"serialized_key_size": 0, "serialized_value_size": 0, "checksum": None, "timestamp_type": 0}
    place: Any = {"topic": service.topic("counted"), "offset": offset, **PLACE, **sizes}
    return Record(key=key, value=value, headers=tuple(headers), **place)


async def at_rest(make: MakeCounter, **arguments: Any) -> Counter:
    """A service that reads no topic: what it is given goes to its processor by hand."""
    service = await make(started=False, **arguments)
    service.bus.cluster._cluster_id = "a-cluster"
    return service


async def put_aside(service: Counter, *messages: Message) -> list[Record]:
    """Let messages fail in the handler."""
    (consumer,) = service.bus.consumers
    records = [a_record(service, message, offset) for offset, message in enumerate(messages)]
    for record in records:
        await consumer.processor.quarantine(record, ZeroDivisionError("a bad release"))
    return records


async def what_failed_is_done_after_a_replay(make: MakeCounter, bootstrap_servers: str, inbox: Inbox | None) -> Counter:
    service = await make(change=lambda parts: parts if inbox is None else replace(parts, inbox=inbox))

    def fail(event: Event[CountedV1]) -> None:
        if event.data.number == 1:
            raise ZeroDivisionError("one")

    service.before_effect = fail
    await write(bootstrap_servers, service.topic("counted"), *(a_message(number) for number in range(3)))
    await taken(service, 2)
    assert await service.numbers("SKHDT") == [0, 2]
    service.before_effect = None
    assert len(await mark(service)) == 1

    async def is_done() -> bool:
        return await outcomes(service) != ["quarantined"]

    await until(is_done)
    assert await service.numbers("SKHDT") == [0, 2, 1]
    return service


async def test_what_failed_is_done_after_a_replay_and_only_once(counter: MakeCounter, kafka: Broker) -> None:
    service = await what_failed_is_done_after_a_replay(counter, kafka.bootstrap_servers, None)
    (letter,) = await letters(service)
    assert (letter.outcome, letter.count, letter.reason) == ("handled", 1, "handler_failed")
    assert letter.replayed_at is not None
    assert await known(service) == {"e-0": "handled", "e-1": "handled", "e-2": "handled"}
    await write(kafka.bootstrap_servers, service.topic("counted"), a_message(1), a_message(MARKER))
    await taken(service, MARKER)
    assert await mark(service) == [], "what is done is not marked again"
    assert await service.numbers("SKHDT") == [0, 2, 1, MARKER]


async def test_without_the_inbox_s_transition_a_replay_is_dropped_as_a_duplicate(
    counter: MakeCounter, kafka: Broker
) -> None:
    with pytest.raises(AssertionError, match=r"assert \[0, 2\] == \[0, 2, 1\]"):
        await what_failed_is_done_after_a_replay(counter, kafka.bootstrap_servers, DeafInbox(BUS.inbox))


async def test_a_letter_gives_the_record_back_as_it_came(counter: MakeCounter, kafka: Broker) -> None:
    service = await counter()
    odd = [("ce_id", b"\xff"), ("empty", None), *a_message(1)[2]]
    await write(kafka.bootstrap_servers, service.topic("counted"), (b"SKHDT", None, odd), a_message(MARKER))  # type: ignore[arg-type]
    await taken(service, MARKER)
    (letter,) = await letters(service)
    sent = next(
        each for each in await read_all(kafka.bootstrap_servers, service.topic("counted")) if each.value is None
    )
    for attribute in ("topic", "partition", "offset", "timestamp", "key", "value", "headers"):
        assert getattr(letter.record, attribute) == getattr(sent, attribute), attribute


async def test_what_fails_again_stays_with_its_new_reason_and_waits_to_be_asked(counter: MakeCounter) -> None:
    service = await at_rest(counter)
    await put_aside(service, a_message(1))

    def fail(event: Event[CountedV1]) -> None:
        raise LookupError("another fault")

    service.before_effect = fail
    for times in (2, 3):
        await mark(service)
        await replay_all(service)
        (letter,) = await letters(service)
        assert (letter.outcome, letter.count, letter.detail) == ("quarantined", times, "LookupError: another fault")
        assert (letter.replay_requested_at, letter.replayed_at) == (None, None)
        assert await service.effects() == []
        assert await known(service) == {"e-1": "quarantined"}
    service.before_effect = None
    await mark(service)
    await replay_all(service)
    assert await service.numbers("SKHDT") == [1]


async def test_what_could_not_be_read_is_replayed_and_not_answered_twice(counter: MakeCounter, kafka: Broker) -> None:
    service = await counter(started=False)
    answered: list[int] = []

    @service.handlers.on_bad_message
    async def answer(run: Sequence[tuple[Record, BadMessageError]], work: Work[None]) -> None:
        answered.extend(record.offset for record, _ in run)

    messages = [a_message(1, value=b'{"number": 1, "note": null}'), a_message(2, value=b"{"), a_message(MARKER)]
    await write(kafka.bootstrap_servers, service.topic("counted"), *messages)
    service.bus.start()
    await taken(service, MARKER)
    assert [letter.reason for letter in await letters(service)] == ["invalid_data", "not_json"]
    service.handlers._types[CountedV1.ce_type] = LenientV1
    await mark(service)
    await replay_all(service)
    mended, broken = await letters(service)
    assert (mended.outcome, broken.outcome, broken.reason, broken.count) == ("handled", "quarantined", "not_json", 2)
    assert await service.numbers("SKHDT") == [MARKER, 1]
    assert answered == [0, 1]
    assert await known(service) == {"e-1": "handled", "e-2": "quarantined", f"e-{MARKER}": "handled"}


async def test_what_has_no_identity_is_known_by_its_letter(counter: MakeCounter) -> None:
    """At the agencies' door the handler knows what came before: the inbox has nothing to say."""
    service = await at_rest(counter, deduplicate=False)
    await put_aside(service, a_message(1))
    await mark(service)
    await replay_all(service)
    assert await mark(service) == []
    assert await service.numbers("SKHDT") == [1]
    assert await known(service) == {}


async def test_a_type_that_is_not_handled_any_more_is_skipped(counter: MakeCounter) -> None:
    service = await at_rest(counter)
    await put_aside(service, a_message(7, data=ForgottenV1(number=7)))
    await mark(service)
    await replay_all(service)
    assert await outcomes(service) == ["skipped"]
    assert await known(service) == {"e-7": "skipped"}


async def a_replay_of_what_was_done_does_nothing(make: MakeCounter, inbox: Inbox | None) -> None:
    """In a rebalance one replica took the message in, and the other one, of a bad release, put it aside."""
    service = await at_rest(make, change=lambda parts: parts if inbox is None else replace(parts, inbox=inbox))
    (consumer,) = service.bus.consumers
    await consumer.processor.process([a_record(service, a_message(1), 0)])
    await put_aside(service, a_message(1))
    await mark(service)
    await replay_all(service)
    assert await service.numbers("SKHDT") == [1]
    assert await outcomes(service) == ["repeated"]


async def test_a_replay_of_what_was_done_does_nothing_but_say_so(counter: MakeCounter) -> None:
    await a_replay_of_what_was_done_does_nothing(counter, None)


async def test_without_the_inbox_a_replay_does_again_what_was_done(counter: MakeCounter) -> None:
    with pytest.raises(AssertionError, match=r"assert \[1, 1\] == \[1\]"):
        await a_replay_of_what_was_done_does_nothing(counter, NullInbox())


async def two_replicas_replay_a_letter_once(make: MakeCounter, change: Any = replace) -> None:
    """Both have read it as waiting, before either has begun."""
    service = await at_rest(make, change=change)
    await put_aside(service, a_message(1))
    await mark(service)
    (letter,) = await letters(service)
    (consumer,) = service.bus.consumers
    done = await asyncio.gather(consumer.processor.replay(letter), consumer.processor.replay(letter))
    assert await service.numbers("SKHDT") == [1]
    assert sorted(done, key=str) == [None, Outcome.HANDLED]


async def test_two_replicas_replay_a_letter_once(counter: MakeCounter) -> None:
    await two_replicas_replay_a_letter_once(counter)


async def test_without_lock_and_inbox_two_replicas_replay_a_letter_twice(counter: MakeCounter) -> None:
    def change(parts: Parts) -> Parts:
        return replace(parts, dead_letters=UnlockedLetters(BUS.dead_letters), inbox=NullInbox())

    with pytest.raises(AssertionError, match=r"assert \[1, 1\] == \[1\]"):
        await two_replicas_replay_a_letter_once(counter, change)


async def test_replicas_share_the_letters_and_each_unit_s_come_in_order(counter: MakeCounter) -> None:
    first, second = await at_rest(counter), await at_rest(counter)
    units = ["SKHDT", "STC", "SNV"]
    await put_aside(first, *(a_message(number, units[number % 3]) for number in range(60)))
    await mark(first)

    async def replay_until_done(service: Counter) -> None:
        while set(await outcomes(service)) != {"handled"}:
            await replay_all(service)

    await asyncio.gather(replay_until_done(first), replay_until_done(second))
    for place, unit in enumerate(units):
        assert await first.numbers(unit) == list(range(place, 60, 3))


async def test_while_the_world_is_broken_a_letter_waits(counter: MakeCounter) -> None:
    service = await at_rest(counter)
    await put_aside(service, a_message(1))
    attempts: list[int] = []

    def away(event: Event[CountedV1]) -> None:
        attempts.append(event.data.number)
        if len(attempts) < 3:
            raise ConnectionRefusedError

    service.before_effect = away
    await mark(service)
    replayer = Replayer(service.units_of_work, service.bus.consumers, poll_seconds=0.01)
    running = asyncio.create_task(replayer.run())

    async def is_done() -> bool:
        return await outcomes(service) == ["handled"]

    await until(is_done)
    replayer.stop()
    await running
    (letter,) = await letters(service)
    assert (len(attempts), letter.count) == (3, 1)
    assert await service.numbers("SKHDT") == [1]


async def test_while_the_guard_holds_a_consumer_its_letters_wait(counter: MakeCounter) -> None:
    guard = Guard(faults_max=0, units_min=1)
    service = await at_rest(counter, guard=guard)
    await put_aside(service, a_message(1))
    await mark(service)
    guard.fault(CountedV1.ce_type, "SKHDT")
    await replay_all(service)
    assert await outcomes(service) == ["quarantined"]
    guard.success([CountedV1.ce_type])
    await replay_all(service)
    assert await outcomes(service) == ["handled"]


def which_cases() -> Sequence[tuple[Which, list[int]]]:
    return [
        (Which(), [0, 1, 2]),
        (Which(unit="STC"), [1]),
        (Which(unit="S"), []),
        (Which(reason="handler_failed"), [0, 1, 2]),
        (Which(reason="not_json"), []),
        (Which(topic="another"), []),
        (Which(put_aside_only=True), [0, 2]),
    ]


@pytest.mark.parametrize(("which", "expected"), which_cases())
async def test_letters_are_found_by_what_they_are(counter: MakeCounter, which: Which, expected: list[int]) -> None:
    service = await at_rest(counter)
    await put_aside(service, a_message(0), a_message(1, "STC"), a_message(2))
    async with service.units_of_work.sessions.begin() as session:
        done = update(BUS.dead_letters).where(BUS.dead_letters.c.offset == 1).values(outcome="handled")
        await session.execute(done)
        found = await find_letters(session, BUS.dead_letters, which)
        some = await find_letters(session, BUS.dead_letters, which, limit=1)
    assert [letter.offset for letter in found] == expected[::-1]
    assert some == found[:1]
