from calendar import monthrange
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalogue.domain.due_rules import DueRuleError, parse_due_rule
from services.catalogue.domain.working_days import CalendarError, WorkingDays
from shared.events.catalogue import Shift
from shared.periods import Frequency, Period

VIETNAM = WorkingDays("VN")
years = st.integers(2020, 2035)
months = st.integers(1, 12)


def due_day(rule: str, period: str, shift: Shift = Shift.NEXT_WORKING_DAY, days: WorkingDays = VIETNAM) -> date:
    return days.shifted(parse_due_rule(rule).day_for(Period.parse(period), days), shift)


@pytest.mark.parametrize(
    ("rule", "period", "expected"),
    [
        ("P+0:D18", "2026-02", "2026-02-23"),  # in Tết
        ("P+0:D12", "2024-02", "2024-02-15"),
        ("P+0:D18", "2025-01", "2025-01-20"),  # a Saturday
        ("P+1:WD05", "2024-04", "2024-05-07"),  # Saturday 4 May 2024 was a working day
        ("P+0:D18", "2024-06", "2024-06-18"),
        ("P+1:D06", "2024-Q2", "2024-07-08"),  # a Saturday
        ("P+0:D12", "2024-S1", "2024-06-12"),
        ("P+0:D12", "2024-9M", "2024-09-12"),
        ("P+1:D31", "2024-05", "2024-07-01"),  # 30 June is the last day, a Sunday
        ("P+0:D29", "2024-02", "2024-02-29"),
        ("P+0:D31", "2023-02", "2023-02-28"),
        ("Y+1:03-31", "2024", "2025-03-31"),
        ("Y+0:10-15", "2024", "2024-10-15"),
        ("Y+1:02-30", "2024", "2025-02-28"),
    ],
)
def test_due_days_are_those_of_the_regulation(rule: str, period: str, expected: str) -> None:
    assert due_day(rule, period) == date.fromisoformat(expected)


def test_an_override_wins_over_the_country() -> None:
    """Saturday 10 January 2026 is a working day by a dispatch that the package does not know."""
    known = WorkingDays("VN", {date(2026, 1, 2): False, date(2026, 1, 10): True})
    assert VIETNAM.is_working(date(2026, 1, 2))
    assert due_day("P+0:D02", "2026-01", days=known) == date(2026, 1, 5)
    assert due_day("P+0:D10", "2026-01", days=known) == date(2026, 1, 10)


def test_the_previous_working_day_and_no_shift_are_other_policies() -> None:
    assert due_day("P+0:D18", "2025-01", Shift.PREVIOUS_WORKING_DAY) == date(2025, 1, 17)
    assert due_day("P+0:D18", "2025-01", Shift.NONE) == date(2025, 1, 18)


def test_a_calendar_without_working_days_is_an_error_and_no_endless_loop() -> None:
    never = WorkingDays("VN", {date(2024, month, day): False for month in (6, 7, 8) for day in range(1, 31)})
    with pytest.raises(CalendarError):
        due_day("P+0:D18", "2024-06", days=never)


def test_a_country_without_a_calendar_is_an_error() -> None:
    with pytest.raises(CalendarError, match="no calendar of public holidays"):
        WorkingDays("XX")


@pytest.mark.parametrize("text", ["", "D18", "P+0:D00", "P+0:D32", "P+1:WD00", "P+1:WD24", "Y+1:13-01", "Y+1:3-31"])
def test_a_malformed_rule_is_explained_in_both_languages(text: str) -> None:
    with pytest.raises(DueRuleError) as caught:
        parse_due_rule(text)
    assert text in caught.value.message.vi
    assert text in caught.value.message.en


@given(years, months, st.integers(0, 3), st.integers(1, 31))
def test_a_due_day_shifted_forward_is_a_working_day_and_never_earlier(year: int, month: int, n: int, day: int) -> None:
    period = Period.ending(Frequency.MONTH, year, month)
    assert period is not None
    rule = parse_due_rule(f"P+{n}:D{day:02d}")
    plain = rule.day_for(period, VIETNAM)
    shifted = VIETNAM.shifted(plain, Shift.NEXT_WORKING_DAY)
    assert plain.day == min(day, monthrange(plain.year, plain.month)[1])
    assert shifted >= plain
    assert VIETNAM.is_working(shifted)
    assert not any(VIETNAM.is_working(date.fromordinal(o)) for o in range(plain.toordinal(), shifted.toordinal()))


@given(years, months, st.integers(1, 23))
def test_the_nth_working_day_has_n_minus_one_working_days_before_it(year: int, month: int, number: int) -> None:
    period = Period.ending(Frequency.MONTH, year, month)
    assert period is not None
    day = parse_due_rule(f"P+1:WD{number:02d}").day_for(period, VIETNAM)
    before = sum(VIETNAM.is_working(day.replace(day=each)) for each in range(1, day.day))
    in_month = before + 1 + VIETNAM.count_after(day, day.replace(day=monthrange(day.year, day.month)[1]))
    assert VIETNAM.is_working(day)
    assert before + 1 == min(number, in_month)
