"""Findings and verdicts: what was found in a report, where, and what follows from it."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from shared.events.cells import CellKey, Place
from shared.text import Text


class Severity(StrEnum):
    """ESS severity: an error blocks, a warning needs an explanation, information needs nothing."""

    ERROR = "error"
    WARNING = "warning"
    INFORMATION = "information"


class Verdict(StrEnum):
    """What follows for the sender (kết quả kiểm tra)."""

    ACCEPTED = "accepted"
    ACCEPTED_WITH_WARNINGS = "accepted_with_warnings"
    NEEDS_EXPLANATION = "needs_explanation"
    RETURNED = "returned"
    REJECTED = "rejected"

    @property
    def rank(self) -> int:
        """Order from best to worst; a package's merged verdict is the worst of its reports."""
        return list(Verdict).index(self)

    @property
    def acceptable(self) -> bool:
        """Whether a version with this verdict counts as delivered."""
        return self in {Verdict.ACCEPTED, Verdict.ACCEPTED_WITH_WARNINGS}


class Finding(BaseModel):
    """One thing found: which rule, where, what was expected and observed, and how to mend it.

    `rule` is the code of a catalogue rule, or of a check at the door (`door.…`). `expected` and `observed` are
    decimals or codes as text. `document` says where a finding lies that is about the body itself (`reports[0].period`).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    rule: str
    severity: Severity
    message: Text
    mend: Text | None = None
    cell: CellKey | None = None
    place: Place | None = None
    document: str | None = None
    expected: str | None = None
    observed: str | None = None
