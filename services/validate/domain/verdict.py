"""From findings to what follows for the sender: comply or explain."""

from collections.abc import Set as AbstractSet

from shared.events.findings import Verdict


def decide(*, has_errors: bool, warned: AbstractSet[str], justified: AbstractSet[str]) -> Verdict:
    """Return the verdict: an error blocks, each warning wants a reason.

    `warned` are the codes of the rules that warn, `justified` those of the rules that the unit has explained.
    """
    if has_errors:
        return Verdict.RETURNED
    if warned - justified:
        return Verdict.NEEDS_EXPLANATION
    return Verdict.ACCEPTED_WITH_WARNINGS if warned else Verdict.ACCEPTED
