"""What should never have been sent: wrong packages, which get a `rejected` answer, and garbage. Pure."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from demo.delivery import Delivery
from demo.dispatch import Body, Dispatch, Garbage, GarbageBody, PackageBody, ReportBody
from demo.ledger import Door, Outcome
from demo.sample import Cell, Figures, Report, Sample
from demo.stands import Stand

UNKNOWN_FORM = "099.T/BCS-KHONG-CO"
UNKNOWN_CODE = "999"
UNKNOWN_INDICATOR = "KH9999"
YEARS_TOO_EARLY = 1  # next year's report is not open yet

UNAUTHORISED, TOO_LARGE = 401, 413


def wrong_packages(sample: Sample, at: Sequence[Stand], chance: random.Random) -> Iterator[Dispatch]:
    """Yield each kind of wrong package once for each of the doors that take JSON."""
    spoilers: dict[str, Callable[[Report], PackageBody]] = {
        "unknown form": lambda report: replace(_package(report), form=UNKNOWN_FORM),
        "another unit's form": lambda report: replace(_package(report), form=_foreign_form(report, sample, chance)),
        "wrong period": _wrong_period,
        "on behalf of another unit": lambda report: replace(
            _package(report), on_behalf_of=_other_unit(report.delivery.unit, sample, chance)
        ),
        "code not in its list": _unknown_code,
        "cell not on the form": lambda report: _with_figures(
            report, {**report.figures, Cell(UNKNOWN_INDICATOR, (), "value"): "1"}
        ),
    }
    number = 0
    for what, spoiled in spoilers.items():
        for door in (Door.KAFKA, Door.JSON):
            number += 1
            report, stand = _somewhere(sample, at, chance, door)
            item = f"w{number:02d}"
            yield Dispatch(item, item, what, stand, 0, door, report.delivery.unit, Outcome.REJECTED, spoiled(report))


def garbage(sample: Sample, at: Sequence[Stand], chance: random.Random) -> Iterator[Dispatch]:
    """Yield each kind of garbage at the doors where it can come in."""
    kinds: tuple[tuple[Garbage, Door, Outcome, int | None], ...] = (
        (Garbage.NOT_JSON, Door.KAFKA, Outcome.DEAD_LETTER, None),
        (Garbage.TORN_JSON, Door.KAFKA, Outcome.DEAD_LETTER, None),
        (Garbage.NO_ID, Door.KAFKA, Outcome.DEAD_LETTER, None),
        (Garbage.BAD_HEADER, Door.KAFKA, Outcome.DEAD_LETTER, None),
        (Garbage.UNKNOWN_TYPE, Door.KAFKA, Outcome.REJECTED, None),
        (Garbage.NOT_JSON, Door.JSON, Outcome.REFUSED, None),
        (Garbage.TOO_LARGE, Door.JSON, Outcome.REFUSED, TOO_LARGE),
        (Garbage.NO_TOKEN, Door.JSON, Outcome.REFUSED, UNAUTHORISED),
        (Garbage.UNKNOWN_TOKEN, Door.JSON, Outcome.REFUSED, UNAUTHORISED),
        (Garbage.TORN_WORKBOOK, Door.EXCEL, Outcome.REFUSED, None),
    )
    for number, (kind, door, outcome, status) in enumerate(kinds, 1):
        report, stand = _somewhere(sample, at, chance, door)
        item, unit = f"g{number:02d}", report.delivery.unit
        body: Body = GarbageBody(kind, _package(report))
        yield Dispatch(item, item, kind.value, stand, 0, door, unit, outcome, body, status_expected=status)


def _somewhere(sample: Sample, at: Sequence[Stand], chance: random.Random, door: Door) -> tuple[Report, int]:
    """Choose a report with a breakdown whose unit may use the door, and a stand at which it is open."""
    stand = chance.choice(at[:-1])  # the last one is for those who are late
    reports = [
        report
        for delivery, report in sample.reports.items()
        if sample.dues[delivery].opens_at <= stand.at
        and (door is not Door.KAFKA or sample.units[delivery.unit].kafka_door)
        and any(cell.dimensions for cell in report.figures)
    ]
    return chance.choice(reports), stand.number


def _package(report: Report) -> PackageBody:
    return _with_figures(report, report.figures)


def _with_figures(report: Report, figures: Figures) -> PackageBody:
    body = ReportBody(report.delivery, figures)
    return PackageBody(report.delivery.form, report.document_number, (body,))


def _wrong_period(report: Report) -> PackageBody:
    delivery = report.delivery
    year, dash, rest = delivery.period.partition("-")
    wrong = replace(delivery, period=f"{int(year) + YEARS_TOO_EARLY}{dash}{rest}")
    return PackageBody(delivery.form, report.document_number, (ReportBody(wrong, report.figures),))


def _unknown_code(report: Report) -> PackageBody:
    figures: Mapping[Cell, str] = report.figures
    cell = next(cell for cell in figures if cell.dimensions)
    (name, _), *rest = cell.dimensions
    unknown = replace(cell, dimensions=((name, UNKNOWN_CODE), *rest))
    return _with_figures(
        report, {**{key: text for key, text in figures.items() if key != cell}, unknown: figures[cell]}
    )


def _foreign_form(report: Report, sample: Sample, chance: random.Random) -> str:
    owed = {delivery.form for delivery in _all(sample) if delivery.unit == report.delivery.unit}
    return chance.choice(sorted({delivery.form for delivery in _all(sample)} - owed))


def _other_unit(unit: str, sample: Sample, chance: random.Random) -> str:
    return chance.choice(sorted({delivery.unit for delivery in sample.reports} - {unit}))


def _all(sample: Sample) -> list[Delivery]:
    return [*sample.reports, *sample.past]
