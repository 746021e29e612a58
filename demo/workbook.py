"""Fills a form as a script of a unit would: by the codes that the workbook's own hidden sheet lists."""

from collections.abc import Mapping
from io import BytesIO

from openpyxl import load_workbook
from openpyxl.worksheet.worksheet import Worksheet

from demo.delivery import Delivery
from demo.sample import MARKS, Dimensions, Figures

DATA_SHEET = "Biểu"
KEY_SHEET = "_lienthong"
KEY_COLUMNS = 6  # row, indicator, dimensions, column, delivery, id
KEY_FIRST_COLUMN = 4

Place = tuple[int, int]


class FormError(Exception):
    """The rendered form is not the one that was asked for."""


def fill(workbook: bytes, figures: Mapping[Delivery, Figures]) -> bytes:
    """Return the workbook with the figures of each delivery. Raises FormError for a figure without a place."""
    book = load_workbook(BytesIO(workbook))
    sheet = book[DATA_SHEET]
    rows, columns = places_of(book[KEY_SHEET])
    for delivery, reported in figures.items():
        for cell, text in reported.items():
            row, column = rows.get((cell.indicator, cell.dimensions)), columns.get((delivery, cell.column))
            if row is None or column is None:
                raise FormError(f"the form has no place for {cell} of {delivery.short}")
            sheet.cell(row, column).value = written(text)
    filled = BytesIO()
    book.save(filled)
    return filled.getvalue()


def written(text: str) -> int | float | str | None:
    """Return what a person types into a cell: a number, a mark, or nothing."""
    if text == "":
        return None
    if text in MARKS:
        return text
    return float(text) if "." in text else int(text)


def places_of(
    key: Worksheet,
) -> tuple[Mapping[tuple[str, Dimensions], int], Mapping[tuple[Delivery, str], int]]:
    """Return row by (indicator, dimensions) and column by (delivery, column id)."""
    rows: dict[tuple[str, Dimensions], int] = {}
    columns: dict[tuple[Delivery, str], int] = {}
    last = KEY_FIRST_COLUMN + KEY_COLUMNS - 1
    for line in key.iter_rows(min_row=2, min_col=KEY_FIRST_COLUMN, max_col=last, values_only=True):
        row, indicator, dimensions, column, delivery, column_id = line
        if row is not None:
            rows[str(indicator), _pairs(str(dimensions or ""))] = int(str(row))
        if column is not None:
            columns[Delivery.parse(str(delivery)), str(column_id)] = int(str(column))
    return rows, columns


def _pairs(text: str) -> Dimensions:
    pairs = (part.split("=", 1) for part in text.split("|") if part)
    return tuple(sorted((name, code) for name, code in pairs))
