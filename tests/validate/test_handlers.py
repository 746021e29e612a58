"""Judgements on a real database: what is stored and published, in which order, and how often."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import cast

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.validate.handlers import judge_submissions
from services.validate.metrics import JUDGEMENTS
from services.validate.storage.figures import figures_of
from services.validate.storage.judgements import judgements_of
from services.validate.storage.tables import figures, judgements, submissions
from shared.bus.locks import lock_number
from shared.catalogue.reader import CatalogueReader
from shared.catalogue.snapshot import Snapshot
from shared.events.base import Event, EventData
from shared.events.cells import CellValue
from shared.events.findings import Verdict
from shared.events.submissions import SubmissionReceivedV1
from shared.events.validation_results import (
    FiguresAcceptedV1,
    ReassessmentReason,
    ValidationCompletedV1,
    ValidationReassessedV1,
)
from shared.problems import UnavailableError
from tests.builders.rule_forms import UNIT, a_cell, a_delivery, a_line, a_rule, a_snapshot, some_cells
from tests.bus.nulls import NullInbox, NullUnitLock
from tests.parts import until
from tests.validate.world import PACKAGE, World, a_record, explained, received

MONTHS = a_snapshot(
    {
        "CUM": a_rule("cumulative(I1)"),
        "JUMP": a_rule("ratio(I1, previous, 0.5, 2)", severity="warning"),
        "LOW": a_rule("range(I1, 5, 1000)", severity="warning"),
    },
    lines=(a_line("I1", columns=("value", "cumulative")),),
)
QUARTERS = a_snapshot({"PARTS": a_rule("parts(I1)")}, lines=(a_line("I1"),))


def month(value: int, since_january: int) -> tuple[CellValue, ...]:
    return a_cell("I1", value), a_cell("I1.cumulative", since_january)


MAY, JUNE = received(month(10, 50), "2024-05"), received(month(12, 62))
JUNE_WRONG, JUNE_ODD = received(month(12, 63)), received(month(100, 150))


async def verdicts(world: World) -> list[tuple[str, int, Verdict]]:
    return [
        (str(each.delivery_id.period), each.version, each.verdict)
        for each in await world.published(ValidationCompletedV1)
    ]


async def test_a_right_report_is_accepted_and_its_figures_are_published(world: World) -> None:
    await world.release(MONTHS)
    await world.take(MAY)
    (result,) = await world.published(ValidationCompletedV1)
    assert (result.verdict, result.judgement, result.version, result.release) == (Verdict.ACCEPTED, 1, 1, 1)
    assert result.package_id == PACKAGE
    (accepted,) = await world.published(FiguresAcceptedV1)
    assert (accepted.delivery_id, accepted.cells, accepted.judgement) == (MAY.delivery_id, MAY.cells, 1)
    async with world.sessions() as session:
        assert await figures_of(session, MAY.delivery_id) == accepted
        assert [each.result for each in await judgements_of(session, MAY.delivery_id)] == [result]


async def test_every_event_names_its_package_and_its_cause(world: World) -> None:
    await world.release(MONTHS)
    (record,) = await world.take(MAY)
    cause = dict(record.headers)["ce_id"].decode()
    for kind in (ValidationCompletedV1, FiguresAcceptedV1):
        (headers,) = await world.headers(kind)
        assert headers["ce_correlationid"] == str(PACKAGE)
        assert headers["ce_causationid"] == cause
        assert headers["ce_subject"] == str(MAY.delivery_id)
        assert headers["ce_source"] == "urn:lienthong:validate"


async def test_a_wrong_report_is_returned_and_its_figures_are_not_taken(world: World) -> None:
    await world.release(MONTHS)
    await world.take(MAY, JUNE_WRONG)
    assert await verdicts(world) == [("2024-05", 1, Verdict.ACCEPTED), ("2024-06", 1, Verdict.RETURNED)]
    result = (await world.published(ValidationCompletedV1))[1]
    assert [each.rule for each in result.findings] == ["CUM"]
    assert [str(each.delivery_id.period) for each in await world.published(FiguresAcceptedV1)] == ["2024-05"]


async def test_the_loop_has_its_turn_between_two_versions_of_a_batch(world: World) -> None:
    """Heartbeats and health do not wait for a whole batch: between two turns of the loop one version is judged."""
    await world.release(MONTHS)
    batch = [received(month(10, 50), "2024-05", version=version) for version in range(1, 51)]
    taking = asyncio.create_task(world.take(*batch))
    counts = [judgements_made()]
    while not taking.done():
        await asyncio.sleep(0)
        counts.append(judgements_made())
    await taking
    assert counts[-1] - counts[0] == len(batch)
    assert max(after - before for before, after in pairwise(counts)) == 1


def judgements_made() -> float:
    (metric,) = JUDGEMENTS.collect()
    return sum(sample.value for sample in metric.samples if sample.name.endswith("_total"))


async def test_a_later_version_takes_the_place_of_an_accepted_one_unless_it_is_returned(world: World) -> None:
    await world.release(MONTHS)
    second = received(month(11, 51), "2024-05", version=2)
    third = received(month(11, 60), "2024-05", version=3)
    june = received(month(12, 63))
    await world.take(MAY, second, third)
    assert await world.count(figures) == 1
    await world.take(june)
    assert (await verdicts(world))[-2:] == [("2024-05", 3, Verdict.ACCEPTED), ("2024-06", 1, Verdict.RETURNED)]
    bad = received((a_cell("I1", 1), a_cell("I1.cumulative", 2)), "2024-01", version=2)
    good = received((a_cell("I1", 5), a_cell("I1.cumulative", 5)), "2024-01")
    await world.take(good, bad)
    async with world.sessions() as session:
        stored = await figures_of(session, good.delivery_id)
    assert stored is not None
    assert stored.version == 1, "what was accepted is not taken back"


class TestOrder:
    async def test_versions_see_what_was_accepted_before_them_in_the_same_batch(self, world: World) -> None:
        await world.release(MONTHS)
        await world.take(MAY, JUNE)
        await everything_was_compared(world)

    async def test_a_package_of_a_quarter_and_a_half_year_is_checked_within_itself(self, world: World) -> None:
        await world.release(QUARTERS)
        await world.take(received(some_cells(I1=10), "2024-Q1"))
        await world.take(received(some_cells(I1=5), "2024-Q2"), received(some_cells(I1=15), "2024-S1"))
        assert [verdict for _, _, verdict in await verdicts(world)] == [Verdict.ACCEPTED] * 3
        results = await world.published(ValidationCompletedV1)
        assert results[-1].not_applicable == ()

    async def test_negative_control_in_the_wrong_order_they_see_nothing(self, world: World) -> None:
        await world.release(MONTHS)
        await world.take(JUNE, MAY)
        with pytest.raises(AssertionError, match="missing_reference"):
            await everything_was_compared(world)

    async def test_two_replicas_judge_a_unit_in_turn(self, world: World) -> None:
        await world.release(MONTHS)
        await judge_june_while_may_is_being_judged(world)
        await everything_was_compared(world)

    async def test_negative_control_without_the_units_lock_june_overtakes_may(self, engine: AsyncEngine) -> None:
        world = World(engine)
        world = World(engine, parts=replace(world.parts, unit_lock=NullUnitLock()))
        await world.release(MONTHS)
        await judge_june_while_may_is_being_judged(world)
        with pytest.raises(AssertionError, match="missing_reference"):
            await everything_was_compared(world)


async def everything_was_compared(world: World) -> None:
    """June's rules found the figures of May."""
    june = [each for each in await world.published(ValidationCompletedV1) if each.delivery_id == JUNE.delivery_id]
    assert [each.not_applicable for each in june] == [()], f"{[each.not_applicable for each in june]}"


async def judge_june_while_may_is_being_judged(world: World) -> None:
    """Another replica starts on June while May's transaction is open; May commits once June waits or has ended."""
    may = world.processor.read(a_record(MAY))
    async with world.units_of_work.begin([UNIT]) as work:
        await judge_submissions([cast("Event[SubmissionReceivedV1]", may.content)], work)
        june = asyncio.create_task(world.take(JUNE))
        await until(lambda: june.done() or waits_for_a_lock(world))
    await june


async def waits_for_a_lock(world: World) -> bool:
    purpose = lock_number("validate/unit") % 2**32
    waiting = text("select count(*) from pg_locks where locktype = 'advisory' and classid = :purpose and not granted")
    async with world.sessions() as session:
        return bool(await session.scalar(waiting, {"purpose": purpose}))


class TestOnce:
    async def test_what_comes_again_is_judged_once(self, world: World) -> None:
        await world.release(MONTHS)
        await world.take(MAY, JUNE, again=True)
        await each_version_has_one_judgement(world, 2)

    async def test_negative_control_without_the_inbox_it_reaches_the_handler_and_the_tables_refuse_it(
        self, engine: AsyncEngine
    ) -> None:
        world = without_inbox(engine)
        await world.release(MONTHS)
        with pytest.raises(IntegrityError):
            await world.take(MAY, JUNE, again=True)
        await each_version_has_one_judgement(world, 2)

    async def test_negative_control_without_inbox_and_keys_it_is_judged_twice(self, engine: AsyncEngine) -> None:
        world = without_inbox(engine)
        await world.release(MONTHS)
        await drop_keys(world)
        await world.take(MAY, JUNE, again=True)
        with pytest.raises(AssertionError):
            await each_version_has_one_judgement(world, 2)

    async def test_judgements_have_the_same_id_whoever_makes_them(self, engine: AsyncEngine) -> None:
        world = without_inbox(engine)
        await world.release(MONTHS)
        await drop_keys(world)
        await world.take(MAY, again=True)
        first, second = await world.headers(ValidationCompletedV1)
        assert first["ce_id"] == second["ce_id"]


def without_inbox(engine: AsyncEngine) -> World:
    return World(engine, parts=replace(World(engine).parts, inbox=NullInbox()))


async def drop_keys(world: World) -> None:
    async with world.engine.begin() as connection:
        for table in (submissions, judgements):
            await connection.execute(text(f"alter table {table.fullname} drop constraint pk_{table.name}"))


async def each_version_has_one_judgement(world: World, count: int) -> None:
    async with world.sessions() as session:
        versions = select(judgements.c.unit, judgements.c.form, judgements.c.period, judgements.c.status)
        repeated = await session.execute(
            select(func.count()).select_from(judgements).where(judgements.c.judgement == 1)
        )
        different = len(set(await session.execute(versions.add_columns(judgements.c.version))))
    assert (repeated.scalar_one(), different) == (count, count)
    assert len(await world.published(ValidationCompletedV1)) == count


class TestExplanations:
    async def test_a_warning_wants_an_explanation_and_with_it_the_figures_are_taken(self, world: World) -> None:
        await world.release(MONTHS)
        await world.take(MAY, JUNE_ODD)
        assert (await verdicts(world))[1] == ("2024-06", 1, Verdict.NEEDS_EXPLANATION)
        assert len(await world.published(FiguresAcceptedV1)) == 1
        (record,) = await world.take(explained("JUMP"))
        (again,) = await world.published(ValidationReassessedV1)
        assert (again.verdict, again.judgement, again.version) == (Verdict.ACCEPTED_WITH_WARNINGS, 2, 1)
        assert (again.reason, again.warning_count) == (ReassessmentReason.EXPLAINED, 1)
        assert [each.rule for each in again.findings] == ["JUMP"], "what was explained stays on record"
        accepted = (await world.published(FiguresAcceptedV1))[1]
        assert (accepted.cells, accepted.judgement) == (JUNE_ODD.cells, 2)
        (headers,) = await world.headers(ValidationReassessedV1)
        assert headers["ce_causationid"] == dict(record.headers)["ce_id"].decode()
        async with world.sessions() as session:
            stored = [each.result for each in await judgements_of(session, JUNE_ODD.delivery_id)]
        assert [each.judgement for each in stored] == [1, 2]
        assert stored[1] == again

    async def test_an_explanation_in_the_package_leads_to_acceptance_at_once(self, world: World) -> None:
        await world.release(MONTHS)
        await world.take(MAY, received(JUNE_ODD.cells, explained=["JUMP"]))
        assert (await verdicts(world))[1] == ("2024-06", 1, Verdict.ACCEPTED_WITH_WARNINGS)

    async def test_each_rule_wants_its_own_explanation_and_they_may_come_one_by_one(self, world: World) -> None:
        await world.release(MONTHS)
        low = received(month(3, 53))
        await world.take(MAY, low)
        await world.take(explained("JUMP", "NO-SUCH-RULE"))
        await world.take(explained("LOW"))
        again = await world.published(ValidationReassessedV1)
        assert [(each.judgement, each.verdict) for each in again] == [
            (2, Verdict.NEEDS_EXPLANATION),
            (3, Verdict.ACCEPTED_WITH_WARNINGS),
        ]

    async def test_two_explanations_in_one_batch_are_two_judgements(self, world: World) -> None:
        await world.release(MONTHS)
        await world.take(MAY, received(month(3, 53)), explained("JUMP"), explained("LOW"))
        assert [each.judgement for each in await world.published(ValidationReassessedV1)] == [2, 3]

    @pytest.mark.parametrize(
        "before",
        [
            pytest.param((), id="never received"),
            pytest.param((JUNE,), id="accepted"),
            pytest.param((JUNE_WRONG,), id="returned"),
            pytest.param((JUNE_ODD, explained("JUMP")), id="accepted after an explanation"),
            pytest.param((JUNE_ODD, received(month(12, 63), version=2)), id="a newer version was returned"),
            pytest.param((JUNE_ODD, received(month(100, 150), version=2)), id="a newer version waits"),
        ],
    )
    async def test_an_explanation_that_nobody_waits_for_changes_nothing(
        self, world: World, before: Iterable[EventData]
    ) -> None:
        await world.release(MONTHS)
        await world.take(MAY, *before)
        count = await world.count(judgements)
        await world.take(explained("JUMP"))
        assert await world.count(judgements) == count

    async def test_what_others_sent_since_does_not_turn_an_explained_report_into_a_return(self, world: World) -> None:
        await world.release(MONTHS)
        await world.take(MAY, JUNE_ODD)
        await world.take(received(month(10, 55), "2024-05", version=2))
        await world.take(explained("JUMP"))
        (again,) = await world.published(ValidationReassessedV1)
        assert again.verdict is Verdict.ACCEPTED_WITH_WARNINGS


class TestReleases:
    NEW = a_snapshot({"NEW": a_rule("range(I1, 0, 1)")}, release=2)

    async def test_a_submission_waits_for_the_release_it_was_received_under(self, world: World) -> None:
        await world.release(MONTHS)
        report = received(some_cells(I1=5), release=2)
        record = a_record(report)
        with pytest.raises(UnavailableError, match="release 2"):
            await world.processor.process([record])
        assert await world.count(judgements) == 0
        await world.release(self.NEW)
        await world.processor.process([record])
        await judged_by(world, 2)

    async def test_a_release_that_arrives_while_waiting_is_used_at_once(self, engine: AsyncEngine) -> None:
        world = World(engine)
        world.settings.release_wait_seconds_max = 30
        await world.release(MONTHS)
        judging = asyncio.create_task(world.take(received(some_cells(I1=5), release=2)))
        await asyncio.sleep(0)
        await world.release(self.NEW)
        await judging
        await judged_by(world, 2)

    async def test_negative_control_without_waiting_it_is_judged_by_an_older_one(self, engine: AsyncEngine) -> None:
        world = World(engine, reader=HastyReader())
        await world.release(MONTHS)
        await world.take(received(some_cells(I1=5), release=2))
        with pytest.raises(AssertionError):
            await judged_by(world, 2)

    async def test_a_newer_release_judges_what_was_received_under_an_older_one(self, world: World) -> None:
        await world.release(MONTHS)
        await world.release(self.NEW)
        await world.take(received(some_cells(I1=5), release=1))
        await judged_by(world, 2)

    async def test_a_duty_that_vanished_since_costs_the_sender_nothing(self, world: World) -> None:
        await world.release(a_snapshot({"R": a_rule("required(*)")}, periods=["2024-Q2"]))
        await world.take(received(some_cells(I1=5)))
        (result,) = await world.published(ValidationCompletedV1)
        assert (result.verdict, result.error_count) == (Verdict.ACCEPTED, 0)
        assert [each.rule for each in result.findings] == ["engine.unknown_delivery"]
        assert len(await world.published(FiguresAcceptedV1)) == 1


class HastyReader(CatalogueReader):
    """Does not wait."""

    async def wait_for(self, release: int, seconds_max: float) -> Snapshot:
        assert self.snapshot is not None
        return self.snapshot


async def judged_by(world: World, release: int) -> None:
    """The verdict names the release, and its rule was applied."""
    (result,) = await world.published(ValidationCompletedV1)
    assert result.release == release
    assert [each.rule for each in result.findings] == ["NEW"]


async def test_findings_are_capped_and_counts_are_not(engine: AsyncEngine) -> None:
    world = World(engine)
    world.settings.findings_max = 1
    await world.release(a_snapshot({"A": a_rule("range(*, 0, 1)")}, lines=(a_line("I1"), a_line("I1@GEO"))))
    await world.take(received([a_cell("I1", 9), a_cell("I1@GEO=N", 9), a_cell("I1@GEO=S", 9)]))
    (result,) = await world.published(ValidationCompletedV1)
    assert (len(result.findings), result.error_count) == (1, 3)


async def test_figures_of_one_status_never_replace_those_of_another(world: World) -> None:
    await world.release(MONTHS)
    final = received(month(11, 50), "2024-05", status="final")
    await world.take(MAY, final)
    assert await world.count(figures) == 2
    assert a_delivery("2024-05") != a_delivery("2024-05", "final")
