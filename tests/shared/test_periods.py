from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.periods import Frequency, Period, PeriodBasis

periods = st.builds(
    Period.ending,
    st.sampled_from(Frequency),
    st.integers(1990, 2100),
    st.integers(1, 12),
).filter(lambda period: period is not None)


@given(periods)
def test_a_period_reads_back_what_it_writes(period: Period) -> None:
    assert Period.parse(str(period)) == period


@given(periods)
def test_calendar_periods_of_one_frequency_follow_each_other_without_a_gap(period: Period) -> None:
    if period.frequency in {Frequency.MONTH, Frequency.QUARTER, Frequency.YEAR}:
        assert (period.bounds()[0] - period.before().bounds()[1]).days == 1


@pytest.mark.parametrize(
    ("code", "first", "last"),
    [
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("2024-Q2", date(2024, 4, 1), date(2024, 6, 30)),
        ("2024-S1", date(2024, 1, 1), date(2024, 6, 30)),
        ("2024-9M", date(2024, 1, 1), date(2024, 9, 30)),
        ("2024", date(2024, 1, 1), date(2024, 12, 31)),
    ],
)
def test_statistical_periods_are_calendar_months_and_cumulate_from_january(code: str, first: date, last: date) -> None:
    assert Period.parse(code).bounds() == (first, last)


@pytest.mark.parametrize(
    ("code", "first", "last"),
    [
        ("2024-01", date(2023, 12, 15), date(2024, 1, 14)),
        ("2024-S1", date(2023, 12, 15), date(2024, 6, 14)),
        ("2024", date(2023, 12, 15), date(2024, 12, 14)),
    ],
)
def test_administrative_periods_run_from_the_15th_to_the_14th(code: str, first: date, last: date) -> None:
    assert Period.parse(code).bounds(PeriodBasis.ADMIN_15_14) == (first, last)


def test_a_school_year_starts_in_september() -> None:
    assert Period.parse("2024").bounds(PeriodBasis.SCHOOL_YEAR) == (date(2024, 9, 1), date(2025, 8, 31))


@pytest.mark.parametrize("text", ["", "24-03", "2024-13", "2024-Q5", "2024-S2", "2024-6M", "2024-03-01", " 2024"])
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no period"):
        Period.parse(text)


def test_nine_months_is_an_iso_interval_because_sdmx_has_no_code_for_it() -> None:
    assert Period.parse("2024-9M").iso_interval == "2024-01-01/P9M"


def test_periods_that_end_together_sort_from_the_shorter_to_the_longer() -> None:
    codes = ["2024-S1", "2024-06", "2024-Q2", "2024-05"]
    assert [str(p) for p in sorted(map(Period.parse, codes))] == ["2024-05", "2024-06", "2024-Q2", "2024-S1"]


@pytest.mark.parametrize(
    ("code", "before"),
    [("2024-01", "2023-12"), ("2024-Q1", "2023-Q4"), ("2024-S1", "2023-S1"), ("2024-9M", "2023-9M"), ("2024", "2023")],
)
def test_the_period_before_a_cumulative_one_is_a_year_earlier(code: str, before: str) -> None:
    assert str(Period.parse(code).before()) == before
