"""What ingest could not process and is asked to replay: the agency gets the one answer that it waited for."""

from datetime import timedelta
from typing import Any

import pytest

from services.ingest.domain.deliveries import moved
from services.ingest.storage.sources import read_progress
from services.ingest.storage.tables import bus
from shared.bus.letters import Letter, Which, find_letters, request_replay
from shared.bus.records import Record
from shared.bus.replay import Replayer
from shared.events.deadlines import (
    ClosedReason,
    DeadlineClosedV1,
    DeadlineEvent,
    DeadlineExtendedV1,
    DeadlineOpenedV1,
    DeadlineReopenedV1,
)
from shared.events.findings import Verdict
from tests.ingest.conftest import MakeWorld
from tests.ingest.domain.packages import MONTH, a_package
from tests.ingest.test_handlers import NullArrivals
from tests.ingest.world import CLUSTER, DUE, NOW, SOURCE, Message, World, a_message

FAULT = ZeroDivisionError("a bad release")


def record_of(world: World, message: Message) -> Record:
    return world.record(f"agency.{message.unit}.submissions", message.headers, message.value, b"")


async def put_aside(world: World, message: Message) -> Record:
    """Let the handler fail on a message, as a bad release would."""
    record = record_of(world, message)
    await world.packages.quarantine(record, FAULT)
    return record


async def replay(world: World) -> list[Letter]:
    """Do what `lienthong dlq replay ingest --all` and the service's job do; return the letters, the oldest first."""
    async with world.units_of_work.sessions.begin() as session:
        await request_replay(session, bus.dead_letters, Which())
    replayer = Replayer(world.units_of_work, world.app.state.bus.consumers)
    while await replayer.replay_next():
        pass
    async with world.units_of_work.sessions() as session:
        return (await find_letters(session, bus.dead_letters, Which()))[::-1]


async def answers(world: World) -> list[str]:
    return [each.kind for each in await world.told() if each.topic.startswith("agency.")]


async def test_a_package_that_was_put_aside_gets_receipt_and_verdict_after_its_replay(world: World) -> None:
    record = await put_aside(world, a_message())
    assert await answers(world) == []
    (letter,) = await replay(world)
    assert letter.outcome == "handled"
    (receipt,) = await world.told("package.received")
    assert receipt.body["answers"] == {"source": SOURCE, "id": "m-1", "offset": record.offset}
    (submission,) = await world.told("submission.received")
    assert submission.body["received_at"] == NOW.isoformat().replace("+00:00", "Z"), "when it came, not when replayed"
    await world.judge(submission.body, Verdict.ACCEPTED)
    assert await answers(world) == ["package.received", "verdict"]


async def test_a_wrong_package_that_was_put_aside_is_rejected_by_its_replay(world: World) -> None:
    await put_aside(world, a_message(a_package(form="099")))
    (letter,) = await replay(world)
    assert letter.outcome == "handled"
    assert await answers(world) == ["package.rejected"]


async def sent_again_and_then_replayed(world: World) -> list[Any]:
    """The agency grew tired of waiting and sent the same again, which went well; return the versions."""
    await put_aside(world, a_message())
    await world.publish(a_message())
    await replay(world)
    return [each.body["version"] for each in await world.told("submission.received")]


async def test_what_the_agency_sent_again_meanwhile_is_one_version_with_one_answer(world: World) -> None:
    assert await sent_again_and_then_replayed(world) == [1]
    first, second = await world.told("package.received")
    assert (first.id, first.value) == (second.id, second.value)


async def test_without_the_memory_of_arrivals_it_would_be_two(make_world: MakeWorld) -> None:
    world = await make_world(arrivals=NullArrivals())
    with pytest.raises(AssertionError, match=r"assert \[1, 2\] == \[1\]"):
        assert await sent_again_and_then_replayed(world) == [1]


async def test_what_cannot_be_read_after_all_is_not_answered_twice(world: World) -> None:
    torn = a_message()
    await world.publish(Message(torn.headers, b"{"))
    assert await answers(world) == ["package.rejected"]
    (letter,) = await replay(world)
    assert (letter.outcome, letter.reason, letter.count) == ("quarantined", "not_json", 2)
    assert await answers(world) == ["package.rejected"]


async def test_a_letter_of_an_earlier_broker_says_nothing_of_how_far_the_present_one_is_read(world: World) -> None:
    """Its offset is one of the earlier broker: the watermark would run past what is not read yet."""
    world.offset = 5000
    await put_aside(world, a_message())
    world.offset = 0
    world.app.state.bus.cluster._cluster_id = "a-fresh-cluster"
    await replay(world)
    async with world.units_of_work.sessions() as session:
        assert await read_progress(session, "a-fresh-cluster") == {}
        earlier = await read_progress(session, CLUSTER)
    assert earlier[f"agency.{MONTH.unit}.submissions", 0] == 5002
    assert await answers(world) == ["package.received"]


LATER = DUE + timedelta(days=3)


def deadline(data_type: type[DeadlineEvent], version: int, **more: Any) -> DeadlineEvent:
    return data_type(delivery_id=MONTH, deadline_version=version, due_at=DUE if version == 1 else LATER, **more)


OPENED = deadline(DeadlineOpenedV1, 1, due_rule="P+0:D18", release=1)
CLOSED = deadline(DeadlineClosedV1, 1, reason=ClosedReason.EXEMPTED)
EXTENDED = deadline(DeadlineExtendedV1, 2, reason="bão")
REOPENED = deadline(DeadlineReopenedV1, 2, reason="sai")


@pytest.mark.parametrize(("newer", "replayed"), [(EXTENDED, OPENED), (REOPENED, CLOSED)])
def test_a_deadline_event_that_is_replayed_undoes_no_newer_one(newer: DeadlineEvent, replayed: DeadlineEvent) -> None:
    before = moved(moved(None, OPENED, NOW), newer, NOW)
    assert before is not None
    assert (before.open, before.due_at) == (True, LATER)
    assert moved(before, replayed, NOW) == before
