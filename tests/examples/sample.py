"""The sample's files as plain values, read with the standard library alone: the oracle must not share code with us."""

import csv
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from itertools import product
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "examples" / "khanh-hoa"
HISTORY = ("history/2023-06.csv", "history/2024-03.csv", "history/2024-05.csv")
JUNE = "reports-2024-06.csv"
STATUSES = ("estimate", "preliminary", "final")

Key = tuple[tuple[str, str], ...]
Cell = tuple[str, Key, str]
"""Indicator, dimension codes sorted by dimension, column."""


@dataclass(frozen=True)
class Line:
    indicator: str
    dimensions: tuple[tuple[str, tuple[str, ...]], ...]
    columns: tuple[str, ...]
    decimals: int
    required: bool


@dataclass(frozen=True)
class Obligation:
    unit: str
    form: str
    frequency: str
    status: str
    due_rule: str
    indicators: frozenset[str]


@dataclass
class Report:
    """One report as it was sent; a value is a number, `...` or, planted by a test, absent."""

    unit: str
    form: str
    period: str
    status: str
    document: str
    values: dict[Cell, str] = field(default_factory=dict)

    def number(self, cell: Cell) -> Decimal | None:
        value = self.values.get(cell, "")
        return Decimal(0) if value == "-" else None if value in ("", "...") else Decimal(value)


@cache
def rows(name: str) -> tuple[dict[str, str], ...]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def listed(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(";")))


def key_of(text: str) -> Key:
    return tuple(sorted((name, code) for name, _, code in (part.partition("=") for part in text.split("|") if part)))


def frequency_of(period: str) -> str:
    match period[5:]:
        case "":
            return "A"
        case "S1" | "9M" as tail:
            return tail.removesuffix("1")
        case tail:
            return "Q" if tail.startswith("Q") else "M"


@cache
def code_lists() -> dict[str, tuple[str, ...]]:
    lists: dict[str, list[str]] = {}
    for row in rows("codes.csv"):
        lists.setdefault(row["dimension"], []).append(row["code"])
    return {name: tuple(codes) for name, codes in lists.items()}


@cache
def lines_of(form: str) -> tuple[Line, ...]:
    return tuple(
        Line(
            row["indicator_code"],
            tuple((name, listed(codes)) for name, _, codes in (p.partition("=") for p in _parts(row["dimensions"]))),
            listed(row["columns"]),
            int(row["decimals"]),
            row["required"] == "true",
        )
        for row in rows("form_lines.csv")
        if row["form_code"] == form
    )


def _parts(text: str) -> list[str]:
    return [part for part in text.split("|") if part]


@cache
def obligations() -> tuple[Obligation, ...]:
    found: dict[tuple[str, str, str, str, str], set[str]] = {}
    for row in rows("obligations.csv"):
        key = (row["unit_code"], row["form_code"], row["frequency"], row["status"], row["due_rule"])
        found.setdefault(key, set()).add(row["indicator_code"])
    return tuple(Obligation(*key, frozenset(indicators)) for key, indicators in found.items())


@cache
def owed(unit: str, form: str, frequency: str, status: str) -> Obligation:
    wanted = (unit, form, frequency, status)
    return next(one for one in obligations() if (one.unit, one.form, one.frequency, one.status) == wanted)


@cache
def exempt(unit: str, indicator: str, key: Key) -> bool:
    held = dict(key)
    return any(
        (row["unit_code"], row["indicator_code"]) == (unit, indicator)
        and (not row["dimension"] or held.get(row["dimension"]) in listed(row["codes"]))
        for row in rows("not_applicable.csv")
    )


@cache
def cells_of(unit: str, form: str, frequency: str, status: str) -> dict[Cell, Line]:
    """Every cell that the unit has to fill, in the form's order."""
    limited = {
        row["column"]: listed(row["frequencies"]) for row in rows("form_columns.csv") if row["form_code"] == form
    }
    columns = {name for name, frequencies in limited.items() if not frequencies or frequency in frequencies}
    found: dict[Cell, Line] = {}
    for line in lines_of(form):
        if line.indicator not in owed(unit, form, frequency, status).indicators:
            continue
        lists = [[(name, code) for code in codes or code_lists()[name]] for name, codes in line.dimensions]
        for combination in product(*lists):
            key = tuple(sorted(combination))
            for column in line.columns:
                if column in columns and not exempt(unit, line.indicator, key):
                    assert (line.indicator, key, column) not in found, "a cell stands twice on the form"
                    found[line.indicator, key, column] = line
    return found


def reports(name: str) -> list[Report]:
    """The reports of one file, in the file's order, as fresh objects."""
    found: dict[tuple[str, str, str, str], Report] = {}
    for row in rows(name):
        key = (row["unit_code"], row["form_code"], row["period"], row["status"])
        report = found.setdefault(key, Report(*key, row["document_number"]))
        cell = (row["indicator_code"], key_of(row["dimensions"]), row["column"])
        assert report.document == row["document_number"], "one report, one document"
        assert cell not in report.values, "a cell is reported twice"
        report.values[cell] = row["value"]
    return list(found.values())


def packages(found: list[Report]) -> dict[tuple[str, str, str], list[Report]]:
    """Reports by unit, form and document: what is sent at once."""
    together: dict[tuple[str, str, str], list[Report]] = {}
    for report in found:
        together.setdefault((report.unit, report.form, report.document), []).append(report)
    return together
