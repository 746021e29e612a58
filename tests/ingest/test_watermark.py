"""Nothing that a door has received is overtaken by the watermark."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from services.ingest.domain.watermark import SAFETY_SECONDS, Asked
from services.ingest.http_source import LeasedHttpSource, Ticket
from services.ingest.storage.sources import Partition, hold_http_source
from services.ingest.storage.tables import bus, sources
from services.ingest.watermark import WatermarkWriter
from shared.bus.outbox import PostgresOutbox
from shared.events.submissions import WatermarkV1
from shared.problems import UnavailableError
from tests.ingest.conftest import MakeWorld
from tests.ingest.world import SetClock, World, a_message
from tests.parts import until

TOPIC = "agency.SO-A.submissions"
SAFETY = timedelta(seconds=SAFETY_SECONDS)


class Broker:
    """The broker's offsets as a test sets them."""

    def __init__(self) -> None:
        self.ends: dict[Partition, int] = {}
        self.group: dict[Partition, int] = {}

    async def ask(self, at: datetime) -> dict[Partition, Asked]:
        return {partition: Asked(at, 0, end) for partition, end in self.ends.items()}

    async def committed(self) -> Mapping[Partition, int]:
        return dict(self.group)

    async def skip_markers(self, positions: Mapping[Partition, int]) -> dict[Partition, int]:
        return {}

    async def close(self) -> None:
        return None


class Writing:
    """The watermark's writer on a world, with a broker that the test sets."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.broker = Broker()
        outbox = PostgresOutbox(bus.outbox, {WatermarkV1.ce_type})
        self._writer = WatermarkWriter(world.units_of_work, world.state, self.broker, outbox)  # type: ignore[arg-type]

    async def tick(self, seconds: float = 0.0) -> datetime | None:
        """Let time pass, give a sign of life, look; return the least watermark published so far (business time)."""
        self.world.clock.at += timedelta(seconds=seconds)
        await self.world.state.http_source.beat(self.world.units_of_work.sessions)
        return await self.look()

    async def look(self) -> datetime | None:
        await self._writer.tick()
        marks = await self.watermarks()
        return min((mark[-1] for mark in marks.values()), default=None) if len(marks) == 12 else None

    async def watermarks(self) -> dict[int, list[datetime]]:
        """Return what stands in the outbox, by partition of `submissions`."""
        found: dict[int, list[datetime]] = {}
        async with self.world.units_of_work.sessions() as session:
            rows = await session.execute(
                select(bus.outbox.c.partition, bus.outbox.c.value)
                .where(bus.outbox.c.headers["ce_type"].astext == WatermarkV1.ce_type)
                .order_by(bus.outbox.c.id)
            )
        for partition, value in rows:
            found.setdefault(partition, []).append(WatermarkV1.model_validate_json(value).at)
        return found

    def business_now(self) -> datetime:
        return self.world.clock.now()


@pytest.fixture
def writing(world: World) -> Writing:
    return Writing(world)


async def test_it_follows_the_clock_on_every_partition_while_nothing_is_inside(writing: Writing) -> None:
    assert await writing.tick() == writing.business_now() - SAFETY
    assert await writing.tick(1) == writing.business_now() - SAFETY
    assert [len(marks) for marks in (await writing.watermarks()).values()] == [2] * 12


async def test_it_is_not_written_while_it_does_not_move(writing: Writing) -> None:
    await writing.tick()
    await writing.look()
    assert {len(marks) for marks in (await writing.watermarks()).values()} == {1}


async def test_it_follows_a_jump_of_the_business_clock(writing: Writing) -> None:
    await writing.tick()
    clock = writing.world.clock
    before = clock.at
    clock.business_at = lambda machine: machine + timedelta(days=30 if machine > before else 1)  # type: ignore[method-assign]
    assert await writing.tick(1) == before + timedelta(seconds=1, days=1) - SAFETY
    assert await writing.tick(2) == clock.at - SAFETY + timedelta(days=30)


@asynccontextmanager
async def request_in_flight(world: World) -> AsyncIterator[datetime]:
    """A request whose body has ended and whose transaction waits; gives the business time of its end."""
    async with world.units_of_work.begin(["SO-A"]):  # holds the unit's lock: the request stands before its commit
        posting = asyncio.create_task(world.post())
        await until(lambda: somebody_waits(world))
        yield world.clock.now()
    response = await posting
    assert response.status_code == 202, response.text


async def somebody_waits(world: World) -> bool:
    waiting = text(
        "select exists (select from pg_locks where locktype = 'advisory' and not granted "
        "and database = (select oid from pg_database where datname = current_database()))"
    )
    async with world.units_of_work.sessions() as session:
        return bool(await session.scalar(waiting))


async def overtaken(writing: Writing) -> bool:
    """Return whether the watermark passed a request that was not committed."""
    await writing.tick()
    async with request_in_flight(writing.world) as received_at:
        for _ in range(5):
            mark = await writing.tick(10)
            if mark is not None and mark >= received_at:
                return True
    mark = await writing.tick(1)
    assert mark is not None
    assert mark > received_at, "once it is committed the watermark goes on"
    (submission,) = await writing.world.told("submission.received")
    assert datetime.fromisoformat(submission.body["received_at"]) == received_at
    return False


async def test_a_request_in_flight_holds_it_back(writing: Writing) -> None:
    assert not await overtaken(writing)


class NullHttpSource(LeasedHttpSource):
    """Knows no requests."""

    def enter(self) -> Ticket:
        assert self._source is not None
        return Ticket(self.clock.machine_now(), self._source)


async def test_without_the_http_source_a_request_in_flight_is_overtaken(make_world: MakeWorld) -> None:
    """The negative control of the test before."""
    clock = SetClock()
    world = await make_world(clock=clock, http_source=NullHttpSource(clock, timedelta(seconds=10)))
    assert await overtaken(Writing(world))


async def test_a_request_that_is_refused_does_not_hold_it_for_ever(writing: Writing) -> None:
    await writing.tick()
    await writing.world.post(content=b"no json")
    assert await writing.tick(10) == writing.business_now() - SAFETY


async def expire(world: World) -> None:
    """Let all leases run out, as when the process had stood still that long."""
    async with world.units_of_work.sessions() as session, session.begin():
        await session.execute(update(sources).values(expires_at=func.now() - timedelta(seconds=1)))


async def test_a_frozen_replica_is_waited_for_no_longer_than_its_lease(writing: Writing) -> None:
    await writing.tick()
    other = LeasedHttpSource(writing.world.clock, timedelta(seconds=10))
    await other.beat(writing.world.units_of_work.sessions)
    writing.world.clock.at += timedelta(seconds=60)
    held = await writing.look()
    await expire(writing.world)
    writing.world.state.http_source._source = None  # ours begins anew; the other is frozen
    assert (await writing.tick(1) or datetime.min.replace(tzinfo=UTC)) == writing.business_now() - SAFETY
    assert held is not None
    assert held < writing.business_now() - timedelta(seconds=59)


async def test_what_a_frozen_replica_held_is_refused_when_it_wakes_up(writing: Writing) -> None:
    """Its row ran out, the watermark passed the request: it must not be committed, even under a new row."""
    world = writing.world
    await writing.tick()
    source = world.state.http_source
    ticket = source.enter()
    await expire(world)
    await writing.look()
    await source.beat(world.units_of_work.sessions)  # the replica is alive again, with a row of another name
    assert source.live
    async with world.units_of_work.begin(["SO-A"]) as work:
        with pytest.raises(UnavailableError):
            await source.confirm(work.session, ticket)
    source.leave(ticket)
    assert (await world.post()).status_code == 202, "new requests are taken"


async def test_a_request_without_a_live_row_gets_503_and_nothing_is_written(world: World) -> None:
    async with world.units_of_work.sessions() as session, session.begin():
        await session.execute(sources.delete())
    response = await world.post()
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0
    assert await world.told() == []


async def test_a_held_row_is_renewed_but_not_deleted(world: World) -> None:
    """A steady stream of requests must not keep the replica from giving signs of life."""
    source, sessions = world.state.http_source, world.units_of_work.sessions
    async with sessions() as session, session.begin():
        assert await hold_http_source(session, source._source)
        async with asyncio.timeout(5):
            await source.beat(sessions)
        assert not await can_delete(sessions)
    assert await can_delete(sessions)


async def can_delete(sessions: async_sessionmaker[AsyncSession]) -> bool:
    async with sessions() as session, session.begin():
        free = select(sources.c.id).with_for_update(skip_locked=True)
        return bool((await session.execute(free)).all())


async def test_a_message_that_lies_in_a_topic_holds_it_back_until_it_is_taken_in(writing: Writing) -> None:
    writing.broker.ends[TOPIC, 0] = 0
    await writing.tick()
    first = await writing.tick(1)
    writing.broker.ends[TOPIC, 0] = 1
    appended_at = writing.business_now()
    for _ in range(3):
        mark = await writing.tick(10)
        assert mark is not None
        assert mark < appended_at
    assert mark == first
    writing.world.offset = -1
    await writing.world.publish(a_message())
    mark = await writing.tick(1)
    assert mark is not None
    assert mark >= appended_at - SAFETY
    assert await writing.tick(3) == writing.business_now() - SAFETY


async def test_a_partition_that_was_never_asked_holds_it_back(writing: Writing) -> None:
    await writing.tick()
    writing.broker.ends[TOPIC, 0] = 5
    before = await writing.tick(5)
    after = await writing.tick(5)
    assert before == after


async def test_it_names_the_last_event_before_it(writing: Writing) -> None:
    await writing.world.post()
    (submission,) = await writing.world.told("submission.received")
    await writing.tick(5)
    marks: list[dict[str, Any]] = [each.body for each in await writing.world.told("watermark")]
    assert [mark["after"] for mark in marks if mark["after"]] == [submission.id]


async def test_only_one_replica_writes_it(writing: Writing) -> None:
    other = Writing(writing.world)
    await writing.world.state.http_source.beat(writing.world.units_of_work.sessions)
    await asyncio.gather(*(each.look() for each in (writing, other, writing, other)))
    assert {len(marks) for marks in (await writing.watermarks()).values()} == {1}
