"""The planter's own reckoning: which rules a report breaks, by the sample's tables and not by asking the system.

It knows the rule language as docs/ tells it, and shares no code with the service that judges.
"""

import re
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from demo.delivery import Delivery
from demo.sample import Cell, Figures, Rule, Sample, number

FREQUENCY_BY_MONTHS = {1: "M", 3: "Q", 6: "S", 9: "9M", 12: "A"}
FIRMEST_FIRST = ("final", "preliminary", "estimate")
VALUE, CUMULATIVE = "value", "cumulative"
_CALL = re.compile(r"(\w+)\((.*)\)")
_COMPARE = re.compile(r"(\S+) (<=|>=|<|>|==) (\S+)")


@dataclass(frozen=True)
class Known:
    """The figures that a rule may look back to."""

    figures: Mapping[Delivery, Figures]

    def number(self, delivery: Delivery, period: str, cell: Cell) -> Decimal | None:
        """Return a cell's accepted number in another period of the same unit and form, the firmest one."""
        for status in FIRMEST_FIRST:
            figures = self.figures.get(Delivery(delivery.unit, delivery.form, period, status))
            if figures is not None and (found := number(figures.get(cell))) is not None:
                return found
        return None


@dataclass(frozen=True)
class Oracle:
    """Judges reports."""

    sample: Sample

    @cached_property
    def _past(self) -> dict[Delivery, Figures]:
        return {earlier: report.figures for earlier, report in self.sample.past.items()}

    def failures(
        self, delivery: Delivery, figures: Figures, known: Mapping[Delivery, Figures] | None = None
    ) -> dict[str, str]:
        """Return severity by code of the rules that a report breaks. `known` are figures accepted besides the past."""
        reckoning = _Reckoning(self.sample, delivery, figures, Known(ChainMap(dict(known or {}), self._past)))
        frequency = FREQUENCY_BY_MONTHS[delivery.month_count]
        return {
            rule.code: rule.severity
            for rule in self.sample.rules.get(delivery.form, ())
            if (not rule.frequencies or frequency in rule.frequencies) and not reckoning.holds(rule)
        }


def period_before(period: str) -> str:
    """Return the previous period of the same frequency; 6 tháng and years look a year back."""
    year, _, rest = period.partition("-")
    if rest.isdigit():
        return f"{int(year) - 1}-12" if rest == "01" else f"{year}-{int(rest) - 1:02d}"
    if rest.startswith("Q"):
        return f"{int(year) - 1}-Q4" if rest == "Q1" else f"{year}-Q{int(rest[1:]) - 1}"
    return year_before(period)


def year_before(period: str) -> str:
    """Return the same period last year."""
    year, dash, rest = period.partition("-")
    return f"{int(year) - 1}{dash}{rest}"


@dataclass(frozen=True)
class _Reckoning:
    sample: Sample
    delivery: Delivery
    figures: Figures
    known: Known

    def holds(self, rule: Rule) -> bool:
        """Whether a rule holds; what lacks a number to compare with holds."""
        match = _CALL.fullmatch(rule.expression.strip())
        if match is None:
            raise ValueError(f"rule {rule.code} cannot be read: {rule.expression}")
        name, arguments = match[1], [argument.strip() for argument in match[2].split(",")]
        checks: dict[str, Callable[[list[str], Decimal], bool]] = {
            "required": self._required,
            "total": self._total,
            "cumulative": self._cumulative,
            "parts": self._parts,
            "ratio": self._ratio,
            "compare": self._compare,
            "range": self._range,
        }
        return checks[name](arguments, rule.tolerance)

    def _cells(self, indicators: str, column: str | None = None) -> Iterator[Cell]:
        codes = frozenset(indicators.split(";"))
        for cell in self.figures:
            if (indicators == "*" or cell.indicator in codes) and column in (None, cell.column):
                yield cell

    def _number(self, cell: Cell) -> Decimal | None:
        return number(self.figures.get(cell))

    def _required(self, arguments: list[str], _: Decimal) -> bool:
        required = self.sample.required.get(self.delivery.form, frozenset())
        return not any(
            self.figures[cell] == "" and (cell.indicator, tuple(name for name, _ in cell.dimensions)) in required
            for cell in self._cells(arguments[0])
        )

    def _total(self, arguments: list[str], tolerance: Decimal) -> bool:
        indicators, dimension = arguments
        parents = self.sample.parents.get(dimension, {})
        parts: dict[Cell, list[tuple[str, Cell]]] = {}
        for cell in self._cells(indicators):
            code = dict(cell.dimensions).get(dimension)
            if code is not None:
                rest = tuple(pair for pair in cell.dimensions if pair[0] != dimension)
                parts.setdefault(Cell(cell.indicator, rest, cell.column), []).append((code, cell))
        for total, listed in parts.items():
            codes = {code for code, _ in listed}
            numbers = [self._number(cell) for code, cell in listed if parents.get(code) not in codes]
            known = [value for value in numbers if value is not None]
            observed = self._number(total)
            if observed is not None and len(known) == len(numbers) and abs(observed - sum(known)) > tolerance:
                return False
        return True

    def _cumulative(self, arguments: list[str], tolerance: Decimal) -> bool:
        before_period = period_before(self.delivery.period)
        for cell in self._cells(arguments[0], CUMULATIVE):
            observed = self._number(cell)
            current = self._number(Cell(cell.indicator, cell.dimensions, VALUE))
            before = self.known.number(self.delivery, before_period, cell)
            if observed is None or current is None or before is None:
                continue
            if abs(observed - before - current) > tolerance:
                return False
        return True

    def _parts(self, arguments: list[str], tolerance: Decimal) -> bool:
        year, _, rest = self.delivery.period.partition("-")
        if rest != "S1":
            return True
        for cell in self._cells(arguments[0], VALUE):
            first, second = (self.known.number(self.delivery, f"{year}-Q{quarter}", cell) for quarter in (1, 2))
            observed = self._number(cell)
            if observed is None or first is None or second is None:
                continue
            if abs(observed - first - second) > tolerance:
                return False
        return True

    def _ratio(self, arguments: list[str], tolerance: Decimal) -> bool:
        indicators, reference, low, high = arguments
        look_back = period_before if reference == "previous" else year_before
        period = look_back(self.delivery.period)
        for cell in self._cells(indicators, VALUE):
            observed, before = self._number(cell), self.known.number(self.delivery, period, cell)
            if observed is None or not before:
                continue
            least, most = sorted((Decimal(low) * before, Decimal(high) * before))
            if not least - tolerance <= observed <= most + tolerance:
                return False
        return True

    def _compare(self, arguments: list[str], tolerance: Decimal) -> bool:
        match = _COMPARE.fullmatch(arguments[0])
        if match is None:
            raise ValueError(f"cannot be read: {arguments[0]}")
        for cell in self._cells(match[1]):
            left, right = self._number(cell), self._number(Cell(match[3], cell.dimensions, cell.column))
            if left is None or right is None:
                continue
            difference = left - right if match[2] in {"<=", "<", "=="} else right - left
            if difference > tolerance or (match[2] == "==" and -difference > tolerance):
                return False
        return True

    def _range(self, arguments: list[str], tolerance: Decimal) -> bool:
        indicators, low, high = arguments
        numbers = (self._number(cell) for cell in self._cells(indicators))
        return all(
            Decimal(low) - tolerance <= value <= Decimal(high) + tolerance for value in numbers if value is not None
        )
