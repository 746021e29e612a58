"""Evaluates compiled checks on the numbers of one report. Decimals are exact: no float, no rounding."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow, Rounded, localcontext

from services.validate.domain.figures import References
from services.validate.domain.rules.language import Comparison, Reference
from services.validate.domain.rules.outcome import (
    ComparisonFails,
    EmptyCell,
    Outcome,
    OutsideRange,
    RatioOutside,
    Reason,
    WrongCumulative,
    WrongParts,
    WrongTotal,
    not_applicable,
)
from shared.events.cells import Mark
from shared.periods import Frequency, Period

DIGITS_MAX = 200
# Too many digits to reckon exactly is an error that says so, never a rounded number.
_EXACT = Context(prec=DIGITS_MAX, traps=[DivisionByZero, Inexact, InvalidOperation, Overflow, Rounded])
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Values:
    """What a check sees of one report: for each cell of the form its number and mark, and the earlier figures.

    `codes` are the cells' keys in `references`.
    """

    period: Period
    numbers: Sequence[Decimal | None]
    marks: Sequence[Mark]
    codes: Sequence[str]
    references: References

    def reference(self, period: Period, cell: int) -> Decimal | None:
        """Return the accepted number of the same cell in another period, None where there is none."""
        return self.references.number(period, self.codes[cell])


class Check(ABC):
    """A rule bound to the cells of a form, known by their index."""

    __slots__ = ()

    @abstractmethod
    def run(self, values: Values, tolerance: Decimal) -> Outcome:
        """Make every comparison. `tolerance` is absolute and inclusive."""

    def periods(self, period: Period) -> tuple[Period, ...]:  # noqa: ARG002 -- most checks look at no other period
        """Return the other periods whose figures the check needs."""
        return ()


def evaluate(check: Check, values: Values, tolerance: Decimal) -> Outcome:
    """Run one check, exactly; numbers too long for that make it not applicable."""
    with localcontext(_EXACT):
        try:
            return check.run(values, tolerance)
        except ArithmeticError:
            return not_applicable(Reason.TOO_LARGE)


def parts_of(period: Period) -> tuple[Period, Period] | None:
    """Return the two periods that a cumulative one is made of; None for months and quarters."""
    match period.frequency:
        case Frequency.HALF_YEAR:
            return Period(period.year, 3, 3), Period(period.year, 6, 3)
        case Frequency.NINE_MONTHS:
            return Period(period.year, 6, 6), Period(period.year, 9, 3)
        case Frequency.YEAR:
            return Period(period.year, 9, 9), Period(period.year, 12, 3)
        case _:
            return None


@dataclass(frozen=True, slots=True)
class RequiredCheck(Check):
    """`cells`: required cells that apply to the unit. `...` is an answer too; only an empty cell is not."""

    cells: tuple[int, ...]

    def run(self, values: Values, tolerance: Decimal) -> Outcome:  # noqa: ARG002 -- nothing is reckoned
        """Find the empty cells."""
        empty = [EmptyCell(cell) for cell in self.cells if values.marks[cell] is Mark.MISSING]
        return Outcome(len(self.cells), list(empty))


@dataclass(frozen=True, slots=True)
class TotalCheck(Check):
    """`sums`: index of each total and of its parts."""

    dimension: str
    sums: tuple[tuple[int, tuple[int, ...]], ...]

    def run(self, values: Values, tolerance: Decimal) -> Outcome:
        """Compare each total with its sum."""
        outcome = Outcome()
        for total, parts in self.sums:
            observed = values.numbers[total]
            expected = _sum(values.numbers, parts)
            if observed is None or expected is None:
                outcome.skip(Reason.MISSING_OPERAND)
                continue
            outcome.checked += 1
            if abs(observed - expected) > tolerance:
                outcome.failures.append(WrongTotal(total, observed, expected, self.dimension))
        return outcome


@dataclass(frozen=True, slots=True)
class CumulativeCheck(Check):
    """`pairs`: index of the cell in column `cumulative` and of the same in column `value`."""

    pairs: tuple[tuple[int, int], ...]

    def run(self, values: Values, tolerance: Decimal) -> Outcome:
        """Compare each figure since January with last month's plus this month's."""
        outcome = Outcome()
        previous = next(iter(self.periods(values.period)), None)
        for cumulative, value in self.pairs:
            observed, current = values.numbers[cumulative], values.numbers[value]
            before = values.reference(previous, cumulative) if previous else _ZERO
            if observed is None or current is None:
                outcome.skip(Reason.MISSING_OPERAND)
            elif before is None:
                outcome.skip(Reason.MISSING_REFERENCE, str(previous))
            else:
                outcome.checked += 1
                if abs(observed - before - current) > tolerance:
                    outcome.failures.append(WrongCumulative(cumulative, observed, before + current, previous))
        return outcome

    def periods(self, period: Period) -> tuple[Period, ...]:
        """Need the month before, unless it is January."""
        return () if period.last_month == 1 else (period.before(),)


@dataclass(frozen=True, slots=True)
class PartsCheck(Check):
    """`cells`: the cells to compare with the sum of two shorter periods."""

    cells: tuple[int, ...]

    def run(self, values: Values, tolerance: Decimal) -> Outcome:
        """Compare each cell with the sum of its parts."""
        parts = parts_of(values.period)
        if parts is None:
            return not_applicable(Reason.OTHER_FREQUENCY, values.period.frequency.value)
        outcome = Outcome()
        for cell in self.cells:
            observed = values.numbers[cell]
            first, second = (values.reference(part, cell) for part in parts)
            if observed is None:
                outcome.skip(Reason.MISSING_OPERAND)
            elif first is None or second is None:
                outcome.skip(Reason.MISSING_REFERENCE, str(parts[0] if first is None else parts[1]))
            else:
                outcome.checked += 1
                if abs(observed - first - second) > tolerance:
                    outcome.failures.append(WrongParts(cell, observed, first + second, parts))
        return outcome

    def periods(self, period: Period) -> tuple[Period, ...]:
        """Need both parts."""
        return parts_of(period) or ()


@dataclass(frozen=True, slots=True)
class RatioCheck(Check):
    """`cells`: the cells to compare with the same cell of an earlier period."""

    cells: tuple[int, ...]
    reference: Reference
    low: Decimal
    high: Decimal

    def run(self, values: Values, tolerance: Decimal) -> Outcome:
        """Compare without dividing: a quotient would be rounded."""
        outcome = Outcome()
        (period,) = self.periods(values.period)
        for cell in self.cells:
            observed, reference = values.numbers[cell], values.reference(period, cell)
            if observed is None:
                outcome.skip(Reason.MISSING_OPERAND)
            elif reference is None:
                outcome.skip(Reason.MISSING_REFERENCE, str(period))
            elif not reference:
                outcome.skip(Reason.ZERO_REFERENCE, str(period))
            else:
                outcome.checked += 1
                least, most = sorted((self.low * reference, self.high * reference))  # swapped below zero
                if not least - tolerance <= observed <= most + tolerance:
                    outcome.failures.append(RatioOutside(cell, observed, reference, period, self.low, self.high))
        return outcome

    def periods(self, period: Period) -> tuple[Period, ...]:
        """Need one earlier period."""
        return (period.before() if self.reference is Reference.PREVIOUS else period.year_before(),)


@dataclass(frozen=True, slots=True)
class CompareCheck(Check):
    """`pairs`: index of the left cell and of the right one."""

    pairs: tuple[tuple[int, int], ...]
    comparison: Comparison

    def run(self, values: Values, tolerance: Decimal) -> Outcome:
        """Compare each pair."""
        outcome = Outcome()
        for left, right in self.pairs:
            observed, other = values.numbers[left], values.numbers[right]
            if observed is None or other is None:
                outcome.skip(Reason.MISSING_OPERAND)
                continue
            outcome.checked += 1
            if not _holds(self.comparison, observed - other, tolerance):
                outcome.failures.append(ComparisonFails(left, observed, self.comparison, right, other))
        return outcome


@dataclass(frozen=True, slots=True)
class RangeCheck(Check):
    """`cells`: the cells whose value lies between two numbers."""

    cells: tuple[int, ...]
    low: Decimal
    high: Decimal

    def run(self, values: Values, tolerance: Decimal) -> Outcome:
        """Compare each cell with the bounds."""
        outcome = Outcome()
        for cell in self.cells:
            observed = values.numbers[cell]
            if observed is None:
                outcome.skip(Reason.MISSING_OPERAND)
                continue
            outcome.checked += 1
            if not self.low - tolerance <= observed <= self.high + tolerance:
                outcome.failures.append(OutsideRange(cell, observed, self.low, self.high))
        return outcome


def _sum(numbers: Sequence[Decimal | None], cells: Sequence[int]) -> Decimal | None:
    total = _ZERO
    for cell in cells:
        number = numbers[cell]
        if number is None:
            return None
        total += number
    return total


def _holds(comparison: Comparison, difference: Decimal, tolerance: Decimal) -> bool:
    match comparison:
        case Comparison.LESS_OR_EQUAL:
            return difference <= tolerance
        case Comparison.GREATER_OR_EQUAL:
            return difference >= -tolerance
        case Comparison.LESS:
            return difference < tolerance
        case Comparison.GREATER:
            return difference > -tolerance
        case Comparison.EQUAL:
            return abs(difference) <= tolerance
