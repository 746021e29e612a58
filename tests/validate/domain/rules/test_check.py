"""Every operator on a small form: right, wrong, on the tolerance, and where it does not apply and why."""

from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.validate.domain.judge import Assessment
from shared.events.catalogue import Line, NotApplicable
from shared.events.cells import CellValue
from shared.events.findings import Verdict
from tests.builders.rule_forms import a_cell, a_key, a_line, a_rule, a_snapshot, accepted, judged

TWO_WAYS = (a_line("I1"), a_line("I1@GEO"), a_line("I1@SEX"), a_line("I1@GEO,SEX"))
MONTHLY = (a_line("I1", columns=("value", "cumulative")),)
PAIR = (a_line("I1"), a_line("I1@GEO"), a_line("I2"), a_line("I2@GEO"))


def outcome(
    expression: str,
    cells: Mapping[str, str | int],
    *figures: tuple[str, Mapping[str, str | int]],
    lines: tuple[Line, ...] = (a_line("I1"),),
    period: str = "2024-06",
    tolerance: str = "0",
    exempt: tuple[NotApplicable, ...] = (),
    stocks: frozenset[str] = frozenset(),
) -> Assessment:
    snapshot = a_snapshot({"R": a_rule(expression, tolerance=tolerance)}, lines=lines, exempt=exempt, stocks=stocks)
    reported = [a_cell(name, value) for name, value in cells.items()]
    return judged(snapshot, reported, period=period, known=accepted(*figures))


def found(assessment: Assessment) -> list[tuple[str, str | None, str | None]]:
    return [(str(each.cell), each.observed, each.expected) for each in assessment.findings]


def why_not(assessment: Assessment) -> list[str]:
    assert assessment.verdict is Verdict.ACCEPTED
    return [each.removeprefix("R: ") for each in assessment.not_applicable]


class TestRequired:
    LINES = (a_line("I1"), a_line("I1@GEO"), a_line("I2", required=False))

    def test_each_empty_required_cell_is_found_also_one_that_the_report_does_not_list(self) -> None:
        result = outcome("required(*)", {"I1": "", "I1@GEO=N": 5}, lines=self.LINES)
        assert found(result) == [("I1.value", None, None), ("I1[GEO=S].value", None, None)]
        assert result.error_count == 2

    def test_an_empty_report_is_checked_too(self) -> None:
        assert outcome("required(*)", {}, lines=self.LINES).error_count == 3

    def test_a_value_without_a_number_is_missing(self) -> None:
        nothing = CellValue(key=a_key("I1"))
        assert judged(a_snapshot({"R": a_rule("required(*)")}), [nothing]).error_count == 1

    def test_a_true_zero_and_a_figure_not_collected_are_answers(self) -> None:
        result = outcome("required(*)", {"I1": "-", "I1@GEO=N": "...", "I1@GEO=S": 0}, lines=self.LINES)
        assert result.verdict is Verdict.ACCEPTED

    def test_cells_that_do_not_apply_to_the_unit_may_be_empty(self) -> None:
        exempt = (NotApplicable(indicator="I1", dimension="GEO", codes=("S",)),)
        result = outcome("required(*)", {"I1": 5, "I1@GEO=N": 5}, lines=self.LINES, exempt=exempt)
        assert result.verdict is Verdict.ACCEPTED

    def test_only_the_indicators_that_are_named(self) -> None:
        lines = (a_line("I1"), a_line("I2"), a_line("I3"))
        assert found(outcome("required(I1;I3)", {}, lines=lines)) == [
            ("I1.value", None, None),
            ("I3.value", None, None),
        ]

    def test_an_indicator_of_others_or_without_required_cells_does_not_apply(self) -> None:
        assert why_not(outcome("required(I9)", {})) == ["no_such_cell (1 of 1)"]
        assert why_not(outcome("required(I2)", {}, lines=self.LINES)) == ["no_such_cell (1 of 1)"]


class TestTotal:
    LINES = (a_line("I1"), a_line("I1@GEO"))

    def test_the_sum_over_the_codes_is_the_total(self) -> None:
        assert outcome("total(I1, GEO)", {"I1": 7, "I1@GEO=N": 3, "I1@GEO=S": 4}, lines=self.LINES).findings == ()
        wrong = outcome("total(I1, GEO)", {"I1": 8, "I1@GEO=N": 3, "I1@GEO=S": 4}, lines=self.LINES)
        assert found(wrong) == [("I1.value", "8", "7")]

    @pytest.mark.parametrize(("total", "errors"), [("7.5", 0), ("6.5", 0), ("7.501", 1), ("6.499", 1)])
    def test_the_tolerance_is_inclusive(self, total: str, errors: int) -> None:
        cells: dict[str, str | int] = {"I1": total, "I1@GEO=N": 3, "I1@GEO=S": 4}
        assert outcome("total(I1, GEO)", cells, lines=self.LINES, tolerance="0.5").error_count == errors

    def test_decimals_are_exact_where_floats_are_not(self) -> None:
        cells = {"I1": "0.3", "I1@GEO=N": "0.1", "I1@GEO=S": "0.2"}
        assert outcome("total(I1, GEO)", cells, lines=self.LINES).error_count == 0
        cells["I1"] = "0.30000000000000000000000000000000000000001"
        assert outcome("total(I1, GEO)", cells, lines=self.LINES).error_count == 1

    def test_a_true_zero_counts_as_zero(self) -> None:
        assert outcome("total(I1, GEO)", {"I1": 3, "I1@GEO=N": 3, "I1@GEO=S": "-"}, lines=self.LINES).findings == ()

    @pytest.mark.parametrize("missing", ["I1", "I1@GEO=N", "I1@GEO=S"])
    @pytest.mark.parametrize("mark", ["", "..."])
    def test_without_one_of_its_cells_it_does_not_apply(self, missing: str, mark: str) -> None:
        cells: dict[str, str | int] = {"I1": 9, "I1@GEO=N": 3, "I1@GEO=S": 4}
        cells[missing] = mark
        assert why_not(outcome("total(I1, GEO)", cells, lines=self.LINES)) == ["missing_operand (1 of 1)"]

    def test_codes_that_do_not_apply_to_the_unit_are_left_out(self) -> None:
        exempt = (NotApplicable(indicator="I1", dimension="GEO", codes=("S",)),)
        cells = {"I1": 3, "I1@GEO=N": 3, "I1@GEO=S": 100}
        assert outcome("total(I1, GEO)", cells, lines=self.LINES, exempt=exempt).findings == ()

    def test_each_column_and_each_combination_of_the_other_dimensions_has_its_own_sum(self) -> None:
        cells: dict[str, str | int] = {"I1": 10, "I1@GEO=N": 4, "I1@GEO=S": 6, "I1@SEX=F": 3, "I1@SEX=M": 7}
        cells |= {"I1@GEO=N,SEX=F": 1, "I1@GEO=S,SEX=F": 2, "I1@GEO=N,SEX=M": 3, "I1@GEO=S,SEX=M": 5}
        result = outcome("total(I1, GEO)", cells, lines=TWO_WAYS)
        assert found(result) == [("I1[SEX=M].value", "7", "8")]
        columns = (a_line("I1", columns=("value", "plan")), a_line("I1@GEO", columns=("value", "plan")))
        planned: dict[str, str | int] = {"I1": 2, "I1@GEO=N": 1, "I1@GEO=S": 1}
        planned |= {"I1.plan": 5, "I1@GEO=N.plan": 2, "I1@GEO=S.plan": 2}
        assert found(outcome("total(I1, GEO)", planned, lines=columns)) == [("I1.plan", "5", "4")]

    def test_a_code_below_another_one_is_not_added_twice(self) -> None:
        lines = (a_line("I1"), a_line("I1@TREE"))
        cells = {"I1": 10, "I1@TREE=A": 6, "I1@TREE=A1": 2, "I1@TREE=A2": 4, "I1@TREE=B": 4}
        assert outcome("total(I1, TREE)", cells, lines=lines).findings == ()

    def test_without_a_total_or_a_breakdown_on_the_form_it_does_not_apply(self) -> None:
        assert why_not(outcome("total(I1, GEO)", {"I1": 1})) == ["no_such_cell (1 of 1)"]
        assert why_not(outcome("total(I1, GEO)", {}, lines=(a_line("I1@GEO"),))) == ["no_such_cell (1 of 1)"]

    @given(st.lists(st.decimals(-(10**12), 10**12, places=6), min_size=2, max_size=2), st.decimals(0, 10, places=6))
    def test_whatever_the_parts_their_exact_sum_passes_and_more_than_the_tolerance_off_fails(
        self, parts: list[Decimal], tolerance: Decimal
    ) -> None:
        def errors(total: Decimal) -> int:
            cells = {"I1": str(total), "I1@GEO=N": str(parts[0]), "I1@GEO=S": str(parts[1])}
            return outcome("total(I1, GEO)", cells, lines=self.LINES, tolerance=f"{tolerance:f}").error_count

        total = sum(parts, Decimal(0))
        assert errors(total) == errors(total + tolerance) == errors(total - tolerance) == 0
        assert errors(total + tolerance + Decimal("0.000001")) == 1


class TestCumulative:
    def test_it_is_last_months_plus_this_month(self) -> None:
        before = ("2024-05", {"I1.cumulative": 100})
        assert outcome("cumulative(I1)", {"I1": 7, "I1.cumulative": 107}, before, lines=MONTHLY).findings == ()
        wrong = outcome("cumulative(I1)", {"I1": 7, "I1.cumulative": 108}, before, lines=MONTHLY)
        assert found(wrong) == [("I1.cumulative", "108", "107")]
        assert (
            outcome("cumulative(I1)", {"I1": 7, "I1.cumulative": 108}, before, lines=MONTHLY, tolerance="1").findings
            == ()
        )

    def test_january_starts_anew(self) -> None:
        december = ("2023-12", {"I1.cumulative": 900})
        cells = {"I1": 7, "I1.cumulative": 7}
        assert outcome("cumulative(I1)", cells, december, lines=MONTHLY, period="2024-01").findings == ()
        wrong = outcome("cumulative(I1)", {"I1": 7, "I1.cumulative": 907}, lines=MONTHLY, period="2024-01")
        assert found(wrong) == [("I1.cumulative", "907", "7")]

    def test_without_last_month_it_does_not_apply(self) -> None:
        cells = {"I1": 7, "I1.cumulative": 107}
        april = ("2024-04", {"I1.cumulative": 50})
        assert why_not(outcome("cumulative(I1)", cells, april, lines=MONTHLY)) == ["missing_reference 2024-05 (1 of 1)"]

    def test_without_one_of_its_own_cells_it_does_not_apply(self) -> None:
        before = ("2024-05", {"I1.cumulative": 100})
        assert why_not(outcome("cumulative(I1)", {"I1": 7}, before, lines=MONTHLY)) == ["missing_operand (1 of 1)"]

    def test_it_speaks_of_months_alone(self) -> None:
        result = outcome("cumulative(I1)", {"I1": 7}, lines=MONTHLY, period="2024-Q2")
        assert why_not(result) == ["other_frequency (1 of 1)"]

    def test_all_stands_for_flows_alone_but_a_named_indicator_is_taken_at_its_word(self) -> None:
        before, cells = ("2024-05", {"I1.cumulative": 100}), {"I1": 7, "I1.cumulative": 1}
        stocks = frozenset({"I1"})
        result = outcome("cumulative(*)", cells, before, lines=MONTHLY, stocks=stocks)
        assert why_not(result) == ["no_such_cell (1 of 1)"]
        assert outcome("cumulative(I1)", cells, before, lines=MONTHLY, stocks=stocks).error_count == 1


class TestParts:
    @pytest.mark.parametrize(
        ("period", "first", "second"),
        [
            ("2024-S1", "2024-Q1", "2024-Q2"),
            ("2024-9M", "2024-S1", "2024-Q3"),
            ("2024", "2024-9M", "2024-Q4"),
        ],
    )
    def test_a_longer_period_is_its_two_parts(self, period: str, first: str, second: str) -> None:
        parts: tuple[tuple[str, Mapping[str, str | int]], ...] = ((first, {"I1": 10}), (second, {"I1": "2.5"}))
        assert outcome("parts(I1)", {"I1": "12.5"}, *parts, period=period).findings == ()
        wrong = outcome("parts(I1)", {"I1": "13"}, *parts, period=period)
        assert found(wrong) == [("I1.value", "13", "12.5")]
        assert first in wrong.findings[0].message.en
        assert second in wrong.findings[0].message.en
        assert outcome("parts(I1)", {"I1": "13"}, *parts, period=period, tolerance="0.5").findings == ()
        for missing in (0, 1):
            result = outcome("parts(I1)", {"I1": 13}, parts[1 - missing], period=period)
            assert why_not(result) == [f"missing_reference {(first, second)[missing]} (1 of 1)"]

    @pytest.mark.parametrize("period", ["2024-06", "2024-Q2"])
    def test_months_and_quarters_have_no_parts(self, period: str) -> None:
        assert why_not(outcome("parts(I1)", {"I1": 1}, period=period)) == ["other_frequency (1 of 1)"]

    def test_what_could_not_be_compared_is_told_beside_what_could(self) -> None:
        lines = (a_line("I1"), a_line("I2"))
        result = outcome(
            "parts(*)", {"I1": 3, "I2": 3}, ("2024-Q1", {"I1": 1, "I2": 1}), ("2024-Q2", {"I1": 2}),
            lines=lines, period="2024-S1",
        )  # fmt: skip
        assert why_not(result) == ["missing_reference 2024-Q2 (1 of 2)"]


class TestRatio:
    @pytest.mark.parametrize(
        ("value", "errors"), [("20", 0), ("19.99", 1), ("500", 0), ("500.01", 1), ("100", 0), ("0", 1), ("-20", 1)]
    )
    def test_the_bounds_are_inclusive(self, value: str, errors: int) -> None:
        result = outcome("ratio(I1, previous, 0.2, 5)", {"I1": value}, ("2024-05", {"I1": 100}))
        assert result.error_count == errors

    @pytest.mark.parametrize(("value", "errors"), [("-20", 0), ("-500", 0), ("-501", 1), ("-19", 1), ("20", 1)])
    def test_below_zero_the_ratio_counts_too(self, value: str, errors: int) -> None:
        result = outcome("ratio(I1, previous, 0.2, 5)", {"I1": value}, ("2024-05", {"I1": -100}))
        assert result.error_count == errors

    def test_a_ratio_without_a_finite_expansion_is_exact(self) -> None:
        """1/3 as a quotient would be rounded; 1 is a third of 3 only as a product."""
        result = outcome("ratio(I1, previous, 0.3333333333333333333333333333, 1)", {"I1": 1}, ("2024-05", {"I1": 3}))
        assert result.error_count == 0
        result = outcome("ratio(I1, previous, 0.3333333333333333333333333334, 1)", {"I1": 1}, ("2024-05", {"I1": 3}))
        assert result.error_count == 1

    def test_the_tolerance_widens_both_bounds(self) -> None:
        for value in ("19", "501"):
            result = outcome("ratio(I1, previous, 0.2, 5)", {"I1": value}, ("2024-05", {"I1": 100}), tolerance="1")
            assert result.error_count == 0

    @pytest.mark.parametrize(
        ("reference", "period", "looks_at"),
        [
            ("previous", "2024-06", "2024-05"),
            ("previous", "2024-Q2", "2024-Q1"),
            ("previous", "2024-S1", "2023-S1"),
            ("year_before", "2024-06", "2023-06"),
            ("year_before", "2024", "2023"),
        ],
    )
    def test_it_looks_at_one_earlier_period(self, reference: str, period: str, looks_at: str) -> None:
        rule = f"ratio(I1, {reference}, 0.5, 2)"
        assert outcome(rule, {"I1": 9}, (looks_at, {"I1": 1}), period=period).error_count == 1
        result = outcome(rule, {"I1": 9}, ("2022", {"I1": 1}), period=period)
        assert why_not(result) == [f"missing_reference {looks_at} (1 of 1)"]

    @pytest.mark.parametrize("zero", ["0", "0.00"])
    def test_a_reference_of_zero_does_not_apply(self, zero: str) -> None:
        result = outcome("ratio(I1, previous, 0.2, 5)", {"I1": 1}, ("2024-05", {"I1": zero}))
        assert why_not(result) == ["zero_reference 2024-05 (1 of 1)"]

    def test_a_missing_value_does_not_apply(self) -> None:
        result = outcome("ratio(I1, previous, 0.2, 5)", {"I1": "..."}, ("2024-05", {"I1": 5}))
        assert why_not(result) == ["missing_operand (1 of 1)"]

    def test_only_the_value_is_compared(self) -> None:
        before = ("2024-05", {"I1": 5, "I1.cumulative": 1})
        cells = {"I1": 5, "I1.cumulative": 1000}
        assert outcome("ratio(I1, previous, 0.2, 5)", cells, before, lines=MONTHLY).findings == ()


class TestReferences:
    RULE = "ratio(I1, previous, 1, 1)"

    def test_the_firmest_status_is_looked_at(self) -> None:
        figures = (("2024-05 preliminary", {"I1": 2}), ("2024-05 final", {"I1": 3}), ("2024-05 estimate", {"I1": 1}))
        assert outcome(self.RULE, {"I1": 3}, *figures).findings == ()
        assert outcome(self.RULE, {"I1": 1}, *figures).error_count == 1

    def test_a_cell_that_the_firmest_lacks_comes_from_the_next(self) -> None:
        figures: tuple[tuple[str, Mapping[str, str | int]], ...] = (
            ("2024-05 final", {"I9": 3}),
            ("2024-05 estimate", {"I1": 1}),
        )
        assert outcome(self.RULE, {"I1": 1}, *figures).findings == ()


class TestCompare:
    @pytest.mark.parametrize(
        ("comparison", "holds"),
        [
            ("<=", (True, True, False)),
            ("<", (True, False, False)),
            (">=", (False, True, True)),
            (">", (False, False, True)),
            ("==", (False, True, False)),
        ],
    )
    def test_each_comparison(self, comparison: str, holds: tuple[bool, ...]) -> None:
        lines = (a_line("I1"), a_line("I2"))
        for left, good in zip((1, 2, 3), holds, strict=True):
            result = outcome(f"compare(I1 {comparison} I2)", {"I1": left, "I2": 2}, lines=lines)
            assert (result.error_count == 0) is good
            if not good:
                assert found(result) == [("I1.value", str(left), f"{comparison} 2")]

    @pytest.mark.parametrize(("comparison", "left"), [("<=", 3), (">=", 1), ("==", 3), ("==", 1)])
    def test_the_tolerance_is_inclusive(self, comparison: str, left: int) -> None:
        lines = (a_line("I1"), a_line("I2"))
        rule = f"compare(I1 {comparison} I2)"
        assert outcome(rule, {"I1": left, "I2": 2}, lines=lines, tolerance="1").error_count == 0
        assert outcome(rule, {"I1": left, "I2": 2}, lines=lines, tolerance="0.99").error_count == 1

    def test_cell_by_cell_on_the_dimensions_both_have(self) -> None:
        lines = (*PAIR, a_line("I1@SEX"))
        cells: dict[str, str | int] = {"I1": 5, "I2": 6, "I1@GEO=N": 4, "I2@GEO=N": 3, "I1@GEO=S": 1, "I2@GEO=S": 3}
        result = outcome("compare(I1 <= I2)", cells | {"I1@SEX=F": 99}, lines=lines)
        assert found(result) == [("I1[GEO=N].value", "4", "<= 3")]

    def test_a_missing_side_does_not_apply_and_the_other_cells_do(self) -> None:
        cells: dict[str, str | int] = {"I1": 5, "I2": 6, "I1@GEO=N": 4, "I1@GEO=S": "...", "I2@GEO=S": 3}
        assert why_not(outcome("compare(I1 <= I2)", cells, lines=PAIR)) == ["missing_operand (2 of 3)"]
        assert why_not(outcome("compare(I1 <= I9)", cells, lines=PAIR)) == ["no_such_cell (1 of 1)"]


class TestRange:
    @pytest.mark.parametrize(("value", "errors"), [("0", 0), ("-", 0), ("100", 0), ("100.1", 1), ("-0.1", 1)])
    def test_the_bounds_are_inclusive(self, value: str, errors: int) -> None:
        assert outcome("range(I1, 0, 100)", {"I1": value}).error_count == errors

    def test_the_tolerance_widens_both_bounds(self) -> None:
        for value in ("-0.1", "100.1"):
            assert outcome("range(I1, 0, 100)", {"I1": value}, tolerance="0.1").error_count == 0

    def test_a_missing_value_does_not_apply(self) -> None:
        assert why_not(outcome("range(I1, 0, 100)", {"I1": ""})) == ["missing_operand (1 of 1)"]


def test_numbers_too_long_to_reckon_exactly_make_a_rule_not_applicable_and_are_never_rounded() -> None:
    lines = (a_line("I1"), a_line("I1@GEO"))
    cells: dict[str, str | int] = {"I1": 1, "I1@GEO=N": "1" + "0" * 300, "I1@GEO=S": "0.1"}
    assert why_not(outcome("total(I1, GEO)", cells, lines=lines)) == ["too_large (1 of 1)"]
