"""Deadlines on a real database: what is received, judged and passed, and what is told of it, once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from services.catalogue.domain.delivery import State
from services.catalogue.storage.deliveries import load_deliveries
from services.catalogue.storage.tables import bus, deadline_events, deliveries
from shared.bus.inbox import Inbox
from shared.delivery_id import DeliveryId
from shared.events.base import Event, EventData
from shared.events.deadlines import DeadlineMetV1, DeadlineOpenedV1, DeadlinePassedV1
from shared.events.findings import Verdict
from shared.events.submissions import WatermarkV1
from tests.builders.catalogue_files import a_catalogue
from tests.catalogue.world import SetClock, World, explained, judged, received

MONTH = DeliveryId.of("SO-A", "001.T/BCS-A", "2024-06", "estimate")
LATER = DeliveryId.of("SO-A", "001.T/BCS-A", "2024-06", "preliminary")
OTHER = DeliveryId.of("SO-B", "001.T/BCS-A", "2024-06", "estimate")
DUE = datetime(2024, 6, 18, 16, 59, 59, tzinfo=UTC)
EARLY, LATE, AFTER = DUE - timedelta(days=2), DUE + timedelta(hours=9), DUE + timedelta(days=2)


async def state_of(world: World, delivery: DeliveryId) -> State:
    async with world.units_of_work.sessions() as session:
        return (await load_deliveries(session, [delivery]))[delivery].state


@pytest.fixture
async def opened(world: World) -> World:
    await world.load_and_open(a_catalogue())
    return world


async def test_open_deliveries_are_told_with_their_dates(opened: World) -> None:
    told = {str(each.delivery_id): each for each in await opened.published(DeadlineOpenedV1)}
    assert told[str(MONTH)].due_at == DUE
    assert told[str(MONTH)].due_rule == "P+0:D18"
    history = [each for each in told.values() if each.due_at is None]
    assert history
    assert str(LATER) not in told, "it opens 30 days before 18 July"
    opened.clock.at = datetime(2024, 6, 17, 17, 0, 1, tzinfo=UTC)
    await opened.jobs.tick()
    assert await opened.told(LATER) == ["opened 1"]


async def test_a_report_accepted_in_time_meets_its_deadline_and_never_passes_it(opened: World) -> None:
    await opened.feed(received(MONTH, 1, EARLY), judged(MONTH, 1, Verdict.ACCEPTED, EARLY))
    await opened.watermark(AFTER)
    assert await opened.told(MONTH) == ["opened 1", "met 1"]
    assert await state_of(opened, MONTH) is State.MET_IN_TIME
    (met,) = await opened.published(DeadlineMetV1)
    assert (met.version, met.received_at, met.in_time) == (1, EARLY, True)


async def test_every_order_of_events_ends_in_the_same_state_and_tells_the_same(opened: World) -> None:
    """Each order on deliveries of its own: history of the same unit, put back to having a date."""
    async with opened.units_of_work.begin() as work:
        await work.session.execute(update(deliveries).where(deliveries.c.due_at.is_(None)).values(due_at=DUE))
    facts: tuple[Callable[[DeliveryId], EventData], ...] = (
        lambda of: received(of, 1, EARLY),
        lambda of: judged(of, 1, Verdict.NEEDS_EXPLANATION, EARLY),
        lambda of: explained(of, 1, LATE),
        lambda of: judged(of, 1, Verdict.ACCEPTED_WITH_WARNINGS, EARLY, judgement=2),
    )
    ids = [
        DeliveryId.of(unit, "001.T/BCS-A", period, "estimate")
        for unit in ("SO-A", "SO-B")
        for period in ("2024-03", "2024-04", "2024-05")
    ] + [MONTH, OTHER]
    orders = list(permutations(facts))[:: 24 // len(ids)][: len(ids)]
    for delivery, order in zip(ids, orders, strict=True):
        for fact in order:
            await opened.feed(fact(delivery))
        assert await state_of(opened, delivery) is State.MET_IN_TIME
        assert await opened.told(delivery) == ["opened 1", "met 1"]


async def test_what_nobody_sent_passes_once_the_watermark_is_past_the_deadline(opened: World) -> None:
    await opened.watermark(DUE)
    assert await opened.told(MONTH) == ["opened 1"]
    for _ in range(2):
        await opened.watermark(AFTER)
    assert await opened.told(MONTH) == ["opened 1", "passed 1"]
    passed = {each.delivery_id: each.state for each in await opened.published(DeadlinePassedV1)}
    assert passed[MONTH] == "open"
    assert await state_of(opened, MONTH) is State.OPEN


async def test_a_report_that_waits_for_its_judgement_passes_only_if_it_is_not_acceptable(opened: World) -> None:
    await opened.feed(received(MONTH, 1, EARLY), received(OTHER, 1, EARLY))
    await opened.watermark(AFTER)
    assert await opened.told(MONTH) == await opened.told(OTHER) == ["opened 1"]
    await opened.feed(judged(MONTH, 1, Verdict.ACCEPTED, EARLY), judged(OTHER, 1, Verdict.RETURNED, EARLY))
    assert await opened.told(MONTH) == ["opened 1", "met 1"]
    assert await opened.told(OTHER) == ["opened 1", "passed 1"]


async def test_the_whole_last_second_of_the_day_is_in_time(opened: World) -> None:
    """Just before midnight nothing passes yet: what was received then and is still on its way is in time."""
    midnight = DUE + timedelta(seconds=1)
    last = midnight - timedelta(microseconds=1)
    await opened.watermark(last)
    assert await opened.told(MONTH) == await opened.told(OTHER) == ["opened 1"]
    await opened.feed(received(MONTH, 1, last))
    await opened.watermark(midnight)
    assert await opened.told(MONTH) == ["opened 1"], "it waits for its judgement"
    assert await opened.told(OTHER) == ["opened 1", "passed 1"]
    await opened.feed(judged(MONTH, 1, Verdict.ACCEPTED, last))
    assert await opened.told(MONTH) == ["opened 1", "met 1"]
    assert await state_of(opened, MONTH) is State.MET_IN_TIME


async def test_an_explanation_of_a_version_that_was_overtaken_does_not_hold_the_deadline(opened: World) -> None:
    """The engine judges the newest version only, so that explanation is never answered."""
    await opened.feed(
        received(MONTH, 1, EARLY),
        judged(MONTH, 1, Verdict.NEEDS_EXPLANATION, EARLY),
        received(MONTH, 2, LATE),
        explained(MONTH, 1, EARLY),
        judged(MONTH, 2, Verdict.RETURNED, LATE),
    )
    await opened.watermark(AFTER)
    assert await opened.told(MONTH) == ["opened 1", "passed 1"]


async def test_a_late_correction_is_met_late_after_it_has_passed(opened: World) -> None:
    await opened.feed(received(MONTH, 1, EARLY), judged(MONTH, 1, Verdict.RETURNED, EARLY))
    await opened.watermark(AFTER)
    await opened.feed(received(MONTH, 2, LATE), judged(MONTH, 2, Verdict.ACCEPTED, LATE))
    assert await opened.told(MONTH) == ["opened 1", "passed 1", "met 1"]
    assert await state_of(opened, MONTH) is State.MET_LATE


async def test_a_higher_status_that_is_met_closes_the_lower_one(opened: World) -> None:
    opened.clock.at = LATE
    await opened.jobs.tick()
    await opened.watermark(LATE)
    await opened.feed(received(LATER, 1, LATE), judged(LATER, 1, Verdict.ACCEPTED, LATE))
    assert await opened.told(MONTH) == ["opened 1", "passed 1", "closed 1"]
    assert await state_of(opened, MONTH) is State.SUPERSEDED
    await opened.feed(judged(MONTH, 1, Verdict.ACCEPTED, LATE))
    assert await state_of(opened, MONTH) is State.SUPERSEDED


async def test_a_fact_about_a_delivery_that_is_not_planned_yet_is_kept_for_it(world: World) -> None:
    await world.feed(received(MONTH, 1, EARLY), judged(MONTH, 1, Verdict.ACCEPTED, EARLY))
    await world.load_and_open(a_catalogue())
    assert await world.told(MONTH) == ["opened 1", "met 1"]


async def test_an_event_that_was_told_before_is_not_told_again(opened: World) -> None:
    """As after a state that was restored from an older backup."""
    await opened.feed(received(MONTH, 1, EARLY), judged(MONTH, 1, Verdict.ACCEPTED, EARLY))
    async with opened.units_of_work.begin() as work:
        await work.session.execute(update(deliveries).values(met_version=None, met_received_at=None, state="returned"))
    await opened.feed(judged(MONTH, 1, Verdict.ACCEPTED, EARLY))
    assert await opened.told(MONTH) == ["opened 1", "met 1"]


async def test_state_and_event_commit_together_or_not_at_all(opened: World) -> None:
    class Cut:
        """An outbox that fails at the last moment."""

        async def add(self, session: AsyncSession, rows: object) -> None:
            raise RuntimeError("power cut")

    assert opened.units_of_work.parts is not None
    cut = World(opened.engine, opened.clock, parts=replace(opened.units_of_work.parts, outbox=Cut()))
    with pytest.raises(RuntimeError, match="power cut"):
        await cut.feed(judged(MONTH, 1, Verdict.ACCEPTED, EARLY))
    assert await state_of(opened, MONTH) is State.OPEN
    async with opened.units_of_work.sessions() as session:
        met = select(func.count()).select_from(deadline_events).where(deadline_events.c.type == DeadlineMetV1.ce_type)
        assert await session.scalar(met) == 0
    assert await opened.told(MONTH) == ["opened 1"]


class NoWatermarks:
    """The null part: it takes the doors to have published everything, whatever they say."""

    def __init__(self, clock: SetClock) -> None:
        self._clock = clock

    async def record(self, session: AsyncSession, partition: int, event: Event[WatermarkV1], inbox: Inbox) -> bool:
        return True

    async def read_all(self, session: AsyncSession) -> dict[int, datetime]:
        return dict.fromkeys(range(12), self._clock.now())


async def punctual_unit_while_ingest_is_behind(world: World) -> list[str]:
    """The unit reports in time, but ingest was down: its event comes after the deadline. What is it told?"""
    await world.load_and_open(a_catalogue())
    await world.feed(WatermarkV1(at=EARLY, after=None))  # so far the doors have published
    world.clock.at = AFTER
    await world.jobs.sweep()
    await world.feed(received(MONTH, 1, EARLY), judged(MONTH, 1, Verdict.ACCEPTED, EARLY))
    await world.watermark(AFTER)
    return await world.told(MONTH)


async def test_a_punctual_unit_is_not_called_late_while_ingest_is_behind(world: World) -> None:
    assert await punctual_unit_while_ingest_is_behind(world) == ["opened 1", "met 1"]


async def test_without_watermarks_the_punctual_unit_is_called_late(world: World, engine: AsyncEngine) -> None:
    """The negative control: the same story, without the mechanism."""
    blind = World(engine, world.clock, parts=replace(world.units_of_work.parts, watermarks=NoWatermarks(world.clock)))
    assert await punctual_unit_while_ingest_is_behind(blind) == ["opened 1", "passed 1", "met 1"]


async def test_outgoing_events_carry_unit_subject_package_and_cause(opened: World) -> None:
    await opened.feed(judged(MONTH, 1, Verdict.ACCEPTED, EARLY))
    async with opened.units_of_work.sessions() as session:
        row = (
            await session.execute(
                select(bus.outbox).where(bus.outbox.c.headers["ce_type"].astext == DeadlineMetV1.ce_type)
            )
        ).one()
    assert row.key == "SO-A"
    assert row.headers["ce_subject"] == str(MONTH)
    assert row.headers["ce_source"] == "urn:lienthong:catalogue"
    assert row.headers["ce_correlationid"] == "00000000-0000-0000-0000-000000000007"
    assert row.headers["ce_causationid"]
