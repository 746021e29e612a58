"""Reads a filled form by the one layout: which form and deliveries it is for, and what each cell holds."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from services.ingest.domain.findings import Door, finding, printable
from services.ingest.domain.incoming import ExcelValue, Incoming, IncomingReport, ObservedCell, Where
from services.ingest.domain.value import ValueProblem
from shared.catalogue.form_cells import FormCell, cells_of
from shared.catalogue.snapshot import Snapshot
from shared.delivery_id import DeliveryId, normalise_code
from shared.events.cells import Place
from shared.events.findings import Finding
from shared.text import Text
from shared.workbook import (
    DATA_SHEET,
    FIRST_DATA_ROW,
    FIRST_VALUE_COLUMN,
    IDENTITY_ROWS,
    IDENTITY_SHEET,
    LAYOUT_VERSION,
    NOT_APPLICABLE_MARK,
    Layout,
    address_of,
    layout_of,
    row_code,
)

DELIVERIES_MAX = 12
CODE_COLUMN = 2
NUMBER_ROW = FIRST_DATA_ROW - 1
CHANGED_NAMED_MAX = 20

MEND = Text(
    vi="Tải lại biểu từ hệ thống và chép số liệu vào; không thêm, xoá, đổi chỗ hàng và cột.",
    en="Download the form again and copy the figures into it; do not add, delete or move rows and columns.",
)


class Grid(Protocol):
    """A sheet's values."""

    @property
    def errors(self) -> Mapping[str, str]:
        """Cells that hold no value to be read, by address: an error such as `#REF!`, or "" for a bare formula."""
        ...

    def value(self, row: int, column: int) -> object:
        """Return a cell's value, counted from 1; None for an empty one."""
        ...


def incoming_of_workbook(
    data: Grid, identity: Grid, unit: str, snapshot: Snapshot, document_number: str | None
) -> Incoming | tuple[Finding, ...]:
    """Return the package in a workbook, or why it is none of this unit's. Every cell of the form is in it."""
    named = _identity(identity)
    if not isinstance(named, tuple):
        return (named,)
    form, deliveries = named
    others = [each for each in deliveries if each[0].unit != unit]
    if others:
        return tuple(_other_unit(delivery, where, unit) for delivery, where in others)
    cells = {delivery: cells_of(snapshot, delivery) for delivery, _ in deliveries}
    wheres = dict(reversed(deliveries))
    observed: Mapping[DeliveryId, Sequence[ObservedCell]] = {}
    if all(cells.values()):  # else the package is rejected for the delivery that nobody owes
        layout = layout_of(cells)
        if changed := _changed(data, layout):
            return changed
        observed = _observed(data, layout, cells)
    return Incoming(
        form=form,
        document_number=document_number,
        on_behalf_of=None,
        reports=tuple(
            IncomingReport(
                delivery.period, delivery.status, observed.get(delivery, ()), (), Where(place=wheres[delivery].place)
            )
            for delivery, _ in deliveries
        ),
        where=_at(IDENTITY_SHEET, 2, 2),
    )


def _identity(sheet: Grid) -> tuple[str, list[tuple[DeliveryId, Where]]] | Finding:
    """Read the hidden sheet: layout version, form, deliveries with their places."""
    values = {}
    for number, name in enumerate(IDENTITY_ROWS, start=1):
        if _text(sheet.value(number, 1)) != name:
            return _no_identity(_at(IDENTITY_SHEET, number, 1))
        values[name] = _text(sheet.value(number, 2))
    if values["layout"] != LAYOUT_VERSION:
        return finding(
            Door.WORKBOOK_LAYOUT,
            Text(vi="Mẫu tệp đã cũ", en="The layout of the file is another version"),
            MEND,
            _at(IDENTITY_SHEET, 1, 2),
            expected=LAYOUT_VERSION,
            observed=values["layout"],
        )
    form = normalise_code(values["form"])
    deliveries: list[tuple[DeliveryId, Where]] = []
    row = len(IDENTITY_ROWS) + 1
    while _text(sheet.value(row, 1)) == "delivery":
        where = _at(IDENTITY_SHEET, row, 2)
        try:
            delivery = DeliveryId.parse(_text(sheet.value(row, 2)))
        except ValueError:
            return _no_identity(where)
        if delivery.form != form:
            return _no_identity(where)
        deliveries.append((delivery, where))
        row += 1
    if not 0 < len(deliveries) <= DELIVERIES_MAX:
        return _no_identity(_at(IDENTITY_SHEET, len(IDENTITY_ROWS) + 1, 1))
    return form, deliveries


def _changed(data: Grid, layout: Layout) -> tuple[Finding, ...]:
    """Say where rows or columns are not where the layout has them: a figure beside its place would be another one."""
    findings = [
        finding(
            Door.WORKBOOK_CHANGED,
            Text(vi=f"Hàng {row.number} không còn đúng mã", en=f"Row {row.number} does not have its code any more"),
            MEND,
            _at(DATA_SHEET, row.number, CODE_COLUMN),
            expected=row_code(row),
            observed=_text(data.value(row.number, CODE_COLUMN)),
        )
        for row in layout.rows
        if _text(data.value(row.number, CODE_COLUMN)) != row_code(row)
    ]
    for place, column in enumerate(layout.columns, start=1):
        said = _text(data.value(NUMBER_ROW, column.number))
        if said != str(place):
            findings.append(
                finding(
                    Door.WORKBOOK_CHANGED,
                    Text(
                        vi=f"Cột {column.number} không còn đúng số thứ tự",
                        en=f"Column {column.number} does not have its number any more",
                    ),
                    MEND,
                    _at(DATA_SHEET, NUMBER_ROW, column.number),
                    expected=str(place),
                    observed=said,
                )
            )
    beyond = FIRST_VALUE_COLUMN + len(layout.columns)
    if _text(data.value(NUMBER_ROW, beyond)):
        findings.append(
            finding(
                Door.WORKBOOK_CHANGED,
                Text(vi="Biểu có thêm cột", en="The form has further columns"),
                MEND,
                _at(DATA_SHEET, NUMBER_ROW, beyond),
                observed=_text(data.value(NUMBER_ROW, beyond)),
            )
        )
    return tuple(findings[:CHANGED_NAMED_MAX])


def _observed(
    data: Grid, layout: Layout, cells: Mapping[DeliveryId, Sequence[FormCell]]
) -> dict[DeliveryId, list[ObservedCell]]:
    rows = {(row.indicator, row.dimensions): row.number for row in layout.rows}
    columns = {(column.delivery, column.column): column.number for column in layout.columns}
    observed: dict[DeliveryId, list[ObservedCell]] = {}
    for delivery, form_cells in cells.items():
        for cell in form_cells:
            key = cell.key
            place = layout.places[delivery, key]
            raw = data.value(rows[key.indicator, key.dimensions], columns[delivery, key.column])
            if not cell.applicable and _text(raw).lower() == NOT_APPLICABLE_MARK:
                raw = None  # the catalogue wrote it there
            value = ExcelValue(raw)
            if (error := data.errors.get(place.address)) is not None:
                fault = ValueProblem.FORMULA_ERROR if error else ValueProblem.FORMULA_WITHOUT_VALUE
                value = ExcelValue(error or "=", fault)
            observed.setdefault(delivery, []).append(ObservedCell(key, value, Where(place=place)))
    return observed


def _at(sheet: str, row: int, column: int) -> Where:
    return Where(place=Place(sheet=sheet, address=address_of(row, column)))


def _text(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else printable(str(value).strip())


def _no_identity(where: Where) -> Finding:
    return finding(
        Door.WORKBOOK_NO_IDENTITY,
        Text(
            vi=f"Trang ẩn «{IDENTITY_SHEET}» không cho biết biểu và kỳ báo cáo",
            en=f"The hidden sheet “{IDENTITY_SHEET}” does not say form and deliveries",
        ),
        MEND,
        where,
    )


def _other_unit(delivery: DeliveryId, where: Where, unit: str) -> Finding:
    return finding(
        Door.WORKBOOK_OTHER_UNIT,
        Text(
            vi=f"Biểu này của đơn vị {delivery.unit}, không phải {unit}",
            en=f"This form is for the unit {delivery.unit}, not for {unit}",
        ),
        MEND,
        where,
        expected=unit,
        observed=delivery.unit,
    )
