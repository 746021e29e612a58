"""Write the derived files of the sample: `history/`, `reports-2024-06.csv` and `expected-deadlines.csv`.

Run `python examples/khanh-hoa/generate.py` after a change of the hand-written files; `--out FOLDER` writes elsewhere.
The figures are invented (`figures/*.csv` holds their levels and weights) and add up as the rules ask.

The deadlines were worked out by hand, on a calendar sheet of 2024, for the reference periods that end in June:

- 1 June is a Saturday, so 12 June is a Wednesday and 18 June a Tuesday: `P+0:D12` and `P+0:D18` do not move.
- 30 June is a Sunday; July starts on a Monday and has no public holiday. Its working days are Mon 1, Tue 2, Wed 3,
  Thu 4, Fri 5: the fifth one (`P+1:WD05`) is Friday 5 July, the same day as `P+1:D05`.
- `P+1:D06` is Saturday 6 July, no swapped working Saturday: it moves to the next working day, Monday 8 July.
- 10 July is a Wednesday (`P+1:D10`), 18 July a Thursday (`P+1:D18`).
"""
# ruff: noqa: INP001 - a folder of data, no package

import argparse
import csv
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

from series import Key, Level, Margin, Series, Weights, drawn

HERE = Path(__file__).parent
DUE_IN_JUNE = {  # due rule → (day, day before the shift)
    "P+0:D12": ("2024-06-12", ""),
    "P+0:D18": ("2024-06-18", ""),
    "P+1:D05": ("2024-07-05", ""),
    "P+1:WD05": ("2024-07-05", ""),
    "P+1:D06": ("2024-07-08", "2024-07-06"),
    "P+1:D10": ("2024-07-10", ""),
    "P+1:D18": ("2024-07-18", ""),
}
FIRM_EARLY = {"P+1:D05", "P+1:WD05"}
"""Rules by which the firm figure of May is due (5 and 7 June) before the demo's clock starts on 10 June."""
STATUSES = ("estimate", "preliminary", "final")
MONTHS = {"M": 1, "Q": 3, "S": 6}
NOT_COLLECTED_SHARE = 0.3
FIGURE_COLUMNS = (
    "unit_code", "form_code", "period", "status", "document_number", "indicator_code", "dimensions", "column", "value",
)  # fmt: skip
HISTORY = (  # file, year, last month, frequencies, first document number of a unit
    ("2023-06.csv", 2023, 6, ("M", "Q", "S"), 201),
    ("2024-03.csv", 2024, 3, ("Q",), 61),
    ("2024-05.csv", 2024, 5, ("M",), 141),
)
FIRST_JUNE_DOCUMENT = 171


@dataclass(frozen=True, slots=True)
class Line:
    """A row of `form_lines.csv`: dimension and codes (empty: the whole list), columns, precision."""

    indicator: str
    dimensions: tuple[tuple[str, tuple[str, ...]], ...]
    columns: tuple[str, ...]
    decimals: int
    required: bool


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one unit sends: form, frequency, status, by which due rule, with which indicators."""

    unit: str
    form: str
    frequency: str
    status: str
    due_rule: str
    indicators: frozenset[str]


def rows(name: str) -> list[dict[str, str]]:
    """Read one CSV file of the sample."""
    with (HERE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def listed(text: str) -> tuple[str, ...]:
    """Split a field that holds a list."""
    return tuple(filter(None, text.split(";")))


def index(year: int, month: int) -> int:
    """Return a month as a running number."""
    return year * 12 + month - 1


def period_code(frequency: str, year: int, month: int) -> str:
    """Return the code of the period that ends with a month."""
    return {"M": f"{year}-{month:02d}", "Q": f"{year}-Q{month // 3}", "S": f"{year}-S1"}[frequency]


class Sample:
    """The hand-written files, as the generator asks for them."""

    def __init__(self) -> None:
        self.geo = {unit["code"]: unit["geo_code"] for unit in rows("units.csv") if unit["kind"] == "district"}
        self.accumulation = {indicator["code"]: indicator["accumulation"] for indicator in rows("indicators.csv")}
        self.codes: dict[str, list[str]] = {}
        for code in rows("codes.csv"):
            self.codes.setdefault(code["dimension"], []).append(code["code"])
        self.lines: dict[str, list[Line]] = {}
        for row in rows("form_lines.csv"):
            parts = [part.partition("=") for part in filter(None, row["dimensions"].split("|"))]
            self.lines.setdefault(row["form_code"], []).append(
                Line(
                    row["indicator_code"],
                    tuple((name, listed(codes)) for name, _, codes in parts),
                    listed(row["columns"]),
                    int(row["decimals"]),
                    row["required"] == "true",
                )
            )
        self.exempt: dict[tuple[str, str], list[tuple[str, tuple[str, ...]]]] = {}
        for row in rows("not_applicable.csv"):
            owner = (row["unit_code"], row["indicator_code"])
            self.exempt.setdefault(owner, []).append((row["dimension"], listed(row["codes"])))
        self.deliveries = list(self._deliveries())
        year_before = [rule["form_code"] for rule in rows("rules.csv") if "year_before" in rule["expression"]]
        self.compared_with_last_year = frozenset(year_before)

    @staticmethod
    def _deliveries() -> Iterator[Delivery]:
        indicators: dict[tuple[str, str, str, str, str], set[str]] = {}
        for row in rows("obligations.csv"):
            if row["frequency"] in MONTHS:
                key = (row["unit_code"], row["form_code"], row["frequency"], row["status"], row["due_rule"])
                indicators.setdefault(key, set()).add(row["indicator_code"])
        for key, names in indicators.items():
            yield Delivery(*key, frozenset(names))

    def cells(self, delivery: Delivery) -> Iterator[tuple[Line, Key, str]]:
        """Yield the cells that a unit has to fill, in the form's order."""
        for line in self.lines[delivery.form]:
            if line.indicator not in delivery.indicators:
                continue
            lists = [[(name, code) for code in codes or self.codes[name]] for name, codes in line.dimensions]
            for combination in product(*lists):
                key = tuple(sorted(combination))
                for column in line.columns if self._applies(delivery.unit, line.indicator, key) else ():
                    yield line, key, column

    def _applies(self, unit: str, indicator: str, key: Key) -> bool:
        held = dict(key)
        exemptions = self.exempt.get((unit, indicator), ())
        return not any(not name or held.get(name) in codes for name, codes in exemptions)

    def latest(self, delivery: Delivery) -> bool:
        """Whether no firmer figure is ever due for the same unit, form and frequency."""
        return not any(
            (other.unit, other.form, other.frequency) == (delivery.unit, delivery.form, delivery.frequency)
            and STATUSES.index(other.status) > STATUSES.index(delivery.status)
            for other in self.deliveries
        )

    def margins(self, unit: str, indicator: str) -> list[Margin]:
        """Return the breakdowns of an indicator on the unit's forms, from the total outwards."""
        level = self.level(unit, indicator)
        found: set[Margin] = {()} if level.behaviour.startswith(("count", "copy", "per")) else set()
        for other in self.parts_copied(indicator):
            found |= {(), (other,)}
        for form in {delivery.form for delivery in self.deliveries if delivery.unit == unit}:
            found |= {
                tuple(sorted(name for name, _ in line.dimensions))
                for line in self.lines[form]
                if line.indicator == indicator
            }
        return sorted(found, key=lambda margin: (len(margin), margin))

    def parts_copied(self, indicator: str) -> set[str]:
        """Return the dimensions of an indicator of which another one repeats a part."""
        sources = (row["behaviour"].partition(":")[2] for row in rows("figures/levels.csv"))
        parts = (source.partition("/") for source in sources)
        return {part.partition("=")[0] for name, _, part in parts if name == indicator and part}

    def decimals(self, unit: str, indicator: str) -> int:
        """Return the precision of an indicator on the unit's forms, or elsewhere where it is on none of them."""
        own = {delivery.form for delivery in self.deliveries if delivery.unit == unit}
        found = [
            (form not in own, line.decimals)
            for form, lines in self.lines.items()
            for line in lines
            if line.indicator == indicator
        ]
        return min(found)[1]

    def level(self, unit: str, indicator: str) -> Level:
        """Return the level of an indicator: the unit's own where it has one."""
        own = [row for row in rows("figures/levels.csv") if row["indicator_code"] == indicator]
        row = next((row for row in own if row["scope"] == unit), None) or next(r for r in own if not r["scope"])
        percent = {name: float(row[name] or 0) / 100 for name in ("noise_percent", "growth_percent")}
        season = tuple(map(float, listed(row["season"])))
        return Level(float(row["level"]), row["behaviour"], percent["noise_percent"], percent["growth_percent"], season)

    def weights(self, unit: str, indicator: str, dimension: str) -> Weights:
        """Return the weights of a breakdown: the unit's own, the districts', the indicator's, the dimension's."""
        kinds = [unit, "district", ""] if unit in self.geo else [unit, ""]
        wanted = [(name, kind) for name in (indicator, "") for kind in kinds]
        table = {(row["indicator_code"], row["scope"]): row for row in rows("figures/weights.csv")
                 if row["dimension"] == dimension}  # fmt: skip
        row = next(table[key] for key in wanted if key in table)
        return Weights({code: float(weight) for code, _, weight in (p.partition("=") for p in listed(row["weights"]))})

    def district_share(self, unit: str, indicator: str) -> float:
        """Return a district's share of the province's figure; 1 for everybody else."""
        if unit not in self.geo:
            return 1.0
        weights = self.weights("", indicator, "GEO").of
        return weights.get(self.geo[unit], 0) / sum(weights.values())


class Reporter:
    """Fills deliveries from the series."""

    def __init__(self, sample: Sample) -> None:
        self.sample = sample
        self.series = Series(
            cache(sample.level), cache(sample.weights), cache(sample.margins), cache(sample.decimals),
            cache(sample.district_share),
        )  # fmt: skip
        self.estimated_in_may = {d.unit for d in sample.deliveries if d.frequency == "M" and not self._firm_in_may(d)}

    def _firm_in_may(self, delivery: Delivery) -> bool:
        ours = [
            d for d in self.sample.deliveries if (d.unit, d.form, d.frequency) == (delivery.unit, delivery.form, "M")
        ]
        return len(ours) == 1 or any(other.due_rule in FIRM_EARLY for other in ours)

    def status_in_history(self, delivery: Delivery, month: int) -> bool:
        """Whether this delivery is the one that history holds: the firmest that was due when the demo starts."""
        if delivery.frequency != "M" or month != index(2024, 5) or self._firm_in_may(delivery):
            return self.sample.latest(delivery)
        return delivery.status == "estimate"

    def _vintage(self, delivery: Delivery, month: int) -> str:
        """Return how firm a month is in what this unit sends: only May and June 2024 may still be estimates."""
        if month == index(2024, 5):
            return "estimate" if delivery.unit in self.estimated_in_may else "firm"
        return "estimate" if month == index(2024, 6) and delivery.status == "estimate" else "firm"

    def _number(self, delivery: Delivery, indicator: str, key: Key, months: range) -> int:
        if self.sample.accumulation[indicator] != "flow":
            months = months[-1:]
        cells = (self.series.month(delivery.unit, indicator, m, self._vintage(delivery, m)) for m in months)
        return sum(cell[key] for cell in cells)

    def figures(self, delivery: Delivery, year: int, month: int, document: str) -> Iterator[tuple[str, ...]]:
        """Yield the rows of one report, a cell each."""
        last, period = index(year, month), period_code(delivery.frequency, year, month)
        for line, key, column in self.sample.cells(delivery):
            first = index(year, 1) if column == "cumulative" else last - MONTHS[delivery.frequency] + 1
            number = self._number(delivery, line.indicator, key, range(first, last + 1))
            value = _written(number, line.decimals)
            if not line.required and _withheld(delivery, line.indicator, key, period):
                value = "..."
            dimensions = "|".join(f"{name}={code}" for name, code in key)
            head = (delivery.unit, delivery.form, period, delivery.status, document)
            yield (*head, line.indicator, dimensions, column, value)

    def history(self, year: int, month: int, frequencies: Iterable[str], first_document: int) -> list[tuple[str, ...]]:
        """Return the accepted reports of the periods that end with a month."""
        wanted = [
            delivery
            for delivery in self.sample.deliveries
            if delivery.frequency in frequencies
            and self.status_in_history(delivery, index(year, month))
            and (year == 2024 or delivery.frequency == "S" or delivery.form in self.sample.compared_with_last_year)
        ]
        return self._packages(wanted, year, month, first_document)

    def _packages(self, wanted: Iterable[Delivery], year: int, month: int, first: int) -> list[tuple[str, ...]]:
        """Put what a unit owes on one form the same day into one document, numbered within the unit."""
        packages: dict[tuple[str, str, str, str], list[Delivery]] = {}
        for delivery in wanted:
            packages.setdefault((delivery.unit, delivery.form, delivery.status, delivery.due_rule), []).append(delivery)
        numbers: dict[str, int] = {}
        written: list[tuple[str, ...]] = []
        for (unit, *_), deliveries in packages.items():
            numbers[unit] = numbers.get(unit, first - 1) + 1
            for delivery in sorted(deliveries, key=lambda one: MONTHS[one.frequency]):
                written += self.figures(delivery, year, month, f"{numbers[unit]}/BC-{unit}")
        return written

    def june(self) -> list[tuple[str, ...]]:
        """Return what every unit owes for the periods that end in June 2024."""
        order = sorted(self.sample.deliveries, key=lambda one: DUE_IN_JUNE[one.due_rule][0])
        return self._packages(order, 2024, 6, FIRST_JUNE_DOCUMENT)


def _written(number: int, decimals: int) -> str:
    """Write a scaled number; a true zero is `-`."""
    if not number:
        return "-"
    sign, digits = "-" if number < 0 else "", f"{abs(number):0{decimals + 1}d}"
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}" if decimals else f"{sign}{digits}"


def _withheld(delivery: Delivery, indicator: str, key: Key, period: str) -> bool:
    return drawn("withheld", delivery.unit, delivery.form, indicator, key, period).random() < NOT_COLLECTED_SHARE


def deadlines(deliveries: Iterable[Delivery]) -> list[tuple[str, ...]]:
    """Return unit, form, period, status, due day and the day it was moved from, for June's deliveries."""
    return [
        (one.unit, one.form, period_code(one.frequency, 2024, 6), one.status, *DUE_IN_JUNE[one.due_rule])
        for one in deliveries
    ]


def write(path: Path, columns: Iterable[str], lines: Iterable[tuple[str, ...]]) -> None:
    """Write one CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(lines)


def main(arguments: list[str]) -> None:
    """Write the derived files."""
    parser = argparse.ArgumentParser(description="Write the sample's derived files.")
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to (default: the sample's own)")
    out: Path = parser.parse_args(arguments).out
    sample = Sample()
    reporter = Reporter(sample)
    for name, year, month, frequencies, first in HISTORY:
        write(out / "history" / name, FIGURE_COLUMNS, reporter.history(year, month, frequencies, first))
    write(out / "reports-2024-06.csv", FIGURE_COLUMNS, reporter.june())
    columns = ("unit_code", "form_code", "period", "status", "due_on", "shifted_from")
    write(out / "expected-deadlines.csv", columns, deadlines(sample.deliveries))


if __name__ == "__main__":
    main(sys.argv[1:])
