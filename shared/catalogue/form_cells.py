"""The cells of one delivery: a form's templates exploded for one obligation and period."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from shared.catalogue.snapshot import Snapshot
from shared.delivery_id import DeliveryId
from shared.events.catalogue import Line, NotApplicable
from shared.events.cells import CellKey


@dataclass(frozen=True, slots=True)
class FormCell:
    """One cell of a form: `line` is its template's index; `decimals` its precision."""

    key: CellKey
    line: int
    decimals: int
    required: bool
    applicable: bool


def cells_of(snapshot: Snapshot, delivery: DeliveryId) -> tuple[FormCell, ...]:
    """Return every cell of a delivery in the form's order; empty when nobody owes it.

    Lines of indicators that the obligation does not name are left out, and columns that are not for this frequency.
    """
    obligation, form = snapshot.obligation(delivery), snapshot.form(delivery.form, delivery.period)
    if obligation is None or form is None:
        return ()
    frequency = delivery.period.frequency
    columns = {column.id for column in form.columns if not column.frequencies or frequency in column.frequencies}
    return tuple(
        FormCell(key, number, line.decimals, line.required, not _exempt(key, obligation.not_applicable))
        for number, line in enumerate(form.lines)
        if line.indicator in obligation.indicators
        for key in _keys_of(snapshot, line, delivery, columns)
    )


def _keys_of(snapshot: Snapshot, line: Line, delivery: DeliveryId, columns: set[str]) -> Iterator[CellKey]:
    day = delivery.period.bounds()[1]
    codes: list[list[tuple[str, str]]] = []
    for dimension in line.dimensions:
        listed = snapshot.code_list(dimension.dimension, day)
        names = dimension.codes or (tuple(code.code for code in listed.codes) if listed else ())
        codes.append([(dimension.dimension, code) for code in names])
    for combination in product(*codes):
        for column in line.columns:
            if column in columns:
                yield CellKey(indicator=line.indicator, dimensions=tuple(sorted(combination)), column=column)


def _exempt(key: CellKey, exemptions: tuple[NotApplicable, ...]) -> bool:
    held = dict(key.dimensions)
    return any(
        exemption.indicator == key.indicator
        and (exemption.dimension is None or held.get(exemption.dimension) in exemption.codes)
        for exemption in exemptions
    )
