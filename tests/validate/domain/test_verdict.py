from collections.abc import Collection
from collections.abc import Set as AbstractSet

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.validate.domain.verdict import decide
from shared.events.findings import Finding, Severity, Verdict
from shared.text import Text

TEXT = Text(vi="…", en="…")
rules = st.sampled_from(["growth", "sum_of_parts", "mirror"])  # few, so that sets overlap
findings = st.lists(
    st.builds(Finding, rule=rules, severity=st.sampled_from(Severity), message=st.just(TEXT)), max_size=5
)


def a_finding(rule: str, severity: Severity) -> Finding:
    return Finding(rule=rule, severity=severity, message=TEXT)


def verdict_on(found: Collection[Finding], justified: AbstractSet[str]) -> Verdict:
    return decide(
        has_errors=any(each.severity is Severity.ERROR for each in found),
        warned={each.rule for each in found if each.severity is Severity.WARNING},
        justified=justified,
    )


@pytest.mark.parametrize(
    ("found", "justified", "verdict"),
    [
        ([], set(), Verdict.ACCEPTED),
        ([a_finding("a", Severity.INFORMATION)], set(), Verdict.ACCEPTED),
        ([a_finding("a", Severity.WARNING)], set(), Verdict.NEEDS_EXPLANATION),
        ([a_finding("a", Severity.WARNING)], {"a"}, Verdict.ACCEPTED_WITH_WARNINGS),
        ([a_finding("a", Severity.WARNING)], {"*"}, Verdict.NEEDS_EXPLANATION),
        ([a_finding("a", Severity.WARNING), a_finding("b", Severity.WARNING)], {"a"}, Verdict.NEEDS_EXPLANATION),
        ([a_finding("a", Severity.WARNING), a_finding("b", Severity.ERROR)], {"a"}, Verdict.RETURNED),
        ([a_finding("a", Severity.ERROR)], {"a"}, Verdict.RETURNED),
    ],
)
def test_an_error_returns_and_a_warning_wants_an_explanation(
    found: list[Finding], justified: set[str], verdict: Verdict
) -> None:
    assert verdict_on(found, justified) is verdict


@given(findings, st.frozensets(rules), st.frozensets(rules))
def test_a_further_justification_never_worsens_the_verdict(
    found: list[Finding], justified: frozenset[str], more: frozenset[str]
) -> None:
    if verdict_on(found, justified) is not Verdict.NEEDS_EXPLANATION:
        assert verdict_on(found, justified | more) is verdict_on(found, justified)
    assert verdict_on(found, justified | more).rank <= verdict_on(found, justified).rank


@given(findings, findings, st.frozensets(rules))
def test_a_further_finding_never_betters_the_verdict(
    found: list[Finding], more: list[Finding], justified: frozenset[str]
) -> None:
    assert verdict_on(found + more, justified).rank >= verdict_on(found, justified).rank


@given(findings, st.frozensets(rules))
def test_only_errors_block_and_explaining_every_warning_suffices(
    found: list[Finding], justified: frozenset[str]
) -> None:
    has_errors = any(each.severity is Severity.ERROR for each in found)
    assert (verdict_on(found, justified) is Verdict.RETURNED) is has_errors
    everything = frozenset({"growth", "sum_of_parts", "mirror"})
    assert has_errors or verdict_on(found, everything).acceptable
