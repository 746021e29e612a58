"""What June 2024 asks of the province: counted from the files, compared with what the sample promises."""

from collections import Counter
from datetime import date
from decimal import Decimal

import pytest

from tests.examples.sample import HISTORY, JUNE, cells_of, frequency_of, obligations, packages, reports, rows


def test_june_2024_has_105_deliveries_of_44_units_on_49_forms() -> None:
    june = reports(JUNE)
    outward = {row["code"] for row in rows("forms.csv") if row["direction"] == "outward"}
    assert len(june) == 105
    assert len({report.unit for report in june}) == 44
    assert len({report.form for report in june}) == 49
    assert Counter(report.form in outward for report in june) == {False: 102, True: 3}
    assert Counter(frequency_of(report.period) for report in june) == {"M": 50, "Q": 26, "S": 29}


def test_june_2024_reports_are_exactly_what_the_obligations_ask_for() -> None:
    codes = {"M": "2024-06", "Q": "2024-Q2", "S": "2024-S1"}
    owed = [(one.unit, one.form, codes[one.frequency], one.status) for one in obligations() if one.frequency in codes]
    assert sorted(owed) == sorted((one.unit, one.form, one.period, one.status) for one in reports(JUNE))


def test_june_2024_is_sent_as_85_packages_one_for_a_unit_form_status_and_due_date() -> None:
    due = {
        (row["unit_code"], row["form_code"], row["period"], row["status"]): row["due_on"]
        for row in rows("expected-deadlines.csv")
    }
    june = reports(JUNE)
    assert len(packages(june)) == 85
    assert (
        len({(one.unit, one.form, one.status, due[one.unit, one.form, one.period, one.status]) for one in june}) == 85
    )
    for together in packages(june).values():
        assert len({one.status for one in together}) == 1
        assert len({due[one.unit, one.form, one.period, one.status] for one in together}) == 1


def test_june_2024_has_at_least_3000_observations_and_at_most_4500() -> None:
    assert 3000 <= sum(len(report.values) for report in reports(JUNE)) <= 4500


@pytest.mark.parametrize("name", [*HISTORY, JUNE])
def test_every_report_fills_exactly_the_cells_that_the_unit_owes_in_the_forms_order(name: str) -> None:
    for report in reports(name):
        owed = cells_of(report.unit, report.form, frequency_of(report.period), report.status)
        assert list(report.values) == list(owed), (report.unit, report.form, report.period)


@pytest.mark.parametrize("name", [*HISTORY, JUNE])
def test_every_value_is_a_number_of_its_lines_precision_or_a_mark(name: str) -> None:
    for report in reports(name):
        owed = cells_of(report.unit, report.form, frequency_of(report.period), report.status)
        for cell, value in report.values.items():
            line = owed[cell]
            if value == "...":
                assert not line.required, (report.form, cell)
            elif value != "-":
                assert Decimal(value), "a true zero is written as `-`"
                assert -Decimal(value).as_tuple().exponent == line.decimals, (report.form, cell, value)  # type: ignore[operator]


def test_true_zeros_and_figures_not_collected_both_occur_in_june() -> None:
    marks = Counter(value for report in reports(JUNE) for value in report.values.values() if value in ("-", "..."))
    assert marks["-"] > 100
    assert marks["..."] >= 3


def test_expected_deadlines_name_the_same_105_deliveries_from_12_june_to_18_july() -> None:
    expected = rows("expected-deadlines.csv")
    keys = [(row["unit_code"], row["form_code"], row["period"], row["status"]) for row in expected]
    assert sorted(keys) == sorted((one.unit, one.form, one.period, one.status) for one in reports(JUNE))
    days = [date.fromisoformat(row["due_on"]) for row in expected]
    assert (min(days), max(days)) == (date(2024, 6, 12), date(2024, 7, 18))
    assert all(day.weekday() < 5 for day in days)


def test_only_saturday_6_july_is_shifted_to_monday_8_july() -> None:
    shifted = [row for row in rows("expected-deadlines.csv") if row["shifted_from"]]
    assert {(row["shifted_from"], row["due_on"], row["unit_code"]) for row in shifted} == {
        ("2024-07-06", "2024-07-08", "CTK")
    }
    assert len(shifted) == 3


def test_history_holds_at_most_170_packages_of_statuses_that_somebody_owes() -> None:
    found = [report for name in HISTORY for report in reports(name)]
    assert sum(len(packages(reports(name))) for name in HISTORY) <= 170
    owed = {(one.unit, one.form, one.frequency, one.status) for one in obligations()}
    assert {(one.unit, one.form, frequency_of(one.period), one.status) for one in found} <= owed
    assert max(one.period for one in found if frequency_of(one.period) == "M") < "2024-06"


def test_document_numbers_are_unique_within_a_unit() -> None:
    documents = [key for name in (*HISTORY, JUNE) for key in packages(reports(name))]
    assert len({(unit, document) for unit, _, document in documents}) == len(documents)


def test_a_preliminary_or_final_figure_differs_a_little_from_the_estimate_of_the_same_period() -> None:
    june = reports(JUNE)
    estimates = {(one.unit, one.form, one.period): one for one in june if one.status == "estimate"}
    firmer = [one for one in june if one.status != "estimate" and (one.unit, one.form, one.period) in estimates]
    assert len(firmer) == 20
    for report in firmer:
        assert report.values != estimates[report.unit, report.form, report.period].values, report.form
