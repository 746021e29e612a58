"""A second, small reading of the rule language, to hold the sample (and the engine in validate) against.

Cells that are not applicable to a unit are no part of anything. A rule over a cell whose operand is missing, `...`, or
not reported in the other period, is not applicable there, except `required`.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from tests.examples.sample import STATUSES, Cell, Key, Report, cells_of, frequency_of, listed, rows

Figures = dict[tuple[str, str, str], Report]
"""The firmest accepted report by unit, form and period."""


@dataclass(frozen=True)
class Rule:
    code: str
    severity: str
    kind: str
    arguments: str
    tolerance: Decimal


@dataclass(frozen=True)
class Failure:
    rule: Rule
    cell: Cell
    expected: str
    observed: str


def rules_for(form: str, frequency: str) -> list[Rule]:
    found = []
    for row in rows("rules.csv"):
        if row["form_code"] == form and (not row["frequencies"] or frequency in listed(row["frequencies"])):
            kind, _, rest = row["expression"].partition("(")
            arguments = rest.removesuffix(")")
            found.append(Rule(row["code"], row["severity"], kind, arguments, Decimal(row["tolerance"])))
    return found


def check(report: Report, accepted: Figures) -> tuple[list[Failure], set[str]]:
    """The failures of one report, and the kinds of rules that had something to compare."""
    failures, applied = [], set()
    for rule in rules_for(report.form, frequency_of(report.period)):
        for cell, fails, expected, observed in CHECKS[rule.kind](rule, report, accepted):
            applied.add(rule.kind)
            if fails:
                failures.append(Failure(rule, cell, expected, observed))
    return failures, applied


def accept(report: Report, accepted: Figures) -> None:
    key = (report.unit, report.form, report.period)
    known = accepted.get(key)
    if known is None or STATUSES.index(known.status) <= STATUSES.index(report.status):
        accepted[key] = report


Outcome = Iterator[tuple[Cell, bool, str, str]]


def _cells(report: Report, indicator: str, *, column: str = "") -> list[Cell]:
    owed = cells_of(report.unit, report.form, frequency_of(report.period), report.status)
    return [cell for cell in owed if cell[0] == indicator and (not column or cell[2] == column)]


def _equal(rule: Rule, cell: Cell, observed: Decimal | None, expected: Iterable[Decimal | None]) -> Outcome:
    parts = list(expected)
    numbers = [part for part in parts if part is not None]
    if observed is not None and len(numbers) == len(parts):
        total = sum(numbers, Decimal(0))
        yield cell, abs(observed - total) > rule.tolerance, str(total), str(observed)


def _required(rule: Rule, report: Report, _: Figures) -> Outcome:
    named = listed(rule.arguments)
    owed = cells_of(report.unit, report.form, frequency_of(report.period), report.status)
    for cell, line in owed.items():
        if line.required and (named == ("*",) or cell[0] in named):
            yield cell, report.values.get(cell, "") == "", "a value", "nothing"


def _total(rule: Rule, report: Report, _: Figures) -> Outcome:
    indicator, dimension = re.split(r",\s*", rule.arguments)
    parts: dict[tuple[Key, str], list[Cell]] = {}
    for cell in _cells(report, indicator):
        if dimension in dict(cell[1]):
            rest = tuple(pair for pair in cell[1] if pair[0] != dimension)
            parts.setdefault((rest, cell[2]), []).append(cell)
    for cell in _cells(report, indicator):
        if group := parts.get((cell[1], cell[2])):
            yield from _equal(rule, cell, report.number(cell), map(report.number, group))


def _cumulative(rule: Rule, report: Report, accepted: Figures) -> Outcome:
    month = int(report.period[5:])
    before = accepted.get((report.unit, report.form, f"{report.period[:4]}-{month - 1:02d}"))
    for cell in _cells(report, rule.arguments, column="cumulative"):
        parts = [report.number((*cell[:2], "value"))]
        if month > 1:
            parts.append(before.number(cell) if before else None)
        yield from _equal(rule, cell, report.number(cell), parts)


def _parts(rule: Rule, report: Report, accepted: Figures) -> Outcome:
    year, tail = report.period[:4], report.period[4:]
    names = {"-S1": ("-Q1", "-Q2"), "-9M": ("-S1", "-Q3"), "": ("-9M", "-Q4")}[tail]
    parts = [accepted.get((report.unit, report.form, year + name)) for name in names]
    for cell in _cells(report, rule.arguments, column="value"):
        yield from _equal(rule, cell, report.number(cell), [part.number(cell) if part else None for part in parts])


def _ratio(rule: Rule, report: Report, accepted: Figures) -> Outcome:
    indicator, basis, low, high = re.split(r",\s*", rule.arguments)
    period = _year_before(report.period) if basis == "year_before" else _before(report.period)
    reference = accepted.get((report.unit, report.form, period))
    for cell in _cells(report, indicator, column="value"):
        value, against = report.number(cell), reference.number(cell) if reference else None
        if value is not None and against:
            ratio = value / against
            yield cell, not Decimal(low) <= ratio <= Decimal(high), f"{low} to {high}", f"{ratio:.3f}"


def _compare(rule: Rule, report: Report, _: Figures) -> Outcome:
    left, operator, right = rule.arguments.split()
    for cell in _cells(report, left):
        one, other = report.number(cell), report.number((right, *cell[1:]))
        if one is not None and other is not None:
            yield cell, not OPERATORS[operator](one - other, rule.tolerance), f"{operator} {other}", str(one)


def _range(rule: Rule, report: Report, _: Figures) -> Outcome:
    indicator, low, high = re.split(r",\s*", rule.arguments)
    for cell in _cells(report, indicator):
        value = report.number(cell)
        if value is not None:
            fails = not Decimal(low) - rule.tolerance <= value <= Decimal(high) + rule.tolerance
            yield cell, fails, f"{low} to {high}", str(value)


OPERATORS: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "<=": lambda difference, tolerance: difference <= tolerance,
    ">=": lambda difference, tolerance: difference >= -tolerance,
    "<": lambda difference, tolerance: difference < tolerance,
    ">": lambda difference, tolerance: difference > -tolerance,
    "==": lambda difference, tolerance: abs(difference) <= tolerance,
}
CHECKS: dict[str, Callable[[Rule, Report, Figures], Outcome]] = {
    "required": _required,
    "total": _total,
    "cumulative": _cumulative,
    "parts": _parts,
    "ratio": _ratio,
    "compare": _compare,
    "range": _range,
}


def _year_before(period: str) -> str:
    return f"{int(period[:4]) - 1}{period[4:]}"


def _before(period: str) -> str:
    year, tail = int(period[:4]), period[5:]
    match frequency_of(period):
        case "M":
            return f"{year}-{int(tail) - 1:02d}" if tail != "01" else f"{year - 1}-12"
        case "Q":
            return f"{year}-Q{int(tail[1]) - 1}" if tail != "Q1" else f"{year - 1}-Q4"
        case _:
            return _year_before(period)
