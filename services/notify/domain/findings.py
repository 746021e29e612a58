"""What a returned mail tells of a verdict: the errors, with the names of their cells."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from services.notify.domain.letter import Mistake
from shared.catalogue.snapshot import Snapshot
from shared.delivery_id import DeliveryId
from shared.events.cells import VALUE_COLUMN, CellKey
from shared.events.findings import Finding, Severity


@dataclass(frozen=True, slots=True)
class Verdict:
    """A returned judgement as it is kept for its mail: `errors` are the first ones of `error_count`."""

    version: int
    judgement: int
    received_at: datetime
    error_count: int
    errors: tuple[Finding, ...]


def errors_of(findings: tuple[Finding, ...], count_max: int) -> tuple[Finding, ...]:
    """Return the first errors among findings; only they have to be mended."""
    return tuple(finding for finding in findings if finding.severity is Severity.ERROR)[:count_max]


def mistakes_of(verdict: Verdict, delivery: DeliveryId, snapshot: Snapshot) -> tuple[Mistake, ...]:
    """Return the errors in words, with the names of indicators and codes that hold for the period."""
    return tuple(_mistake(finding, delivery, snapshot) for finding in verdict.errors)


def _mistake(finding: Finding, delivery: DeliveryId, snapshot: Snapshot) -> Mistake:
    place = finding.place
    return Mistake(
        where=cell_words(finding.cell, delivery, snapshot) if finding.cell is not None else finding.document or "",
        address=f"{place.sheet}!{place.address}" if place is not None else "",
        message=finding.message.vi,
        mend=finding.mend.vi if finding.mend is not None else "",
        expected=number_words(finding.expected),
        observed=number_words(finding.observed),
    )


def cell_words(cell: CellKey, delivery: DeliveryId, snapshot: Snapshot) -> str:
    """Return a cell's name: indicator, the names of its codes, and the column where it is not the plain value."""
    day = delivery.period.bounds()[1]
    indicator = snapshot.indicator(cell.indicator, day)
    parts = [f"{cell.indicator} {indicator.name.vi}" if indicator else cell.indicator]
    parts += [_code_name(snapshot, dimension, code, day) for dimension, code in cell.dimensions]
    if cell.column != VALUE_COLUMN:
        form = snapshot.form(delivery.form, delivery.period)
        names = {column.id: column.name.vi for column in form.columns} if form else {}
        parts.append(f"cột {names.get(cell.column, cell.column)}")
    return " – ".join(parts)


def number_words(text: str | None) -> str:
    """Return a decimal as Vietnamese offices write it (62.585,4); another text unchanged, None as the empty text."""
    if text is None:
        return ""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    if not number.is_finite():
        return text
    return f"{number:,f}".translate(str.maketrans(",.", ".,"))


def _code_name(snapshot: Snapshot, dimension: str, code: str, day: date) -> str:
    listed = snapshot.code_list(dimension, day)
    names = {each.code: each.name.vi for each in listed.codes} if listed else {}
    return names.get(code, f"{dimension} {code}")
