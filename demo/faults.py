"""How a correct report is spoiled. Pure: figures in, figures out; the oracle says which rules that breaks."""

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from demo.delivery import Delivery
from demo.ledger import Verdict
from demo.oracle import CUMULATIVE, VALUE, Oracle
from demo.sample import MARKS, Cell, Figures, Report, Rule, number

ADDED_TO_TOTAL = Decimal(7)  # more than any tolerance of the sample's totals, small enough to be a slip of the pen
UNIT_FACTOR = Decimal(1000)  # triệu for tỷ đồng
WARNING_FACTORS = (3, 4, 5, 2, 6, 8)  # the first that only raises eyebrows is taken
_RULE = re.compile(r"(\w+)\(([^,()\s]+)(?:, (\w+))?.*\)")


class Fault(StrEnum):
    """What is wrong with a report."""

    TOTAL = "total is not its sum"
    MISSING = "a cell is missing"
    UNIT = "×1000 unit error"
    PARTS = "6 tháng is not Q1 + Q2"
    SURPRISE = "surprising but true"  # a warning, not an error


@dataclass(frozen=True, slots=True)
class Spoiled:
    """A spoiled report: its figures, the verdict that it deserves and the rules that it breaks."""

    fault: Fault
    figures: Figures
    verdict: Verdict
    rules: tuple[str, ...]


def add_to_total(figures: Figures, indicator: str, amount: Decimal) -> Figures:
    """Add to an indicator's total alone, so that it is no longer the sum of its parts."""
    total = Cell(indicator, (), VALUE)
    return {**figures, total: _plus(figures[total], amount)}


def empty(figures: Figures, cell: Cell) -> Figures:
    """Leave a cell empty. That is not zero."""
    return {**figures, cell: ""}


def times_thousand(figures: Figures, indicator: str) -> Figures:
    """Write all figures of an indicator in a unit a thousand times smaller."""
    return {cell: _times(text, UNIT_FACTOR) if cell.indicator == indicator else text for cell, text in figures.items()}


def add_everywhere(figures: Figures, indicator: str, amount: Decimal) -> Figures:
    """Add to an indicator's total and to one part in each breakdown: the totals still hold, only time does not."""
    spoiled, seen = dict(figures), set()
    for cell, text in figures.items():
        names = tuple(name for name, _ in cell.dimensions)
        if cell.indicator == indicator and cell.column == VALUE and names not in seen and text not in MARKS:
            seen.add(names)
            spoiled[cell] = _plus(text, amount)
    return spoiled


def multiply(figures: Figures, indicator: str, factor: int) -> Figures:
    """Let a month be `factor` times what it was, and carry that into the figures since January."""
    spoiled = dict(figures)
    for cell, text in figures.items():
        if cell.indicator != indicator or cell.column != VALUE:
            continue
        spoiled[cell] = _times(text, Decimal(factor))
        since_january, value = Cell(indicator, cell.dimensions, CUMULATIVE), number(text)
        if since_january in figures and value is not None:
            spoiled[since_january] = _plus(figures[since_january], value * (factor - 1))
    return spoiled


def spoil(
    fault: Fault, report: Report, known: Mapping[Delivery, Figures], oracle: Oracle, chance: random.Random
) -> Spoiled | None:
    """Return the report with this fault, planted where a rule of the sample finds it; None where no rule would.

    A surprise breaks warnings alone; every other fault breaks at least the error that it is meant to break.
    """
    rules = [rule for rule in oracle.sample.rules.get(report.delivery.form, ()) if _meant(rule, fault)]
    chance.shuffle(rules)
    for rule in rules:
        for figures in _candidates(fault, rule, report, chance):
            broken = oracle.failures(report.delivery, figures, known)
            if rule.code not in broken:
                continue
            surprise = fault is Fault.SURPRISE
            if surprise and "error" in broken.values():
                continue
            verdict = Verdict.NEEDS_EXPLANATION if surprise else Verdict.RETURNED
            return Spoiled(fault, figures, verdict, tuple(sorted(broken)))
    return None


def _meant(rule: Rule, fault: Fault) -> bool:
    name, _, reference = _parsed(rule)
    severity = "warning" if fault is Fault.SURPRISE else "error"
    wanted = {
        Fault.TOTAL: ("total", None),
        Fault.MISSING: ("required", None),
        Fault.UNIT: ("ratio", "previous"),
        Fault.PARTS: ("parts", None),
        Fault.SURPRISE: ("ratio", "previous"),
    }[fault]
    return rule.severity == severity and name == wanted[0] and wanted[1] in (None, reference)


def _candidates(fault: Fault, rule: Rule, report: Report, chance: random.Random) -> Iterator[Figures]:
    figures = report.figures
    _, indicator, _ = _parsed(rule)
    match fault:
        case Fault.TOTAL:
            if number(figures.get(Cell(indicator, (), VALUE))) is not None:
                yield add_to_total(figures, indicator, ADDED_TO_TOTAL)
        case Fault.MISSING:
            yield from (empty(figures, cell) for cell in chance.sample(sorted(figures), k=min(5, len(figures))))
        case Fault.UNIT:
            yield times_thousand(figures, indicator)
        case Fault.PARTS:
            yield add_everywhere(figures, indicator, ADDED_TO_TOTAL)
        case Fault.SURPRISE:
            yield from (multiply(figures, indicator, factor) for factor in WARNING_FACTORS)


def _parsed(rule: Rule) -> tuple[str, str, str]:
    match = _RULE.fullmatch(rule.expression)
    return (match[1], match[2], match[3] or "") if match is not None else (rule.expression, "", "")


def _plus(text: str, amount: Decimal) -> str:
    value = number(text)
    return text if value is None else format(value + amount, "f")


def _times(text: str, factor: Decimal) -> str:
    return text if text in MARKS or text == "" else format(Decimal(text) * factor, "f")
