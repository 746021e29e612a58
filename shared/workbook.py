"""The one layout of a form's workbook: which cell of which delivery stands where. Pure; catalogue writes by it,
ingest reads by it.

Sheet `Biểu`: the head in rows 1 to 4, the column heads in rows 5 to 7, the figures from row 8 on. Column A names the
row, B holds its code, C the unit of measure; then for each delivery its columns side by side, numbered in row 7. A
hidden sheet says which form and deliveries the workbook is for, so that nobody has to type them; beside that it lists
the rows and columns by their codes, for programs that fill the form.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.catalogue.form_cells import FormCell
from shared.delivery_id import DeliveryId
from shared.events.cells import CellKey, Dimensions, Place

LAYOUT_VERSION = "1"
DATA_SHEET = "Biểu"
IDENTITY_SHEET = "_lienthong"
IDENTITY_ROWS = (
    "layout",
    "form",
    "release",
)  # column A names, column B values; then a row `delivery` for each delivery
KEY_FIRST_COLUMN = 4  # D to F: row, indicator, dimensions (`GEO=568|SEX=F`); G to I: column, delivery, id
FIRST_DATA_ROW = 8
FIRST_VALUE_COLUMN = 4  # D
NOT_APPLICABLE_MARK = "x"  # in a cell that the unit need not fill


@dataclass(frozen=True, slots=True)
class Row:
    """One row of figures: `number` as Excel counts (from 1), indicator and dimension codes."""

    number: int
    indicator: str
    dimensions: Dimensions


@dataclass(frozen=True, slots=True)
class ValueColumn:
    """One column of figures: `number` as Excel counts (from 1), the delivery and the form's column id."""

    number: int
    delivery: DeliveryId
    column: str


@dataclass(frozen=True)
class Layout:
    """Where everything stands in the workbook of these deliveries."""

    deliveries: tuple[DeliveryId, ...]
    rows: tuple[Row, ...]
    columns: tuple[ValueColumn, ...]
    places: Mapping[tuple[DeliveryId, CellKey], Place]


def layout_of(cells: Mapping[DeliveryId, Sequence[FormCell]]) -> Layout:
    """Return the layout for deliveries of one form, in the given order (shorter periods first reads best)."""
    rows: dict[tuple[str, Dimensions], Row] = {}
    columns: dict[tuple[DeliveryId, str], ValueColumn] = {}
    for delivery, form_cells in cells.items():
        for cell in form_cells:
            key = cell.key
            row = (key.indicator, key.dimensions)
            rows.setdefault(row, Row(FIRST_DATA_ROW + len(rows), *row))
            column = (delivery, key.column)
            columns.setdefault(column, ValueColumn(FIRST_VALUE_COLUMN + len(columns), *column))
    places = {
        (delivery, cell.key): Place(
            sheet=DATA_SHEET,
            address=address_of(
                rows[cell.key.indicator, cell.key.dimensions].number, columns[delivery, cell.key.column].number
            ),
        )
        for delivery, form_cells in cells.items()
        for cell in form_cells
    }
    return Layout(tuple(cells), tuple(rows.values()), tuple(columns.values()), places)


def row_code(row: Row) -> str:
    """Return what column B says: the indicator's code, or the codes of a breakdown; ingest finds moved rows by it."""
    return "; ".join(f"{dimension}={code}" for dimension, code in row.dimensions) or row.indicator


def address_of(row: int, column: int) -> str:
    """Return an A1 address; both count from 1."""
    letters = ""
    while column:
        column, remainder = divmod(column - 1, 26)
        letters = chr(ord("A") + remainder) + letters
    return f"{letters}{row}"
