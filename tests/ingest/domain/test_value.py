"""What a cell holds: never rounded, never guessed, and the four kinds of nothing stay apart."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.value import (
    MISSING,
    NIL,
    NOT_COLLECTED,
    Content,
    ValueProblem,
    content_of_excel,
    content_of_json,
)
from shared.events.cells import Mark

Read = Callable[[Any, int], Content | ValueProblem]

decimals = st.integers(0, 6)
scaled = st.integers(-(10**15) + 1, 10**15 - 1)  # 15 digits: a double keeps them


def number(value: int, places: int) -> Decimal:
    return Decimal(value).scaleb(-places)


def held(value: Decimal) -> Content:
    return Content(Mark.VALUE, value)


def grouped(value: Decimal, places: int, thousands: str, mark: str) -> str:
    """Write a number as an office does: 62585.4 as `62.585,4` or `62,585.4`."""
    text = f"{value:,.{places}f}"
    return text.replace(",", "\0").replace(".", mark).replace("\0", thousands)


@given(scaled, decimals)
def test_a_plain_decimal_in_a_string_is_read_exactly(value: int, places: int) -> None:
    assert content_of_json(format(number(value, places), "f"), places) == held(number(value, places))


@given(scaled, decimals)
def test_a_json_number_and_the_same_number_in_a_string_are_one_value(value: int, places: int) -> None:
    assert content_of_json(number(value, places), places) == content_of_json(format(number(value, places), "f"), places)


@given(scaled, decimals)
def test_what_excel_keeps_of_a_number_is_read_as_the_person_typed_it(value: int, places: int) -> None:
    assert content_of_excel(float(number(value, places)), places) == held(number(value, places))


@given(scaled, st.integers(1, 6).filter(lambda places: places != 3), st.sampled_from([(".", ","), (",", ".")]))
def test_text_with_both_separators_or_a_telling_one_is_no_riddle(
    value: int, places: int, style: tuple[str, str]
) -> None:
    text = grouped(number(value, places), places, *style)
    assert content_of_excel(text, places) == held(number(value, places)), text


@pytest.mark.parametrize("text", ["1.234", "1,234", "-12.345", "999,000"])
def test_one_separator_before_three_digits_is_asked_about(text: str) -> None:
    assert content_of_excel(text, 3) is ValueProblem.AMBIGUOUS


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("62.585,4", "62585.4"),
        ("62,585.4", "62585.4"),
        ("62 585,4", "62585.4"),
        ("1.234.567", "1234567.0"),
        ("1,5", "1.5"),
        ("0,5", "0.5"),
        ("−3,5", "-3.5"),
        (" 12 ", "12.0"),
    ],
)
def test_numbers_as_offices_write_them(text: str, value: str) -> None:
    assert content_of_excel(text, 1) == held(Decimal(value))


@pytest.mark.parametrize("text", ["12 tỷ", "1.23.4", "1,2,3", "12-", "٣", "1e5", "=A1", "n/a", "1.", ","])
def test_what_is_no_number_is_not_taken_for_one(text: str) -> None:
    assert content_of_excel(text, 1) is ValueProblem.NOT_A_NUMBER
    assert content_of_json(text, 1) is ValueProblem.NOT_A_NUMBER


@pytest.mark.parametrize("text", ["62.585,4", "1,5", "1 000", "+5", "0x10", "NaN", "Infinity", "1e3"])
def test_json_takes_plain_decimals_alone(text: str) -> None:
    assert content_of_json(text, 1) is ValueProblem.NOT_A_NUMBER


@given(st.integers(1, 10**9), st.integers(0, 5), st.integers(1, 3))
def test_digits_are_never_rounded_away(value: int, places: int, more: int) -> None:
    finer = number(value * 10 + 1, places + more)
    assert content_of_json(format(finer, "f"), places) is ValueProblem.TOO_MANY_DECIMALS


@given(st.integers(0, 5), st.integers(28, 38))
def test_not_even_the_thirtieth_digit_is_rounded_away(places: int, zeros: int) -> None:
    assert content_of_json(f"1.{'0' * zeros}1", places) is ValueProblem.TOO_MANY_DECIMALS
    assert content_of_json(f"1.{'0' * zeros}", places) == held(number(10**places, places))


@pytest.mark.parametrize("raw", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_finite_number_is_no_number(raw: float) -> None:
    assert content_of_excel(raw, 1) is ValueProblem.NOT_A_NUMBER


@given(scaled, decimals, st.integers(0, 4))
def test_trailing_zeros_are_no_decimals(value: int, places: int, zeros: int) -> None:
    text = format(number(value, places), "f")
    padded = text + ("." if places == 0 and zeros else "") + "0" * zeros
    assert content_of_json(padded, places) == held(number(value, places))


@pytest.mark.parametrize("read", [content_of_json, content_of_excel])
def test_missing_nil_and_not_collected_never_turn_into_each_other_or_into_zero(read: Read) -> None:
    assert [read(raw, 1) for raw in (None, "", "-", "...", "0")] == [
        MISSING,
        MISSING,
        NIL,
        NOT_COLLECTED,
        held(Decimal("0.0")),
    ]
    assert read("–", 1) == NIL, "word processors turn a hyphen into a dash"
    assert read("…", 1) == NOT_COLLECTED


def test_what_a_double_cannot_keep_is_asked_for_as_a_string() -> None:
    assert content_of_json(Decimal("123456789012345.67"), 2) is ValueProblem.IMPRECISE
    assert content_of_json("1234567890123456.7", 1) == held(Decimal("1234567890123456.7"))


def test_a_value_that_does_not_fit_64_bits_when_scaled_is_too_large() -> None:
    assert content_of_json("9" * 17, 2) is ValueProblem.TOO_LARGE
    assert content_of_excel(1e300, 0) is ValueProblem.TOO_LARGE


@pytest.mark.parametrize("raw", [True, False, object()])
def test_truth_values_and_dates_are_no_figures(raw: object) -> None:
    assert content_of_excel(raw, 0) is ValueProblem.NOT_A_NUMBER
