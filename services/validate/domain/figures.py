"""Accepted figures as rules look them up: by unit, form and period, the firmest status first."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol
from urllib.parse import quote

from shared.delivery_id import DeliveryId, Status
from shared.events.cells import CellKey
from shared.periods import Period

Numbers = Mapping[str, Decimal]
"""The numbers of one delivery by `cell_code`; a cell without a number is not there."""

Series = tuple[str, str, Period]
"""Unit, form and period: what up to three statuses report on."""

_FIRMEST_FIRST = tuple(sorted(Status, key=lambda status: status.rank, reverse=True))


def cell_code(key: CellKey) -> str:
    """Return a cell's key as text, `KH0301[GEO=568].value`; equal texts are equal cells, whatever the codes hold."""
    codes = ",".join(f"{_quoted(dimension)}={_quoted(code)}" for dimension, code in key.dimensions)
    return f"{_quoted(key.indicator)}[{codes}].{_quoted(key.column)}"


def _quoted(text: str) -> str:
    return text if text.isalnum() else quote(text, safe="")


class References(Protocol):
    """The accepted figures of one unit's form."""

    def number(self, period: Period, cell: str) -> Decimal | None:
        """Return a cell's number in a period, None where there is none."""
        ...


@dataclass
class AcceptedFigures:
    """Accepted figures of a batch's units; grows as the batch is judged."""

    _held: dict[Series, dict[Status, Numbers]] = field(default_factory=dict)

    def accept(self, delivery: DeliveryId, numbers: Numbers) -> None:
        """Take the numbers of a delivery in; those of an earlier version go."""
        series = (delivery.unit, delivery.form, delivery.period)
        self._held.setdefault(series, {})[delivery.status] = numbers

    def of(self, unit: str, form: str) -> References:
        """Return the figures of one unit's form."""
        return _UnitForm(self._held, unit, form)


@dataclass(frozen=True, slots=True)
class _UnitForm:
    held: Mapping[Series, Mapping[Status, Numbers]]
    unit: str
    form: str

    def number(self, period: Period, cell: str) -> Decimal | None:
        by_status = self.held.get((self.unit, self.form, period))
        if by_status:
            for status in _FIRMEST_FIRST:
                number = by_status[status].get(cell) if status in by_status else None
                if number is not None:
                    return number
        return None
