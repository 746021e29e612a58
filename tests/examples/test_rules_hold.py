"""The sample against its own rules, by the oracle: everything passes, and each kind of planted fault is found."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import pytest

from tests.examples.oracle import CHECKS, Figures, accept, check
from tests.examples.sample import HISTORY, JUNE, Cell, Report, frequency_of, listed, reports, rows


def _accepted(*files: str) -> Figures:
    accepted: Figures = {}
    for name in files:
        for report in reports(name):
            accept(report, accepted)
    return accepted


def _june_report(unit: str, form: str, period: str, status: str = "estimate") -> tuple[Report, Figures]:
    """One report of June, and what was accepted before it: history and the reports that stand above it."""
    accepted = _accepted(*HISTORY)
    for report in reports(JUNE):
        if (report.unit, report.form, report.period, report.status) == (unit, form, period, status):
            return report, accepted
        accept(report, accepted)
    raise LookupError(f"{unit} owes no {form} for {period}")


def test_history_and_june_pass_every_rule_in_chronological_order_without_a_warning() -> None:
    accepted: Figures = {}
    for name in (*HISTORY, JUNE):
        for report in reports(name):
            failures, _ = check(report, accepted)
            assert not failures, (name, report.unit, report.period, failures[:3])
            accept(report, accepted)


def test_every_kind_of_rule_has_something_to_compare_in_june() -> None:
    accepted, applied = _accepted(*HISTORY), set[str]()
    for report in reports(JUNE):
        applied |= check(report, accepted)[1]
        accept(report, accepted)
    assert applied == set(CHECKS)


def test_every_half_year_of_a_form_with_quarters_is_checked_against_quarter_one_and_two() -> None:
    accepted, checked = _accepted(*HISTORY), set[str]()
    quarterly = {row["form_code"] for row in rows("obligations.csv") if row["frequency"] == "Q"}
    flows = {row["form_code"] for row in rows("rules.csv") if row["expression"].startswith("parts(")}
    for report in reports(JUNE):
        if report.period == "2024-S1" and "parts" in check(report, accepted)[1]:
            checked.add(report.form)
        accept(report, accepted)
    halves = {one.form for one in reports(JUNE) if one.period == "2024-S1"}
    assert checked == halves & quarterly & flows
    assert len(checked) >= 10


def _drop(report: Report, cell: Cell) -> None:
    del report.values[cell]


def _add(amount: int) -> Callable[[Report, Cell], None]:
    def change(report: Report, cell: Cell) -> None:
        report.values[cell] = str((report.number(cell) or Decimal(0)) + amount)

    return change


def _times(factor: int) -> Callable[[Report, Cell], None]:
    def change(report: Report, cell: Cell) -> None:
        report.values[cell] = str((report.number(cell) or Decimal(0)) * factor)

    return change


@dataclass(frozen=True)
class Fault:
    """A planted fault: where, what is done to which cell, and which kind of rule must find it."""

    where: tuple[str, str, str]
    cell: Cell
    change: Callable[[Report, Cell], None]
    kind: str
    severity: str = "error"


FAULTS = {
    "missing cell": Fault(
        ("SKHDT", "001.T/BCS-SKHDT", "2024-06"), ("KH0303", (), "value"), _drop, "required"
    ),
    "total that is not its sum": Fault(
        ("SKHDT", "001.T/BCS-SKHDT", "2024-06"), ("KH0301", (("GEO", "568"),), "value"), _add(10), "total"
    ),
    "cumulative that does not continue May": Fault(
        ("SDL", "001.T/BCS-SDL", "2024-06"), ("KH1704", (), "cumulative"), _add(100), "cumulative"
    ),
    "6 months that are not Q1 + Q2": Fault(
        ("STC", "002.H/BCS-STC", "2024-S1"), ("KH0601", (), "value"), _add(50), "parts"
    ),
    "x1000": Fault(("SDL", "001.T/BCS-SDL", "2024-06"), ("KH1704", (), "value"), _times(1000), "ratio"),
    "doubled price": Fault(
        ("STC", "001.T/BCS-STC", "2024-06"), ("KH1104", (("PRODUCT", "GAO"),), "value"), _times(2), "ratio", "warning"
    ),
    "part above its whole": Fault(
        ("STC", "002.H/BCS-STC", "2024-Q2"), ("KH0602", (), "value"), _times(2), "compare"
    ),
    "share above 100 %": Fault(
        ("SKHDT", "002.T/BCS-SKHDT", "2024-06"), ("KH0404", (), "value"), _add(80), "range"
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_planted_fault_is_found_by_the_rule_that_is_meant_for_it(fault: Fault) -> None:
    report, accepted = _june_report(*fault.where)
    assert not check(report, accepted)[0]
    fault.change(report, fault.cell)
    found = {(failure.rule.kind, failure.rule.severity) for failure in check(report, accepted)[0]}
    assert (fault.kind, fault.severity) in found


@pytest.mark.parametrize(
    ("unit", "form", "period", "indicator", "dimensions"),
    [
        ("STC", "001.T/BCS-STC", "2024-06", "KH1104", (("PRODUCT", "GAO"),)),
        ("STTTT", "001.Q/BCS-STTTT", "2024-Q2", "KH1301", ()),
        ("SNN", "001.T/BCS-SNN", "2024-06", "KH0806", (("LIVESTOCK", "LON"),)),
        ("H572", "001.T/BCH", "2024-06", "KH0806", (("LIVESTOCK", "BO"),)),
        ("CTHADS", "001.H/BCN-CTHADS", "2024-S1", "KH1910", ()),
    ],
)
def test_a_doubled_or_trebled_lone_cell_is_only_a_warning(
    unit: str, form: str, period: str, indicator: str, dimensions: tuple[tuple[str, str], ...]
) -> None:
    report, accepted = _june_report(unit, form, period)
    _times(3)(report, (indicator, dimensions, "value"))
    assert {failure.rule.severity for failure in check(report, accepted)[0]} == {"warning"}


def test_a_report_with_every_figure_times_1000_is_returned_on_every_form_that_has_counts_or_amounts() -> None:
    accepted, missed = _accepted(*HISTORY), set[str]()
    for report in reports(JUNE):
        wrong = Report(report.unit, report.form, report.period, report.status, report.document, dict(report.values))
        for cell in wrong.values:
            if wrong.number(cell):
                _times(1000)(wrong, cell)
        kinds = {one.rule.kind for one in check(wrong, accepted)[0] if one.rule.severity == "error"}
        if not kinds & {"ratio", "range"}:
            missed.add(report.form)
        accept(report, accepted)
    assert not missed


def test_every_form_of_june_has_required_and_total_or_reference_rules() -> None:
    kinds: dict[str, set[str]] = {}
    for row in rows("rules.csv"):
        kinds.setdefault(row["form_code"], set()).add(row["expression"].partition("(")[0])
    for row in rows("forms.csv"):
        assert "required" in kinds[row["code"]]
    for report in reports(JUNE):
        assert len(kinds[report.form]) >= 2, report.form


def test_rules_are_well_formed() -> None:
    codes = [row["code"] for row in rows("rules.csv")]
    assert len(codes) == len(set(codes))
    on_form: dict[str, set[str]] = {}
    for row in rows("form_lines.csv"):
        on_form.setdefault(row["form_code"], set()).add(row["indicator_code"])
    for row in rows("rules.csv"):
        kind, _, rest = row["expression"].partition("(")
        named = {word.strip(" )") for part in rest.split(",")[:1] for word in part.replace(";", " ").split()}
        indicators = {word for word in named if word.startswith("KH")}
        assert kind in CHECKS
        assert row["severity"] in ("error", "warning")
        assert indicators <= on_form[row["form_code"]], row["code"]
        assert Decimal(row["tolerance"]) >= 0
        assert set(listed(row["frequencies"])) <= {"M", "Q", "S", "9M", "A"}
        assert all(row[name] for name in ("name_vi", "name_en", "mend_vi", "mend_en"))


def test_cumulative_rules_are_monthly_and_part_rules_are_not() -> None:
    for row in rows("rules.csv"):
        if row["expression"].startswith("cumulative("):
            assert row["frequencies"] == "M"
        if row["expression"].startswith("parts("):
            assert row["frequencies"] == "S;9M;A"


def test_a_frequency_is_read_from_the_period() -> None:
    expected = {"2024-06": "M", "2024-Q2": "Q", "2024-S1": "S", "2024-9M": "9M", "2024": "A"}
    assert {code: frequency_of(code) for code in expected} == expected
