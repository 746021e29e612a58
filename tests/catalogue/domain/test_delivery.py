"""The states of a delivery. Facts come on two topics, so their order between the topics is chance."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.catalogue.domain.delivery import (
    Delivery,
    Effect,
    MetEffect,
    PassedEffect,
    State,
    explained,
    judged,
    received,
    redated,
    settle,
    superseded_by,
)
from shared.deadline import end_of_deadline
from shared.delivery_id import DeliveryId
from shared.events.catalogue import Shift
from shared.events.deadlines import ClosedReason
from shared.events.findings import Verdict

DUE = datetime(2024, 6, 18, 16, 59, 59, tzinfo=UTC)
EARLY, LATE = DUE - timedelta(days=2), DUE + timedelta(days=1)
NOW = DUE + timedelta(days=2)
PAST = DUE + timedelta(seconds=1)
ID = DeliveryId.of("SO-A", "001.T/BCS-A", "2024-06", "estimate")


def a_delivery(due_at: datetime | None = DUE, identifier: DeliveryId = ID, *, opened: bool = True) -> Delivery:
    opens_at = DUE - timedelta(days=30)
    return Delivery(
        id=identifier,
        due_rule="P+0:D18",
        shift=Shift.NEXT_WORKING_DAY,
        open_days_before=30,
        opens_at=opens_at,
        due_at=due_at,
        release=1,
        opened_at=opens_at if opened else None,
    )


@dataclass(frozen=True)
class Received:
    number: int
    at: datetime


@dataclass(frozen=True)
class Judged:
    number: int
    judgement: int
    verdict: Verdict
    at: datetime


@dataclass(frozen=True)
class Explained:
    number: int
    at: datetime


@dataclass(frozen=True)
class Watermark:
    at: datetime


Step = Received | Judged | Explained | Watermark


def run(delivery: Delivery, steps: Sequence[Step]) -> tuple[Delivery, list[Effect]]:
    watermark: datetime | None = None
    effects: list[Effect] = []
    for step in steps:
        match step:
            case Received(number, at):
                delivery = delivery.with_version(received(delivery.versions, number, at))
            case Judged(number, judgement, verdict, at):
                delivery = delivery.with_version(judged(delivery.versions, number, judgement, verdict, at))
            case Explained(number, at):
                delivery = delivery.with_version(explained(delivery.versions, number, at))
            case Watermark(at):
                watermark = max(watermark or at, at)
        delivery, more = settle(delivery, watermark, NOW)
        effects += more
    return delivery, effects


def state_after(*steps: Step) -> State:
    return run(a_delivery(), steps)[0].state


def test_a_delivery_is_planned_then_open() -> None:
    assert a_delivery(opened=False).state is State.PLANNED
    assert a_delivery().state is State.OPEN


@pytest.mark.parametrize(
    ("verdict", "state"),
    [
        (Verdict.ACCEPTED, State.MET_IN_TIME),
        (Verdict.ACCEPTED_WITH_WARNINGS, State.MET_IN_TIME),
        (Verdict.NEEDS_EXPLANATION, State.NEEDS_EXPLANATION),
        (Verdict.RETURNED, State.RETURNED),
    ],
)
def test_a_verdict_may_be_read_before_its_received(verdict: Verdict, state: State) -> None:
    steps = (Received(1, EARLY), Judged(1, 1, verdict, EARLY))
    assert state_after(*steps) is state_after(*reversed(steps)) is state


def test_a_new_version_after_a_returned_one_waits_for_its_own_judgement() -> None:
    assert state_after(Received(1, EARLY), Judged(1, 1, Verdict.RETURNED, EARLY), Received(2, EARLY)) is State.RECEIVED


def test_an_explanation_given_after_the_deadline_does_not_make_it_late() -> None:
    state = state_after(
        Received(1, EARLY),
        Judged(1, 1, Verdict.NEEDS_EXPLANATION, EARLY),
        Watermark(PAST),
        Explained(1, LATE),
        Judged(1, 2, Verdict.ACCEPTED_WITH_WARNINGS, EARLY),
    )
    assert state is State.MET_IN_TIME


def test_in_time_is_by_the_first_acceptable_version_not_by_the_first_one() -> None:
    steps = (
        Received(1, EARLY),
        Judged(1, 1, Verdict.RETURNED, EARLY),
        Received(2, LATE),
        Judged(2, 1, Verdict.ACCEPTED, LATE),
    )
    delivery, effects = run(a_delivery(), steps)
    assert delivery.state is State.MET_LATE
    assert [effect.met.version for effect in effects if isinstance(effect, MetEffect)] == [2]


MICROSECOND = timedelta(microseconds=1)
MIDNIGHT = DUE + timedelta(seconds=1)
around_midnight = st.integers(-2_000_000, 2_000_000).map(lambda number: MIDNIGHT + number * MICROSECOND)


@given(around_midnight)
@example(DUE)
@example(DUE + timedelta(seconds=0.5))
@example(MIDNIGHT - MICROSECOND)
@example(MIDNIGHT)
def test_in_time_is_what_was_received_before_midnight(at: datetime) -> None:
    met = state_after(Received(1, at), Judged(1, 1, Verdict.ACCEPTED, at))
    assert met is (State.MET_IN_TIME if at < MIDNIGHT else State.MET_LATE)


def test_a_deadline_ends_at_the_midnight_after_its_day() -> None:
    end = end_of_deadline(DUE).astimezone(ZoneInfo("Asia/Ho_Chi_Minh"))
    assert end == datetime(2024, 6, 19, tzinfo=ZoneInfo("Asia/Ho_Chi_Minh"))


def test_a_later_version_does_not_undo_that_it_was_met() -> None:
    steps = (
        Received(1, EARLY),
        Judged(1, 1, Verdict.ACCEPTED, EARLY),
        Received(2, LATE),
        Judged(2, 1, Verdict.RETURNED, LATE),
    )
    delivery, effects = run(a_delivery(), steps)
    assert delivery.state is State.MET_IN_TIME
    assert len(effects) == 1


def passed_in(*steps: Step) -> list[State]:
    return [effect.state for effect in run(a_delivery(), steps)[1] if isinstance(effect, PassedEffect)]


@given(around_midnight)
@example(MIDNIGHT - MICROSECOND)
@example(MIDNIGHT)
def test_nothing_passes_before_the_watermark_is_at_the_same_midnight(watermark: datetime) -> None:
    assert passed_in(Watermark(watermark)) == ([State.OPEN] if watermark >= MIDNIGHT else [])


@given(around_midnight, around_midnight)
@example(MIDNIGHT - MICROSECOND, MIDNIGHT - MICROSECOND)
def test_what_is_read_after_the_deadline_passed_was_never_in_time(watermark: datetime, at: datetime) -> None:
    """A watermark says that everything received up to it has been read: what comes after it was received later."""
    if at <= watermark:
        return
    first = (Watermark(watermark), Received(1, at), Judged(1, 1, Verdict.ACCEPTED, at))
    if passed_in(*first):
        assert state_after(*first) is State.MET_LATE


def test_a_deadline_passes_once() -> None:
    assert passed_in(Watermark(PAST), Watermark(LATE), Watermark(NOW)) == [State.OPEN]


def test_a_returned_or_unexplained_report_passes() -> None:
    first = Received(1, EARLY)
    assert passed_in(first, Judged(1, 1, Verdict.RETURNED, EARLY), Watermark(PAST)) == [State.RETURNED]
    assert passed_in(first, Judged(1, 1, Verdict.NEEDS_EXPLANATION, EARLY), Watermark(PAST)) == [
        State.NEEDS_EXPLANATION
    ]


def test_what_was_received_in_time_waits_for_its_judgement() -> None:
    assert passed_in(Received(1, EARLY), Watermark(PAST)) == []
    assert passed_in(Received(1, EARLY), Watermark(PAST), Judged(1, 1, Verdict.ACCEPTED, EARLY)) == []
    assert passed_in(Received(1, EARLY), Watermark(PAST), Judged(1, 1, Verdict.RETURNED, EARLY)) == [State.RETURNED]


def test_what_was_explained_in_time_waits_for_the_judgement_of_it() -> None:
    first = (Received(1, EARLY), Judged(1, 1, Verdict.NEEDS_EXPLANATION, EARLY))
    waiting = (*first, Explained(1, EARLY), Watermark(PAST))
    assert passed_in(*waiting) == []
    assert passed_in(*waiting, Judged(1, 2, Verdict.ACCEPTED_WITH_WARNINGS, EARLY)) == []
    assert passed_in(*waiting, Judged(1, 2, Verdict.RETURNED, EARLY)) == [State.RETURNED]
    assert passed_in(*first, Explained(1, LATE), Watermark(PAST)) == [State.NEEDS_EXPLANATION]


def test_an_explanation_that_no_judgement_will_answer_does_not_hold_the_deadline() -> None:
    """An explanation of a version behind which a newer one stands is judged before that one, or never."""
    first = (Received(1, EARLY), Judged(1, 1, Verdict.NEEDS_EXPLANATION, EARLY))
    overtaken = (*first, Received(2, LATE), Explained(1, EARLY), Watermark(LATE))
    assert passed_in(*overtaken) == [], "the answer may still stand before the newer version's judgement"
    assert passed_in(*overtaken, Judged(2, 1, Verdict.RETURNED, LATE)) == [State.NEEDS_EXPLANATION]
    answered = (Judged(1, 2, Verdict.ACCEPTED_WITH_WARNINGS, EARLY), Judged(2, 1, Verdict.RETURNED, LATE))
    assert state_after(*overtaken, *answered) is State.MET_IN_TIME
    assert passed_in(*overtaken, *answered) == []


def test_a_version_that_comes_after_the_deadline_does_not_hide_that_it_passed() -> None:
    assert passed_in(Received(1, LATE), Watermark(PAST)) == [State.OPEN]


def test_history_is_never_due_and_always_in_time() -> None:
    history = a_delivery(due_at=None)
    assert run(history, [Watermark(NOW)]) == (history, [])
    met, _ = run(history, [Received(1, LATE), Judged(1, 1, Verdict.ACCEPTED, LATE)])
    assert met.state is State.MET_IN_TIME


def test_another_date_is_a_new_version_that_may_pass_again() -> None:
    passed, _ = run(a_delivery(), [Watermark(PAST)])
    extended = redated(passed, LATE, extended=True)
    assert (extended.deadline_version, extended.passed_at) == (2, None)
    assert settle(extended, PAST, NOW)[1] == ()
    assert settle(extended, NOW, NOW)[1] == (PassedEffect(State.OPEN),)


def test_what_is_closed_or_not_open_yet_is_left_alone() -> None:
    closed = replace(a_delivery(), closed=ClosedReason.EXEMPTED)
    assert closed.state is State.EXEMPTED
    for delivery in (closed, a_delivery(opened=False)):
        assert settle(delivery, NOW, NOW) == (delivery, ())


def test_a_higher_status_that_is_met_supersedes_a_lower_one_that_is_not() -> None:
    higher = DeliveryId.of("SO-A", "001.T/BCS-A", "2024-06", "preliminary")
    assert superseded_by(higher, a_delivery())
    assert not superseded_by(ID, a_delivery(identifier=higher)), "a lower one supersedes nothing"
    met, _ = run(a_delivery(), [Judged(1, 1, Verdict.ACCEPTED, EARLY)])
    assert not superseded_by(higher, met)
    assert not superseded_by(higher, a_delivery(due_at=None)), "history is loaded in any order"
    other_period = DeliveryId.of("SO-A", "001.T/BCS-A", "2024-05", "preliminary")
    assert not superseded_by(other_period, a_delivery())


instants = st.sampled_from([EARLY, DUE, DUE + timedelta(seconds=1), LATE])
verdicts = st.sampled_from([Verdict.ACCEPTED, Verdict.NEEDS_EXPLANATION, Verdict.RETURNED])


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Step], list[Step]]:
    """What each of the two topics says of one delivery, in its own order."""
    submissions: list[Step] = []
    results: list[Step] = []
    at = sorted(draw(st.lists(instants, min_size=1, max_size=4)))
    for number, instant in enumerate(at, start=1):
        submissions.append(Received(number, instant))
        verdict = draw(verdicts)
        results.append(Judged(number, 1, verdict, instant))
        if verdict is Verdict.NEEDS_EXPLANATION and draw(st.booleans()):
            submissions.append(Explained(number, draw(instants)))
            results.append(Judged(number, 2, draw(verdicts), instant))
    return submissions, results


@given(histories(), st.data())
def test_any_interleaving_of_the_two_topics_ends_in_the_same_state(
    history: tuple[list[Step], list[Step]], data: st.DataObject
) -> None:
    submissions, results = history
    expected, expected_effects = run(a_delivery(), [*submissions, *results])
    left, right, mixed = list(submissions), list(results), []
    while left or right:
        take_left = bool(left) and (not right or data.draw(st.booleans()))
        mixed.append((left if take_left else right).pop(0))
    found, effects = run(a_delivery(), mixed)
    assert found == expected
    assert effects == expected_effects


@given(histories(), st.data())
def test_with_the_watermark_last_the_deadline_passes_or_not_whatever_the_order(
    history: tuple[list[Step], list[Step]], data: st.DataObject
) -> None:
    """Also orders that no topic would give, as long as only one version is acceptable."""
    steps = [*history[0], *history[1]]
    acceptable = {step.number for step in steps if isinstance(step, Judged) and step.verdict.acceptable}
    if len(acceptable) > 1:
        return
    expected = run(a_delivery(), [*steps, Watermark(NOW)])
    assert run(a_delivery(), [*data.draw(st.permutations(steps)), Watermark(NOW)]) == expected


def test_every_order_of_a_return_and_a_late_correction_ends_alike() -> None:
    steps: tuple[Step, ...] = (
        Received(1, EARLY),
        Judged(1, 1, Verdict.RETURNED, EARLY),
        Received(2, LATE),
        Judged(2, 1, Verdict.ACCEPTED, LATE),
    )
    assert {run(a_delivery(), order)[0].state for order in permutations(steps)} == {State.MET_LATE}


@given(histories())
def test_met_and_passed_are_told_at_most_once_and_passed_never_after_met_in_time(
    history: tuple[list[Step], list[Step]],
) -> None:
    delivery, effects = run(a_delivery(), [Watermark(PAST), *history[0], *history[1], Watermark(NOW)])
    kinds = [type(effect) for effect in effects]
    assert len(kinds) == len(set(kinds))
    if delivery.met is not None:
        assert effects[-1] == MetEffect(delivery.met, delivery.met_in_time)
