"""Vietnamese words, as an office writes them."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain.findings import number_words
from services.notify.domain.words import (
    day_words,
    days_left_words,
    listed,
    moment_words,
    period_words,
    sentence,
    short_day,
    status_words,
)
from shared.delivery_id import Status
from shared.periods import Frequency, Period, PeriodBasis

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
EVENING = datetime(2024, 6, 17, 17, 30, tzinfo=UTC)
"""00:30 on Tuesday, 18 June, in Vietnam."""


@pytest.mark.parametrize(
    ("period", "words"),
    [
        ("2024-06", "tháng 6 năm 2024"),
        ("2024-12", "tháng 12 năm 2024"),
        ("2024-Q1", "quý I năm 2024"),
        ("2024-Q4", "quý IV năm 2024"),
        ("2024-S1", "6 tháng đầu năm 2024"),
        ("2024-9M", "9 tháng đầu năm 2024"),
        ("2024", "năm 2024"),
    ],
)
def test_periods_are_named_as_in_reports(period: str, words: str) -> None:
    assert period_words(Period.parse(period)) == words


def test_a_school_year_names_both_years() -> None:
    assert period_words(Period.parse("2024"), PeriodBasis.SCHOOL_YEAR) == "năm học 2024–2025"


@given(st.sampled_from(Frequency), st.integers(2000, 2099), st.integers(1, 12), st.sampled_from(PeriodBasis))
def test_every_period_has_words(frequency: Frequency, year: int, month: int, basis: PeriodBasis) -> None:
    period = Period.ending(frequency, year, month)
    assert period is None or str(year) in period_words(period, basis)


def test_every_status_has_words() -> None:
    assert [status_words(status) for status in Status] == ["ước tính", "sơ bộ", "chính thức"]


def test_days_are_local_ones() -> None:
    assert day_words(EVENING, ZONE) == "thứ Ba, 18/6/2024"
    assert short_day(EVENING, ZONE) == "18/6/2024"
    assert moment_words(EVENING, ZONE) == "00:30 ngày 18/6/2024"
    assert day_words(datetime(2024, 6, 23, 3, tzinfo=UTC), ZONE) == "Chủ nhật, 23/6/2024"


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (datetime(2024, 6, 14, 18, tzinfo=UTC), "còn 3 ngày"),
        (datetime(2024, 6, 17, 16, tzinfo=UTC), "ngày mai"),
        (datetime(2024, 6, 17, 18, tzinfo=UTC), "hôm nay"),
        (datetime(2024, 6, 18, 17, tzinfo=UTC), "đã quá hạn 1 ngày"),
    ],
)
def test_days_left_count_local_midnights(now: datetime, words: str) -> None:
    """Late in the evening it is 'ngày mai', though less than 24 hours are left."""
    assert days_left_words(now, datetime(2024, 6, 18, 16, 59, 59, tzinfo=UTC), ZONE) == words


def test_a_sentence_keeps_everything_but_its_first_letter() -> None:
    assert sentence("ô bắt buộc còn trống (KH0301).") == "Ô bắt buộc còn trống (KH0301)."
    assert sentence("") == ""


def test_an_enumeration_names_each_once() -> None:
    assert listed(["a", "b", "a", "c"]) == "a, b và c"
    assert listed(["a", "b"]) == "a và b"
    assert listed(["a", "a"]) == "a"
    assert listed([]) == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("62585.4", "62.585,4"),
        ("-2310.75", "-2.310,75"),
        ("0", "0"),
        ("1000000", "1.000.000"),
        ("44.206..110515.0", "từ 44,206 đến 110.515,0"),
        ("<= 12.5", "≤ 12,5"),
        (">= 1000", "≥ 1.000"),
        ("M, F", "M, F"),
        ("2024-06", "2024-06"),
        ("", ""),
        (None, ""),
    ],
)
def test_numbers_are_written_with_points_and_commas(text: str | None, words: str) -> None:
    assert number_words(text) == words


@given(st.text())
def test_any_text_can_be_shown(text: str) -> None:
    assert isinstance(number_words(text), str)
