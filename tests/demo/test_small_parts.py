"""The ledger, the stands, the people who are told, the figures of the summary."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.delivery import Delivery
from demo.faults import add_everywhere, add_to_total, empty, multiply, times_thousand
from demo.ledger import AnyEntry, ClockMoved, LedgerFile, Started, read_ledger
from demo.mailbox import mail_of
from demo.oracle import period_before, year_before
from demo.outcome import outcomes, percentile
from demo.sample import Cell, Figures
from demo.stands import chances, stands
from demo.timetable import Contact, Due
from tests.demo import world as w

FIGURES: Figures = {
    Cell("K", (), "value"): "12",
    Cell("K", (("GEO", "1"),), "value"): "7",
    Cell("K", (("GEO", "2"),), "value"): "5",
    Cell("K", (), "cumulative"): "40",
    Cell("K", (("GEO", "1"),), "cumulative"): "22",
    Cell("K", (("GEO", "2"),), "cumulative"): "18",
    Cell("L", (), "value"): "3.5",
    Cell("L", (("SEX", "F"),), "value"): "-",
}


def test_a_ledger_is_read_as_it_was_written_and_a_torn_line_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    entries: list[AnyEntry] = [
        Started(machine_at=w.MACHINE, business_at=w.START, seed=3),
        ClockMoved(machine_at=w.MACHINE, business_at=w.LATE),
    ]
    with LedgerFile(path) as ledger:
        ledger.write(*entries)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])
    assert list(read_ledger(path)) == entries


def test_a_delivery_is_written_and_read() -> None:
    name = "SKHDT/001.T%2FBCS-SKHDT/2024-06/estimate"
    assert str(Delivery.parse(name)) == name
    assert Delivery.parse(name).form == "001.T/BCS-SKHDT"
    lengths = {period: Delivery("A", "F", period, "final").month_count for period in ("2024-06", "2024-Q2", "2024-S1")}
    assert lengths == {"2024-06": 1, "2024-Q2": 3, "2024-S1": 6}
    assert Delivery("A", "F", "2024", "final").month_count == 12
    assert Delivery("A", "F", "2024-9M", "final").month_count == 9


@pytest.mark.parametrize(
    ("period", "previous", "last_year"),
    [
        ("2024-06", "2024-05", "2023-06"),
        ("2024-01", "2023-12", "2023-01"),
        ("2024-Q2", "2024-Q1", "2023-Q2"),
        ("2024-Q1", "2023-Q4", "2023-Q1"),
        ("2024-S1", "2023-S1", "2023-S1"),
        ("2024-9M", "2023-9M", "2023-9M"),
        ("2024", "2023", "2023"),
    ],
)
def test_periods_look_back(period: str, previous: str, last_year: str) -> None:
    assert (period_before(period), year_before(period)) == (previous, last_year)


def test_a_broken_total_is_broken_alone() -> None:
    spoiled = add_to_total(FIGURES, "K", Decimal(7))
    assert {cell: text for cell, text in spoiled.items() if FIGURES[cell] != text} == {Cell("K", (), "value"): "19"}


def test_an_empty_cell_is_not_zero() -> None:
    cell = Cell("K", (("GEO", "2"),), "value")
    assert empty(FIGURES, cell)[cell] == ""


def test_a_unit_error_keeps_the_totals() -> None:
    spoiled = times_thousand(FIGURES, "K")
    assert spoiled[Cell("K", (), "value")] == "12000"
    assert spoiled[Cell("K", (), "cumulative")] == "40000"
    assert spoiled[Cell("L", (), "value")] == "3.5"


def test_an_addition_everywhere_keeps_the_totals() -> None:
    spoiled = add_everywhere(FIGURES, "K", Decimal(7))
    assert [spoiled[cell] for cell in list(FIGURES)[:3]] == ["19", "14", "5"]
    assert spoiled[Cell("K", (), "cumulative")] == "40"


@given(st.integers(2, 9))
def test_a_surprise_is_carried_into_the_figures_since_january(factor: int) -> None:
    spoiled = multiply(FIGURES, "K", factor)
    value, since = Cell("K", (), "value"), Cell("K", (), "cumulative")
    assert int(spoiled[since]) - int(FIGURES[since]) == int(spoiled[value]) - int(FIGURES[value])
    parts = [Cell("K", (("GEO", code),), "cumulative") for code in "12"]
    assert int(spoiled[since]) == sum(int(spoiled[cell]) for cell in parts)


def test_the_clock_stands_between_reminder_and_deadline() -> None:
    found = stands(w.timetable(), w.START)
    assert [len(stand.passes) for stand in found] == [0, 1, 1]
    reminder = datetime(2024, 6, 15, 8, tzinfo=w.ZONE)
    assert found[0].at < reminder < found[1].at < w.DUE < found[2].at


def test_a_package_may_be_sent_before_and_after_its_reminder_and_too_late() -> None:
    table = w.timetable()
    when = chances(table.dues, table, stands(table, w.START))
    assert (when.unreminded, when.reminded, when.late) == ((0,), (1,), (2,))
    assert when.after(0).in_time == (1,)
    assert when.until(1).late == ()


def test_two_reminders_of_one_delivery_are_never_passed_at_once() -> None:
    table = w.timetable()
    for stand in stands(table, w.START):
        about = [table.instants()[at] for at in stand.passes]
        assert len(frozenset().union(*about)) == sum(len(each) for each in about)


def test_who_is_told() -> None:
    due = Due("A/F1/2024-06/estimate", "A", "F1", w.DUE, w.START)
    day = date(2024, 6, 15)
    assert Contact("1", "A", "", responsible=True, forms=("F9",)).hears_of(due, day)
    assert Contact("1", "A", "", responsible=False).hears_of(due, day)
    assert Contact("1", "A", "", responsible=False, forms=("F1",)).hears_of(due, day)
    assert not Contact("1", "A", "", responsible=False, forms=("F2",)).hears_of(due, day)
    assert not Contact("1", "B", "", responsible=True).hears_of(due, day)
    assert not Contact("1", "A", "", responsible=True, valid_until=day - timedelta(days=1)).hears_of(due, day)
    assert not Contact("1", "A", "", responsible=True, valid_from=day + timedelta(days=1)).hears_of(due, day)
    assert Contact("1", "A", "", responsible=True, valid_from=day, valid_until=day).hears_of(due, day)


def test_a_mail_says_why_it_came() -> None:
    header = f"{w.MENDED};step=returned:1.1, {w.NEVER};step=passed"
    message = {"message_id": "<m>", "to": ["a@x"], "subject": "s", "headers": {"X-Lienthong-Deliveries": header}}
    assert mail_of(message).steps == ((w.MENDED, "returned:1.1"), (w.NEVER, "passed"))
    with pytest.raises(ValueError, match="names no step"):
        mail_of({**message, "headers": {"X-Lienthong-Deliveries": w.MENDED}})


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.floats(0.01, 1))
def test_a_percentile_is_one_of_the_numbers_and_has_its_share_below(numbers: list[float], share: float) -> None:
    ordered = sorted(numbers)
    found = percentile(ordered, share)
    assert found in ordered
    assert sum(number <= found for number in ordered) >= share * len(ordered) - 1e-6


def test_the_summary_shows_what_was_seen() -> None:
    found = outcomes(w.timetable().dues, w.facts())
    assert (found[w.MENDED].in_time, found[w.MENDED].version_count) == (True, 2)
    assert (found[w.LATECOMER].in_time, found[w.LATECOMER].late_days) == (False, 1)
    assert (found[w.NEVER].in_time, found[w.NEVER].verdict) == (None, None)
    assert found[w.EXPLAINED].verdict == "accepted_with_warnings"
