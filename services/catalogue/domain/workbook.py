"""Renders a form's workbook by the one layout (`shared/workbook.py`): what a focal point fills in and uploads."""

from collections.abc import Mapping, Sequence
from datetime import date
from io import BytesIO
from typing import Any

import xlsxwriter
from xlsxwriter.worksheet import Worksheet

from services.catalogue.domain.workbook_text import (
    NOTE,
    PLACE_AND_DATE,
    SIGNERS,
    day_text,
    head_of,
    periods_line,
    row_name,
)
from shared.catalogue.form_cells import FormCell, cells_of
from shared.catalogue.snapshot import Snapshot
from shared.delivery_id import DeliveryId
from shared.events.catalogue import FormVersion
from shared.workbook import (
    DATA_SHEET,
    FIRST_DATA_ROW,
    FIRST_VALUE_COLUMN,
    IDENTITY_ROWS,
    IDENTITY_SHEET,
    KEY_FIRST_COLUMN,
    LAYOUT_VERSION,
    NOT_APPLICABLE_MARK,
    Layout,
    Row,
    layout_of,
    row_code,
)

PERIOD_HEAD_ROW, COLUMN_HEAD_ROW, LETTER_ROW = FIRST_DATA_ROW - 3, FIRST_DATA_ROW - 2, FIRST_DATA_ROW - 1
NAME_WIDTH, CODE_WIDTH, UNIT_WIDTH, VALUE_WIDTH = 46, 17, 14, 16
NAME_CHARACTERS = 52  # that fit on one line of column A
LINE_HEIGHT = 15.5
SIGNATURE_SPACE_ROWS = 5
PAPER_A4 = 9
FONT = {"font_name": "Times New Roman", "font_size": 11, "valign": "vcenter"}
LINED = {**FONT, "border": 1}


def in_reading_order(deliveries: Sequence[DeliveryId]) -> tuple[DeliveryId, ...]:
    """Return deliveries as they stand side by side: shorter periods first, then earlier ones, then firmer status."""
    return tuple(
        sorted(set(deliveries), key=lambda each: (each.period.month_count, each.period, each.status.rank, each.form))
    )


def render(
    snapshot: Snapshot, form_code: str, deliveries: Sequence[DeliveryId], due_days: Mapping[DeliveryId, date]
) -> bytes:
    """Return the .xlsx of one form for deliveries of one unit; raises LookupError when nobody owes one of them."""
    ordered = in_reading_order(deliveries)
    cells = {delivery: cells_of(snapshot, delivery) for delivery in ordered}
    form = snapshot.form(form_code, ordered[0].period) if ordered else None
    missing = [str(delivery) for delivery, its_cells in cells.items() if not its_cells]
    if form is None or missing:
        raise LookupError(", ".join(missing) or form_code)
    layout = layout_of(cells)
    output = BytesIO()
    with xlsxwriter.Workbook(output, {"in_memory": True}) as book:
        _Sheet(book, snapshot, form_code, form, layout).write(cells, due_days)
        _write_key(_write_identity(book, snapshot.release, form_code, ordered), layout)
    return output.getvalue()


class _Sheet:
    """Writes the visible sheet. Rows and columns count from 1, as in the layout; xlsxwriter counts from 0."""

    def __init__(self, book: Any, snapshot: Snapshot, form_code: str, form: FormVersion, layout: Layout) -> None:
        self._book = book
        self._sheet: Worksheet = book.add_worksheet(DATA_SHEET)
        self._snapshot = snapshot
        self._form_code = form_code
        self._form = form
        self._layout = layout
        self._day = max(delivery.period.bounds()[1] for delivery in layout.deliveries)
        self._last_column = max(layout.columns[-1].number, FIRST_VALUE_COLUMN + 1)
        self._formats: dict[tuple[tuple[str, Any], ...], Any] = {}

    def write(self, cells: Mapping[DeliveryId, Sequence[FormCell]], due_days: Mapping[DeliveryId, date]) -> None:
        """Write everything."""
        self._set_up()
        self._write_head(due_days)
        self._write_column_heads()
        self._write_rows()
        self._write_cells(cells)
        self._write_foot()

    def _set_up(self) -> None:
        sheet = self._sheet
        sheet.set_column(0, 0, NAME_WIDTH)
        sheet.set_column(1, 1, CODE_WIDTH)
        sheet.set_column(2, 2, UNIT_WIDTH)
        sheet.set_column(3, self._last_column - 1, VALUE_WIDTH)
        sheet.freeze_panes(FIRST_DATA_ROW - 1, FIRST_VALUE_COLUMN - 1)
        sheet.set_landscape()
        sheet.set_paper(PAPER_A4)
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(PERIOD_HEAD_ROW - 1, LETTER_ROW - 1)
        sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
        sheet.set_footer("&L&8Biểu " + self._form_code.replace("&", "&&") + "&R&8&P/&N")
        sheet.hide_gridlines(2)
        # Without a password: it guides the hand, it is no secret.
        sheet.protect("", {"format_columns": True, "format_rows": True})

    def _write_head(self, due_days: Mapping[DeliveryId, date]) -> None:
        deliveries = self._layout.deliveries
        unit = self._unit_name(deliveries[0].unit)
        receiver = self._unit_name(self._form.receiver) if self._form.receiver else ""
        days = sorted({due_days[delivery] for delivery in deliveries if delivery in due_days})
        received_by = " và ".join(map(day_text, days))
        self._merge(1, 1, 2, f"Biểu số: {self._form_code}", bold=True)
        self._merge(1, 3, self._last_column, f"Đơn vị báo cáo: {unit}", bold=True, align="right")
        self._merge(2, 1, 2, f"Ngày nhận báo cáo: {received_by}" if received_by else "")
        self._merge(2, 3, self._last_column, f"Đơn vị nhận báo cáo: {receiver}" if receiver else "", align="right")
        self._merge(3, 1, self._last_column, self._form.title.vi.upper(), bold=True, align="center", font_size=14)
        self._merge(4, 1, self._last_column, periods_line(deliveries), italic=True, align="center")
        self._sheet.set_row(0, 20)
        self._sheet.set_row(1, 20)
        self._sheet.set_row(2, 26)
        self._sheet.set_row(3, 20)

    def _write_column_heads(self) -> None:
        head = self._format(**LINED, bold=True, align="center", text_wrap=True, bg_color="#DDEBF7")
        small = self._format(**{**LINED, "font_size": 9}, italic=True, align="center", bg_color="#DDEBF7")
        self._sheet.set_row(PERIOD_HEAD_ROW - 1, 34)
        self._sheet.set_row(COLUMN_HEAD_ROW - 1, 34)
        for number, (text, letter) in enumerate((("Tên chỉ tiêu", "A"), ("Mã số", "B"), ("Đơn vị tính", "C"))):
            self._sheet.merge_range(PERIOD_HEAD_ROW - 1, number, COLUMN_HEAD_ROW - 1, number, text, head)
            self._sheet.write_string(LETTER_ROW - 1, number, letter, small)
        names = {column.id: column.name.vi for column in self._form.columns}
        for place, column in enumerate(self._layout.columns, start=1):
            self._sheet.write_string(COLUMN_HEAD_ROW - 1, column.number - 1, names.get(column.column, ""), head)
            self._sheet.write_string(LETTER_ROW - 1, column.number - 1, str(place), small)
        for delivery in self._layout.deliveries:
            numbers = [column.number for column in self._layout.columns if column.delivery == delivery]
            self._span(PERIOD_HEAD_ROW, min(numbers), max(numbers), head_of(delivery), head)

    def _write_rows(self) -> None:
        before = None
        for row in self._layout.rows:
            is_total = not row.dimensions
            indicator = self._snapshot.indicator(row.indicator, self._day)
            name = row_name(self._snapshot, self._day, row, before)
            indent = 0 if is_total or before is None or before.indicator != row.indicator else 2
            line_count = 1 + (len(name) + indent - 1) // NAME_CHARACTERS
            self._sheet.set_row(row.number - 1, LINE_HEIGHT * line_count)
            self._sheet.write_string(
                row.number - 1, 0, name, self._format(**LINED, bold=is_total, indent=indent, text_wrap=True)
            )
            self._sheet.write_string(row.number - 1, 1, row_code(row), self._format(**{**LINED, "font_size": 9}))
            measure = indicator.unit_of_measure if indicator else ""
            self._sheet.write_string(
                row.number - 1, 2, measure, self._format(**{**LINED, "font_size": 9}, align="center", text_wrap=True)
            )
            before = row

    def _write_cells(self, cells: Mapping[DeliveryId, Sequence[FormCell]]) -> None:
        """Open the cells to be filled in, mark those that need not be; what is no cell of the form stays grey."""
        blank = self._format(**LINED, bg_color="#BFBFBF")
        for row in self._layout.rows:
            for column in self._layout.columns:
                self._sheet.write_blank(row.number - 1, column.number - 1, None, blank)
        for delivery, its_cells in cells.items():
            for cell in its_cells:
                address = self._layout.places[delivery, cell.key].address
                if not cell.applicable:
                    grey = self._format(**LINED, bg_color="#D9D9D9", font_color="#7F7F7F", align="center")
                    self._sheet.write_string(address, NOT_APPLICABLE_MARK, grey)
                    continue
                number_format = "#,##0" + ("." + "0" * cell.decimals if cell.decimals else "")
                fill = {} if cell.required else {"bg_color": "#F2F9F2"}
                self._sheet.write_blank(
                    address, None, self._format(**LINED, **fill, locked=False, align="right", num_format=number_format)
                )

    def _write_foot(self) -> None:
        row = self._layout.rows[-1].number + 1
        self._merge(row, 1, self._last_column, NOTE, italic=True, font_size=9, text_wrap=True)
        self._sheet.set_row(row - 1, 26)
        self._merge(row + 1, 3, self._last_column, PLACE_AND_DATE, italic=True, align="center")
        columns = ((1, 1), (2, 3), (4, self._last_column))
        for (first, last), (signer, how) in zip(columns, SIGNERS, strict=True):
            self._merge(row + 2, first, last, signer, bold=True, align="center")
            self._merge(row + 3, first, last, how, italic=True, align="center")
        self._sheet.print_area(0, 0, row + 2 + SIGNATURE_SPACE_ROWS, self._last_column - 1)

    def _unit_name(self, code: str) -> str:
        unit = self._snapshot.unit(code, self._day)
        return unit.name.vi if unit else code

    def _merge(self, row: int, first: int, last: int, text: str, **properties: Any) -> None:
        self._span(row, first, last, text, self._format(**{**FONT, **properties}))

    def _span(self, row: int, first: int, last: int, text: str, style: Any) -> None:
        if first == last:
            self._sheet.write_string(row - 1, first - 1, text, style)
        else:
            self._sheet.merge_range(row - 1, first - 1, row - 1, last - 1, text, style)

    def _format(self, **properties: Any) -> Any:
        key = tuple(sorted(properties.items()))
        if key not in self._formats:
            self._formats[key] = self._book.add_format(properties)
        return self._formats[key]


def _write_identity(book: Any, release: int, form_code: str, deliveries: Sequence[DeliveryId]) -> Worksheet:
    """Say on a hidden sheet what the workbook is for, so that nobody has to type it."""
    sheet: Worksheet = book.add_worksheet(IDENTITY_SHEET)
    sheet.very_hidden()
    values = (LAYOUT_VERSION, form_code, str(release))
    rows = [*zip(IDENTITY_ROWS, values, strict=True), *(("delivery", str(delivery)) for delivery in deliveries)]
    for number, (name, value) in enumerate(rows):
        sheet.write_string(number, 0, name)
        sheet.write_string(number, 1, value)
    return sheet


def _write_key(sheet: Worksheet, layout: Layout) -> None:
    """List rows and columns by their codes beside it, for programs that fill the form: numbers count from 1."""
    tables = (
        (("row", "indicator", "dimensions"), [(row.number, row.indicator, _pairs(row)) for row in layout.rows]),
        (("column", "delivery", "id"), [(each.number, str(each.delivery), each.column) for each in layout.columns]),
    )
    for place, (head, lines) in enumerate(tables):
        first = KEY_FIRST_COLUMN - 1 + place * len(head)
        sheet.write_row(0, first, head)
        for number, line in enumerate(lines, start=1):
            sheet.write_row(number, first, line)


def _pairs(row: Row) -> str:
    return "|".join(f"{dimension}={code}" for dimension, code in row.dimensions)
