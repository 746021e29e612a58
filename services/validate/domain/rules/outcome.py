"""What comes of a rule: it holds, it fails in some cells, or it does not apply, and why."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from services.validate.domain.rules.language import Comparison
from shared.periods import Period


class Reason(StrEnum):
    """Why a rule, or one of its comparisons, does not apply; also a metric label, so the list is closed."""

    MISSING_OPERAND = "missing_operand"  # a cell that it needs is empty, not collected or not applicable
    MISSING_REFERENCE = "missing_reference"  # no accepted figure of the other period
    ZERO_REFERENCE = "zero_reference"
    NO_SUCH_CELL = "no_such_cell"  # the unit's form has no cell that it speaks of
    OTHER_FREQUENCY = "other_frequency"
    UNREADABLE_RULE = "unreadable_rule"
    TOO_LARGE = "too_large"  # numbers with more digits than are reckoned exactly
    UNKNOWN_DELIVERY = "unknown_delivery"  # the release knows no such duty


@dataclass(frozen=True, slots=True)
class EmptyCell:
    """A required cell is empty. `cell` is its index on the form, as in all failures."""

    cell: int


@dataclass(frozen=True, slots=True)
class WrongTotal:
    """A total is not the sum over the codes of a dimension."""

    cell: int
    observed: Decimal
    expected: Decimal
    dimension: str


@dataclass(frozen=True, slots=True)
class WrongCumulative:
    """A figure since January is not that of the month before plus this month; `previous` None: it is January."""

    cell: int
    observed: Decimal
    expected: Decimal
    previous: Period | None


@dataclass(frozen=True, slots=True)
class WrongParts:
    """A longer period is not the sum of its two parts."""

    cell: int
    observed: Decimal
    expected: Decimal
    periods: tuple[Period, Period]


@dataclass(frozen=True, slots=True)
class RatioOutside:
    """The ratio to an earlier period lies outside of its bounds."""

    cell: int
    observed: Decimal
    reference: Decimal
    period: Period
    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True)
class ComparisonFails:
    """A cell does not compare with another one as it should."""

    cell: int
    observed: Decimal
    comparison: Comparison
    other_cell: int
    other: Decimal


@dataclass(frozen=True, slots=True)
class OutsideRange:
    """A value lies outside of its bounds."""

    cell: int
    observed: Decimal
    low: Decimal
    high: Decimal


Failure = EmptyCell | WrongTotal | WrongCumulative | WrongParts | RatioOutside | ComparisonFails | OutsideRange


class State(StrEnum):
    """What came of a rule as a whole."""

    PASS = "pass"  # noqa: S105 -- no password
    FAIL = "fail"
    NOT_APPLICABLE = "not_applicable"


@dataclass(slots=True)
class Outcome:
    """A rule's comparisons on one report: how many were made, which failed, and why others were not made."""

    checked: int = 0
    failures: list[Failure] = field(default_factory=list)
    skipped: dict[tuple[Reason, str], int] = field(default_factory=dict)

    def skip(self, reason: Reason, detail: str = "") -> None:
        """Count a comparison that could not be made."""
        self.skipped[reason, detail] = self.skipped.get((reason, detail), 0) + 1

    @property
    def state(self) -> State:
        """FAIL if one comparison failed, else PASS if one was made."""
        if self.failures:
            return State.FAIL
        return State.PASS if self.checked else State.NOT_APPLICABLE

    @property
    def reasons(self) -> tuple[str, ...]:
        """What could not be compared and why: `missing_reference 2024-05 (3 of 12)`."""
        whole = self.checked + sum(self.skipped.values())
        return tuple(
            f"{reason.value}{' ' + detail if detail else ''} ({count} of {whole})"
            for (reason, detail), count in self.skipped.items()
        )


def not_applicable(reason: Reason, detail: str = "") -> Outcome:
    """Return the outcome of a rule that does not apply at all."""
    outcome = Outcome()
    outcome.skip(reason, detail)
    return outcome
