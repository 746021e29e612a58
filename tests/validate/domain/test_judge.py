from shared.events.findings import Severity, Verdict
from tests.builders.rule_forms import a_cell, a_line, a_rule, a_snapshot, accepted, judged

LINES = (a_line("I1"), a_line("I1@GEO"))
RULES = {
    "W": a_rule("range(*, 0, 1)", severity="warning"),
    "X": a_rule("range(*, 0, 2)", severity="information"),
    "Z": a_rule("range(*, 0, 3)"),
}
ALL_WRONG = (a_cell("I1", 9), a_cell("I1@GEO=N", 9), a_cell("I1@GEO=S", 9))


def test_errors_come_first_then_warnings_and_the_counts_stay_exact_when_findings_are_capped() -> None:
    whole = judged(a_snapshot(RULES, lines=LINES), ALL_WRONG)
    assert [each.rule for each in whole.findings] == ["Z"] * 3 + ["W"] * 3 + ["X"] * 3
    assert (whole.error_count, whole.warning_count, whole.verdict) == (3, 3, Verdict.RETURNED)
    capped = judged(a_snapshot(RULES, lines=LINES), ALL_WRONG, findings_max=2)
    assert capped.findings == whole.findings[:2]
    assert (capped.error_count, capped.warning_count) == (3, 3)


def test_the_cap_never_hides_a_warning_from_the_verdict() -> None:
    rules = {"A": RULES["W"], "B": RULES["W"]}
    snapshot = a_snapshot(rules, lines=LINES)
    capped = judged(snapshot, ALL_WRONG, explained=frozenset({"A"}), findings_max=1)
    assert [each.rule for each in capped.findings] == ["A"]
    assert capped.verdict is Verdict.NEEDS_EXPLANATION
    assert capped.warned == {"A", "B"}
    explained = judged(snapshot, ALL_WRONG, explained=frozenset({"A", "B"}), findings_max=1)
    assert explained.verdict is Verdict.ACCEPTED_WITH_WARNINGS


def test_a_report_on_what_the_release_no_longer_knows_is_taken_unchecked_and_says_so() -> None:
    result = judged(a_snapshot({"A": a_rule("required(*)")}, periods=["2024-06"], release=7), [], period="2024-Q2")
    assert result.verdict is Verdict.ACCEPTED
    (finding,) = result.findings
    assert (finding.rule, finding.severity) == ("engine.unknown_delivery", Severity.INFORMATION)
    assert "7" in finding.message.en
    assert result.not_applicable == ("engine.unknown_delivery: unknown_delivery in release 7",)


def test_judging_the_same_again_gives_the_same() -> None:
    snapshot, known = a_snapshot(RULES, lines=LINES), accepted(("2024-05", {"I1": 1}))
    assert judged(snapshot, ALL_WRONG, known=known) == judged(snapshot, ALL_WRONG[::-1], known=known)
