"""Reminders: which instants there are, and which one is told when."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

from hypothesis import assume, given
from hypothesis import strategies as st

from services.notify.domain.delivery import Delivery
from services.notify.domain.ladder import Policy, next_reminder, reminder_due, reminders
from services.notify.domain.recheck import recheck
from services.notify.domain.steps import Step
from shared.events.catalogue import CalendarV1, ReminderStep
from shared.events.deadlines import ClosedReason
from tests.builders.mailing import DUE, ID, POLICY, a_delivery

HOUR = timedelta(hours=1)
instants = st.datetimes(datetime(2024, 5, 1), datetime(2024, 7, 31)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001
rungs = st.dictionaries(st.integers(0, 40), st.times().map(lambda at: at.replace(second=0, microsecond=0)), max_size=5)
policies = st.builds(
    lambda zone, held: Policy(zone, tuple(sorted(held.items(), reverse=True))),
    st.sampled_from(["Asia/Ho_Chi_Minh", "UTC", "America/New_York", "Pacific/Apia"]),
    rungs,
)
deliveries = st.builds(lambda due_at, opened_at: Delivery(ID, 1, due_at, opened_at), instants, instants)
watermarks = st.lists(instants, max_size=30).map(sorted)


def run(delivery: Delivery, policy: Policy, seen: list[datetime]) -> list[tuple[datetime, Step]]:
    """Let the watermark move through these instants, as the job does; return (watermark, step told)."""
    told = []
    for watermark in seen:
        if (step := reminder_due(delivery, policy, watermark)) is not None:
            told.append((watermark, step))
        through = max(filter(None, (delivery.reminded_through, watermark)))
        delivery = replace(delivery, reminded_through=through)
    return told


@given(deliveries, policies, watermarks)
def test_no_step_is_told_twice(delivery: Delivery, policy: Policy, seen: list[datetime]) -> None:
    names = [step.name for _, step in run(delivery, policy, [*seen, *seen])]
    assert len(names) == len(set(names))


@given(deliveries, policies, watermarks)
def test_a_step_is_told_between_its_instant_and_the_deadline(
    delivery: Delivery, policy: Policy, seen: list[datetime]
) -> None:
    assert delivery.due_at is not None
    for watermark, step in run(delivery, policy, seen):
        assert step.at < watermark < delivery.due_at


@given(deliveries, policies, watermarks, instants)
def test_nothing_is_told_after_receipt(
    delivery: Delivery, policy: Policy, seen: list[datetime], received_at: datetime
) -> None:
    received = replace(delivery, received_version=1, received_at=received_at)
    assert run(received, policy, seen) == []
    assert next_reminder(received, policy) is None


@given(deliveries, policies, watermarks, st.sampled_from(ClosedReason))
def test_nothing_is_told_of_what_is_met_or_closed(
    delivery: Delivery, policy: Policy, seen: list[datetime], reason: ClosedReason
) -> None:
    assert run(replace(delivery, met=True), policy, seen) == []
    assert run(replace(delivery, closed=reason), policy, seen) == []


@given(policies, instants, watermarks)
def test_history_is_never_told(policy: Policy, opened_at: datetime, seen: list[datetime]) -> None:
    history = Delivery(ID, 1, None, opened_at)
    assert reminders(history, policy) == ()
    assert run(history, policy, seen) == []


@given(deliveries, policies)
def test_reminders_that_were_gone_when_the_date_was_set_are_not_owed(delivery: Delivery, policy: Policy) -> None:
    assert delivery.waiting_from is not None
    assert all(step.at > delivery.waiting_from for step in reminders(delivery, policy))


@given(deliveries, policies)
def test_a_watermark_that_never_rests_tells_every_step(delivery: Delivery, policy: Policy) -> None:
    """A job that looks right after each instant misses none."""
    seen = sorted({step.at + timedelta(microseconds=1) for step in reminders(delivery, policy)})
    assume(all(at < delivery.due_at for at in seen if delivery.due_at))
    told = {step.at for _, step in run(delivery, policy, seen)}
    assert told == {step.at for step in reminders(delivery, policy)}


@given(deliveries, policies, instants)
def test_after_an_outage_only_the_latest_overdue_step_is_told(
    delivery: Delivery, policy: Policy, watermark: datetime
) -> None:
    told = run(delivery, policy, [watermark, watermark])
    assert len(told) <= 1
    overdue = [step for step in reminders(delivery, policy) if step.at < watermark]
    if told:
        assert told[0][1] == overdue[-1]
    elif overdue:
        assert delivery.due_at is not None
        assert watermark >= delivery.due_at


@given(deliveries, policies, watermarks)
def test_the_next_look_never_comes_too_late(delivery: Delivery, policy: Policy, seen: list[datetime]) -> None:
    """The job looks only at deliveries whose next reminder is behind the watermark: it overlooks none that way."""
    for watermark in seen:
        if reminder_due(delivery, policy, watermark) is not None:
            following = next_reminder(delivery, policy)
            assert following is not None
            assert following.at < watermark
        delivery = replace(delivery, reminded_through=watermark)


@given(deliveries, policies, instants, st.integers(1, 20))
def test_an_extension_starts_the_ladder_again_under_new_names(
    delivery: Delivery, policy: Policy, extended_at: datetime, days: int
) -> None:
    assert delivery.due_at is not None
    extended = replace(
        delivery, deadline_version=2, due_at=delivery.due_at + timedelta(days=days), waiting_from=extended_at
    )
    before = {step.name for step in reminders(delivery, policy)}
    after = reminders(extended, policy)
    assert before.isdisjoint(step.name for step in after)
    for step in reminders(delivery, policy):
        assert recheck(step, extended, extended_at) is not None, "the old date's reminder is not sent any more"
    assert all(extended_at < step.at for step in after)


def test_a_reminder_is_due_at_its_local_time_on_its_local_day() -> None:
    (week, three, one) = reminders(a_delivery(), POLICY)
    assert [step.at for step in (week, three, one)] == [datetime(2024, 6, day, 1, tzinfo=UTC) for day in (11, 15, 17)]
    assert [step.name for step in (week, three, one)] == ["reminder:7", "reminder:3", "reminder:1"]


def test_the_local_day_counts_not_the_utc_day() -> None:
    """00:30 in Vietnam on 18 June is still 17 June in UTC."""
    early = a_delivery(due_at=datetime(2024, 6, 17, 17, 30, tzinfo=UTC))
    (step,) = reminders(early, Policy("Asia/Ho_Chi_Minh", ((1, time(8)),)))
    assert step.at == datetime(2024, 6, 17, 1, tzinfo=UTC)


def test_daylight_saving_time_keeps_the_local_time() -> None:
    """New York sprang forward on 10 March 2024: 08:00 was 13:00 UTC before and 12:00 after."""
    due_at = datetime(2024, 3, 12, 3, 59, 59, tzinfo=UTC)
    delivery = a_delivery(due_at=due_at, waiting_from=due_at - timedelta(days=30))
    steps = reminders(delivery, Policy("America/New_York", ((2, time(8)), (1, time(8)))))
    assert [step.at.hour for step in steps] == [13, 12]


def test_a_rung_on_the_deadline_s_own_day_comes_before_it() -> None:
    (step,) = reminders(a_delivery(), Policy("Asia/Ho_Chi_Minh", ((0, time(8)),)))
    assert step.at == datetime(2024, 6, 18, 1, tzinfo=UTC)
    noon = a_delivery(due_at=datetime(2024, 6, 18, 0, tzinfo=UTC))
    assert reminders(noon, Policy("Asia/Ho_Chi_Minh", ((0, time(8)),))) == ()


def test_what_opens_after_an_instant_is_not_reminded_of_it() -> None:
    late = a_delivery(waiting_from=datetime(2024, 6, 15, 1, 0, 1, tzinfo=UTC))
    assert [step.name for step in reminders(late, POLICY)] == ["reminder:1"]
    assert reminder_due(late, POLICY, datetime(2024, 6, 16, tzinfo=UTC)) is None


def test_a_watermark_at_the_instant_itself_is_not_past_it() -> None:
    instant = datetime(2024, 6, 11, 1, tzinfo=UTC)
    assert reminder_due(a_delivery(), POLICY, instant) is None
    assert reminder_due(a_delivery(), POLICY, instant + timedelta(microseconds=1)) is not None


def test_a_reminder_at_which_the_watermark_stood_still_is_told_later() -> None:
    """While it looked at the week's reminder, the watermark stood exactly at the next one."""
    three = datetime(2024, 6, 15, 1, tzinfo=UTC)
    told = run(a_delivery(), POLICY, [three, three + HOUR])
    assert [step.name for _, step in told] == ["reminder:7", "reminder:3"]


def test_after_the_deadline_nobody_is_reminded_of_it() -> None:
    assert reminder_due(a_delivery(), POLICY, DUE) is None
    assert reminder_due(a_delivery(), POLICY, DUE - HOUR) is not None


def test_of_two_rungs_with_the_same_number_of_days_the_first_one_holds() -> None:
    calendar = CalendarV1(
        history_from="2024-03",
        live_from="2024-06",
        reminders=tuple(
            ReminderStep(days_before=days, at=at) for days, at in ((3, time(8)), (3, time(15)), (7, time(9)))
        ),
    )
    assert Policy.of(calendar).rungs == ((7, time(9)), (3, time(8)))


def test_a_calendar_without_reminders_tells_nothing() -> None:
    assert reminders(a_delivery(), Policy.of(CalendarV1(history_from="2024-03", live_from="2024-06"))) == ()


def test_the_fingerprint_changes_with_the_policy() -> None:
    prints = {
        Policy("UTC", ((3, time(8)),)).fingerprint,
        Policy("UTC", ((3, time(9)),)).fingerprint,
        Policy("UTC", ((2, time(8)),)).fingerprint,
        Policy("Asia/Ho_Chi_Minh", ((3, time(8)),)).fingerprint,
    }
    assert len(prints) == 4
