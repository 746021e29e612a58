"""Reads the sample's tables (examples/khanh-hoa): what the planter knows before it asks anybody."""

import csv
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo

from demo.delivery import Delivery
from demo.timetable import Contact, Due, Reminder, Timetable

OPEN_DAYS_BEFORE = 30  # an obligation says otherwise in a column of its own; the sample's have none
END_OF_DAY = time(23, 59, 59)
MARKS = frozenset({"-", "..."})
Dimensions = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """A cell of a form: indicator × dimension codes (sorted) × column."""

    indicator: str
    dimensions: Dimensions
    column: str


Figures = Mapping[Cell, str]
"""A report as it is written: a decimal, `-` (a true zero), `...` (not collected) or empty (missing) in each cell."""


def number(text: str | None) -> Decimal | None:
    """Return what a written value counts as: `-` is zero, `...` and empty are no number."""
    if text == "-":
        return Decimal(0)
    return None if text is None or text in {"", "..."} else Decimal(text)


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit that reports; `kafka_door` says whether it may publish."""

    code: str
    name: str
    kafka_door: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of a form: `expression` in the rule language, limited to some frequencies (none listed: all)."""

    code: str
    form: str
    severity: str
    expression: str
    tolerance: Decimal
    frequencies: frozenset[str]


@dataclass(frozen=True, slots=True)
class Report:
    """A delivery with its correct figures."""

    delivery: Delivery
    document_number: str
    figures: Figures


@dataclass(frozen=True)
class Sample:
    """All tables."""

    units: Mapping[str, Unit]
    form_titles: Mapping[str, str]
    rules: Mapping[str, Sequence[Rule]]
    required: Mapping[str, frozenset[tuple[str, tuple[str, ...]]]]
    """By form: the indicators, each with the names of its dimensions, whose cells must be filled."""
    parents: Mapping[str, Mapping[str, str]]
    """By dimension: the code above a code."""
    timetable: Timetable
    reports: Mapping[Delivery, Report]
    past: Mapping[Delivery, Report]
    dues: Mapping[Delivery, Due] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the folder. Raises OSError or KeyError when a table or a column is missing."""
        units = {
            row["code"]: Unit(row["code"], row["name_vi"], row["kafka_door"] == "true")
            for row in _rows(folder / "units.csv")
        }
        timetable = _timetable(folder)
        rules: dict[str, list[Rule]] = defaultdict(list)
        for row in _rows(folder / "rules.csv"):
            rule = Rule(
                row["code"],
                row["form_code"],
                row["severity"],
                row["expression"],
                Decimal(row["tolerance"] or "0"),
                frozenset(filter(None, row["frequencies"].split(";"))),
            )
            rules[rule.form].append(rule)
        past: dict[Delivery, Report] = {}
        for path in sorted((folder / "history").glob("*.csv")):
            past |= _reports(path)
        return cls(
            units,
            {row["code"]: row["title_vi"] for row in _rows(folder / "forms.csv")},
            rules,
            _required(folder),
            _parents(folder),
            timetable,
            _reports(folder / "reports-2024-06.csv"),
            past,
            {Delivery.parse(due.delivery): due for due in timetable.dues},
        )

    @cached_property
    def agencies(self) -> list[str]:
        """The units whose Kafka door is on."""
        return [unit.code for unit in self.units.values() if unit.kafka_door]


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from csv.DictReader(file)


def _reports(path: Path) -> dict[Delivery, Report]:
    figures: dict[Delivery, dict[Cell, str]] = defaultdict(dict)
    numbers: dict[Delivery, str] = {}
    for row in _rows(path):
        delivery = Delivery(row["unit_code"], row["form_code"], row["period"], row["status"])
        cell = Cell(row["indicator_code"], _dimensions(row["dimensions"]), row["column"])
        figures[delivery][cell] = row["value"]
        numbers[delivery] = row["document_number"]
    return {delivery: Report(delivery, numbers[delivery], cells) for delivery, cells in figures.items()}


def _dimensions(text: str) -> Dimensions:
    """Read `GEO=568|SEX=F`."""
    pairs = (part.split("=", 1) for part in text.split("|") if part)
    return tuple(sorted((name, code) for name, code in pairs))


def _required(folder: Path) -> dict[str, frozenset[tuple[str, tuple[str, ...]]]]:
    required: dict[str, set[tuple[str, tuple[str, ...]]]] = defaultdict(set)
    for row in _rows(folder / "form_lines.csv"):
        if row["required"] == "true":
            names = tuple(sorted(part.split("=")[0] for part in row["dimensions"].split("|") if part))
            required[row["form_code"]].add((row["indicator_code"], names))
    return {form: frozenset(lines) for form, lines in required.items()}


def _parents(folder: Path) -> dict[str, dict[str, str]]:
    parents: dict[str, dict[str, str]] = defaultdict(dict)
    for row in _rows(folder / "codes.csv"):
        if row["parent"]:
            parents[row["dimension"]][row["code"]] = row["parent"]
    return parents


def _timetable(folder: Path) -> Timetable:
    calendar = json.loads((folder / "calendar.json").read_text(encoding="utf-8"))
    zone = ZoneInfo(calendar["timezone"])
    dues = []
    for row in _rows(folder / "expected-deadlines.csv"):
        delivery = Delivery(row["unit_code"], row["form_code"], row["period"], row["status"])
        day = date.fromisoformat(row["due_on"])
        due_at = datetime.combine(day, END_OF_DAY, zone)
        opens_at = datetime.combine(day - timedelta(days=OPEN_DAYS_BEFORE), time.min, zone)
        dues.append(Due(str(delivery), delivery.unit, delivery.form, due_at, opens_at))
    contacts = [
        Contact(
            row["id"],
            row["unit_code"],
            row["email"],
            row["role"] == "responsible",
            tuple(filter(None, row["forms"].split(";"))),
            date.fromisoformat(row["valid_from"]) if row["valid_from"] else None,
            date.fromisoformat(row["valid_until"]) if row["valid_until"] else None,
        )
        for row in _rows(folder / "contacts.csv")
    ]
    reminders = [Reminder(step["days_before"], time.fromisoformat(step["at"])) for step in calendar["reminders"]]
    return Timetable(dues, contacts, reminders, zone)
