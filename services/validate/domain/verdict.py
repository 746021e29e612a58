"""From findings to what follows for the sender: comply or explain."""

from collections.abc import Collection
from collections.abc import Set as AbstractSet

from shared.events.findings import Finding, Severity, Verdict


def decide(findings: Collection[Finding], justified: AbstractSet[str]) -> Verdict:
    """Return the verdict; `justified` holds the codes of the rules whose warnings the unit has explained."""
    return decide_by_rules(
        any(finding.severity is Severity.ERROR for finding in findings),
        {finding.rule for finding in findings if finding.severity is Severity.WARNING},
        justified,
    )


def decide_by_rules(has_errors: bool, warned: AbstractSet[str], justified: AbstractSet[str]) -> Verdict:  # noqa: FBT001 -- a fact, not a switch
    """Return the verdict where the findings are known by their rules: an error blocks, each warning wants a reason."""
    if has_errors:
        return Verdict.RETURNED
    if warned - justified:
        return Verdict.NEEDS_EXPLANATION
    return Verdict.ACCEPTED_WITH_WARNINGS if warned else Verdict.ACCEPTED
