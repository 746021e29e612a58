"""What a returned mail tells of a verdict: the errors, with the names of their cells."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from services.notify.domain.letter import Mistake
from shared.catalogue.snapshot import Snapshot
from shared.delivery_id import DeliveryId
from shared.events.cells import VALUE_COLUMN, CellKey
from shared.events.findings import Finding, Severity

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_COMPARISONS = {"<=": "≤", ">=": "≥", "==": "=", "!=": "≠", "<": "<", ">": ">", "=": "="}


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
    address = f"{finding.place.sheet}!{finding.place.address}" if finding.place is not None else ""
    names = _names(finding.cell, delivery, snapshot) if finding.cell is not None else []
    where = " – ".join(names)
    return Mistake(
        where=f"{finding.cell.indicator} {where}".rstrip() if finding.cell is not None else finding.document or "",
        address=address,
        message=_without_cell(finding.message.vi, address, ", ".join(names)),
        mend=finding.mend.vi if finding.mend is not None else "",
        expected=number_words(finding.expected),
        observed=number_words(finding.observed),
    )


def _names(cell: CellKey, delivery: DeliveryId, snapshot: Snapshot) -> list[str]:
    """Return the parts of a cell's name: indicator, its codes, and the column where it is not the plain value."""
    day = delivery.period.bounds()[1]
    indicator = snapshot.indicator(cell.indicator, day)
    names = [indicator.name.vi] if indicator else []
    names += [_code_name(snapshot, dimension, code, day) for dimension, code in cell.dimensions]
    if cell.column != VALUE_COLUMN:
        form = snapshot.form(delivery.form, delivery.period)
        columns = {column.id: column.name.vi for column in form.columns} if form else {}
        names.append(f"cột «{columns.get(cell.column, cell.column)}»")
    return names


def _without_cell(message: str, address: str, name: str) -> str:
    """Return a message without the address and name of its cell, where it begins with them: the mail shows both."""
    rest = message.removeprefix(f"{address} – ").removeprefix(name)
    return rest.removeprefix(": ") if name and rest.startswith(": ") else message


def number_words(text: str | None) -> str:
    """Return a decimal as Vietnamese offices write it (62.585,4), also in a range `1..2` or after a comparison.

    Another text stays unchanged; None is the empty text.
    """
    if text is None:
        return ""
    least, dots, most = text.partition("..")
    if dots and _is_number(least) and _is_number(most):
        return f"từ {number_words(least)} đến {number_words(most)}"
    comparison, _, number = text.partition(" ")
    if comparison in _COMPARISONS:
        return f"{_COMPARISONS[comparison]} {number_words(number)}"
    return f"{Decimal(text):,f}".translate(str.maketrans(",.", ".,")) if _is_number(text) else text


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None


def _code_name(snapshot: Snapshot, dimension: str, code: str, day: date) -> str:
    listed = snapshot.code_list(dimension, day)
    names = {each.code: each.name.vi for each in listed.codes} if listed else {}
    return names.get(code, f"{dimension} {code}")
