from datetime import date
from itertools import permutations

import pytest

from services.validate.domain.figures import cell_code
from services.validate.domain.rules.compile import RuleBook
from services.validate.domain.rules.outcome import State
from shared.events.catalogue import Line
from shared.events.findings import Verdict
from shared.periods import Period
from tests.builders.rule_forms import a_cell, a_delivery, a_key, a_line, a_rule, a_snapshot, judged


def test_a_rule_that_cannot_be_read_is_our_fault_and_costs_no_sender_anything() -> None:
    rules = {"A": a_rule("totl(I1, GEO)"), "B": a_rule("required(*)", tolerance="some"), "C": a_rule("required(*)")}
    result = judged(a_snapshot(rules), [])
    assert [each.rule for each in result.findings] == ["C"], "the others still work"
    assert [each.partition(" ")[0] for each in result.not_applicable] == ["A:", "B:"]
    assert all("unreadable_rule" in each for each in result.not_applicable)
    assert "there is no check “totl”" in result.not_applicable[0]


@pytest.mark.parametrize("tolerance", ["-1", "NaN", "Infinity", ""])
def test_a_tolerance_is_a_finite_number_not_below_zero(tolerance: str) -> None:
    result = judged(a_snapshot({"A": a_rule("required(*)", tolerance=tolerance)}), [])
    assert result.states == {State.NOT_APPLICABLE: 1}


def test_a_form_is_compiled_once_for_all_periods_between_two_changes() -> None:
    rule = a_rule("required(*)").model_copy(update={"valid_from": date(2024, 3, 1)})
    book = RuleBook(a_snapshot({"A": rule}))
    assert book.form_for(a_delivery("2024-03")) is book.form_for(a_delivery("2024-06"))
    assert book.form_for(a_delivery("2024-02")) is not book.form_for(a_delivery("2024-03"))
    assert book.form_for(a_delivery("2024-03")) is not book.form_for(a_delivery("2024-03", "final"))


def test_the_version_that_holds_on_the_periods_last_day_is_used() -> None:
    until = a_rule("range(I1, 0, 5)").model_copy(update={"valid_until": date(2024, 5, 31)})
    since = a_rule("range(I1, 0, 9)").model_copy(update={"valid_from": date(2024, 6, 1)})
    snapshot = a_snapshot({"A": (until, since)})
    verdicts = {period: judged(snapshot, [a_cell("I1", 7)], period=period).verdict for period in ("2024-05", "2024-06")}
    assert verdicts == {"2024-05": Verdict.RETURNED, "2024-06": Verdict.ACCEPTED}


@pytest.mark.parametrize("periods", list(permutations(["2024-04", "2024-05", "2024-06", "2024-07"])))
def test_a_version_ends_with_its_last_day_whichever_period_is_asked_for_first(periods: tuple[str, ...]) -> None:
    rule = a_rule("required(*)").model_copy(update={"valid_from": date(2024, 5, 31), "valid_until": date(2024, 6, 30)})
    book = RuleBook(a_snapshot({"A": rule}))
    forms = {period: book.form_for(a_delivery(period)) for period in periods}
    held = {period for period, form in forms.items() if form is not None and form.rules}
    assert held == {"2024-05", "2024-06"}


def test_the_other_periods_that_a_form_looks_at_are_known_before_it_is_judged() -> None:
    lines: tuple[Line, ...] = (a_line("I1", columns=("value", "cumulative")),)
    rules = {"A": a_rule("cumulative(I1)"), "B": a_rule("ratio(I1, year_before, 0, 1)"), "C": a_rule("parts(I1)")}
    book = RuleBook(a_snapshot(rules, lines=lines))

    def periods(period: str) -> set[str]:
        form = book.form_for(a_delivery(period))
        assert form is not None
        return {str(each) for each in form.periods(Period.parse(period))}

    assert periods("2024-06") == {"2024-05", "2023-06"}
    assert periods("2024-01") == {"2023-01"}
    assert periods("2024-S1") == {"2024-Q1", "2024-Q2", "2023-S1"}


def test_a_delivery_that_nobody_owes_has_no_form() -> None:
    assert RuleBook(a_snapshot({}, periods=["2024-06"])).form_for(a_delivery("2024-Q2")) is None


def test_cells_that_are_not_on_the_form_change_nothing() -> None:
    result = judged(a_snapshot({"A": a_rule("required(*)")}), [a_cell("I1", 1), a_cell("I9@X=1", 5)])
    assert result.verdict is Verdict.ACCEPTED


def test_no_two_cells_share_a_code_whatever_their_codes_hold() -> None:
    keys = [a_key("I1@A=1,B=2"), a_key("I1@A=1"), a_key("I1@A=1.plan"), a_key("I1")]
    tricky = [a_key("I1").model_copy(update={"dimensions": (("A", "1,B=2"),)})]
    tricky.append(a_key("I1").model_copy(update={"indicator": "I1[A=1]"}))
    assert len({cell_code(key) for key in keys + tricky}) == len(keys + tricky)
