from decimal import Decimal

import pytest

from services.validate.domain.localise import number_text
from shared.events.findings import Finding
from shared.text import Text
from tests.builders.rule_forms import a_cell, a_line, a_rule, a_snapshot, accepted, judged


@pytest.mark.parametrize(
    ("number", "vi", "en"),
    [
        ("62585.4", "62.585,4", "62,585.4"),
        ("-1234567", "-1.234.567", "-1,234,567"),
        ("0.05", "0,05", "0.05"),
        ("1E+3", "1.000", "1,000"),
        ("0E-3", "0,000", "0.000"),
        ("7", "7", "7"),
    ],
)
def test_numbers_are_written_as_people_of_each_language_write_them(number: str, vi: str, en: str) -> None:
    assert number_text(Decimal(number)) == Text(vi=vi, en=en)


def only(expression: str, *cells: str, mend: Text | None = None, period: str = "2024-06") -> Finding:
    """Return the one finding; cells are `name=value` or `name=value@address`."""
    lines = (a_line("I1", columns=("value", "cumulative")), a_line("I1@GEO"), a_line("I2"))
    reported = []
    for each in cells:
        name, _, value = each.rpartition("=")
        value, _, place = value.partition("!")
        reported.append(a_cell(name, value, place or None))
    known = accepted(
        ("2024-05", {"I1": "12.5", "I1.cumulative": 100}), ("2024-Q1", {"I1": 1000}), ("2024-Q2", {"I1": 2000})
    )
    snapshot = a_snapshot({"R": a_rule(expression, mend=mend)}, lines=lines)
    (finding,) = judged(snapshot, reported, known=known, period=period).findings
    return finding


def test_a_finding_names_the_place_the_indicator_its_codes_and_its_column() -> None:
    finding = only("range(I1, 0, 1)", "I1@GEO=N=1234.5!D8")
    assert finding.message.vi == "Biểu!D8 – Chỉ tiêu I1, Mã N: ghi 1.234,5, ngoài khoảng từ 0 đến 1."
    assert finding.message.en == "Biểu!D8 – Indicator I1, Code N: 1,234.5 lies outside of 0 to 1."
    assert finding.place is not None
    assert (finding.place.address, str(finding.cell)) == ("D8", "I1[GEO=N].value")
    assert (finding.expected, finding.observed) == ("0..1", "1234.5")


def test_a_cell_without_a_place_is_named_alone() -> None:
    finding = only("range(I1, 0, 1)", "I1.cumulative=5")
    assert finding.message.en == "Indicator I1, column “Column cumulative”: 5 lies outside of 0 to 1."
    assert finding.message.vi.startswith("Chỉ tiêu I1, cột «Cột cumulative»: ")
    assert finding.place is None


@pytest.mark.parametrize(
    ("expression", "cells", "period", "vi", "en"),
    [
        (
            "total(I1, GEO)",
            ("I1=2000", "I1@GEO=N=700", "I1@GEO=S=800"),
            "2024-06",
            "Chỉ tiêu I1: ghi 2.000, nhưng tổng theo phân tổ GEO là 1.500 (chênh 500).",
            "Indicator I1: 2,000, but the sum by dimension GEO is 1,500 (difference 500).",
        ),
        (
            "cumulative(I1)",
            ("I1=7", "I1.cumulative=1100"),
            "2024-06",
            "cột «Cột cumulative»: ghi 1.100, nhưng cộng dồn đã chấp nhận của kỳ 2024-05 cộng số kỳ này là 107",
            "column “Column cumulative”: 1,100, but the accepted cumulative of 2024-05 plus this month is 107",
        ),
        (
            "parts(I1)",
            ("I1=3500",),
            "2024-S1",
            "ghi 3.500, nhưng số đã chấp nhận của kỳ 2024-Q1 cộng kỳ 2024-Q2 là 3.000 (chênh 500).",
            "3,500, but the accepted figures of 2024-Q1 + 2024-Q2 is 3,000 (difference 500).",
        ),
        (
            "ratio(I1, previous, 0.5, 2)",
            ("I1=40",),
            "2024-06",
            "ghi 40, bằng 3,2 lần kỳ 2024-05 (12,5); thường từ 0,5 đến 2 lần.",
            "40 is 3.2 times that of 2024-05 (12.5); usually 0.5 to 2 times.",
        ),
        (
            "compare(I1 <= I2)",
            ("I1=1500", "I2=1000"),
            "2024-06",
            "Chỉ tiêu I1: ghi 1.500, phải <= 1.000 (Chỉ tiêu I2).",
            "Indicator I1: 1,500, should be <= 1,000 (Indicator I2).",
        ),
        (
            "required(I2)",
            (),
            "2024-06",
            "Chỉ tiêu I2: ô bắt buộc còn trống.",
            "Indicator I2: this required cell is empty.",
        ),
    ],
)
def test_each_rule_says_what_stands_there_and_what_was_expected(
    expression: str, cells: tuple[str, ...], period: str, vi: str, en: str
) -> None:
    finding = only(expression, *cells, period=period)
    assert vi in finding.message.vi
    assert en in finding.message.en
    assert finding.mend is not None
    assert finding.mend.vi != finding.mend.en


def test_the_rules_own_advice_goes_before_the_general_one() -> None:
    own = Text(vi="Hỏi phòng Kế hoạch.", en="Ask the planning division.")
    assert only("required(I2)", mend=own).mend == own


@pytest.mark.parametrize(
    ("value", "english"),
    [
        ("12500", "1,000 times too large"),
        ("-12500", "1,000 times too large"),
        ("0.0125", "1,000 times too small"),
        ("125", None),
        ("125000", None),
        ("0.000125", None),
        ("0", None),
    ],
)
def test_a_thousandfold_change_suggests_the_wrong_unit_of_measure(value: str, english: str | None) -> None:
    message = only("ratio(I1, previous, 0.5, 2)", f"I1={value}").message
    assert (english is not None) == ("unit of measure" in message.en) == ("đơn vị tính" in message.vi)
    assert english is None or english in message.en
