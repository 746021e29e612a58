from datetime import date
from io import BytesIO

import pytest
from openpyxl import load_workbook
from openpyxl.workbook import Workbook

from services.catalogue.domain.workbook import in_reading_order, render
from services.catalogue.domain.workbook_text import head_of, periods_line
from shared.catalogue.form_cells import cells_of
from shared.delivery_id import DeliveryId
from shared.workbook import DATA_SHEET, IDENTITY_SHEET, layout_of
from tests.builders.catalogue_files import a_snapshot

SNAPSHOT = a_snapshot()
FORM = "001.T/BCS-A"
MONTH = DeliveryId.of("SO-A", FORM, "2024-06", "estimate")
QUARTER = DeliveryId.of("SO-A", FORM, "2024-Q2", "estimate")
DUE_DAYS = {MONTH: date(2024, 6, 18), QUARTER: date(2024, 6, 12)}


@pytest.fixture(scope="module")
def book() -> Workbook:
    return load_workbook(BytesIO(render(SNAPSHOT, FORM, [QUARTER, MONTH], DUE_DAYS)))


def test_the_head_says_form_unit_receiver_title_and_period(book: Workbook) -> None:
    sheet = book[DATA_SHEET]
    assert sheet["A1"].value == "Biểu số: 001.T/BCS-A"
    assert sheet["C1"].value == "Đơn vị báo cáo: Sở A"
    assert sheet["A2"].value == "Ngày nhận báo cáo: 12/6/2024 và 18/6/2024"
    assert sheet["C2"].value == "Đơn vị nhận báo cáo: Cục Thống kê"
    assert sheet["A3"].value == "ĐĂNG KÝ DOANH NGHIỆP"
    assert sheet["A4"].value == "Kỳ báo cáo: Tháng 6 và Quý II năm 2024"


def test_columns_are_lettered_and_numbered_under_their_period(book: Workbook) -> None:
    sheet = book[DATA_SHEET]
    assert [cell.value for cell in sheet[5]] == [
        "Tên chỉ tiêu",
        "Mã số",
        "Đơn vị tính",
        "Tháng 6 năm 2024 (ước tính)",
        None,
        "Quý II năm 2024 (ước tính)",
    ]
    assert [cell.value for cell in sheet[6]][3:] == ["Trong kỳ", "Cộng dồn", "Trong kỳ"]
    assert [cell.value for cell in sheet[7]] == ["A", "B", "C", "1", "2", "3"]


def test_rows_name_indicator_breakdown_code_and_unit_of_measure(book: Workbook) -> None:
    rows = [[cell.value for cell in row[:3]] for row in book[DATA_SHEET].iter_rows(min_row=8, max_row=11)]
    assert rows == [
        ["Số doanh nghiệp", "I1", "doanh nghiệp"],
        ["Chia theo địa bàn: Thành phố A", "GEO=568", "doanh nghiệp"],
        ["Thành phố B", "GEO=569", "doanh nghiệp"],
        ["Vốn đăng ký: Thành phố A", "GEO=568", "tỷ đồng"],
    ]


def test_exactly_the_cells_to_be_filled_in_are_open_where_the_layout_puts_them(book: Workbook) -> None:
    cells = {delivery: cells_of(SNAPSHOT, delivery) for delivery in (MONTH, QUARTER)}
    places = layout_of(cells).places
    expected = {
        places[delivery, cell.key].address: "#,##0.0" if cell.decimals else "#,##0"
        for delivery, its_cells in cells.items()
        for cell in its_cells
        if cell.applicable
    }
    sheet = book[DATA_SHEET]
    unlocked = {
        cell.coordinate: cell.number_format for row in sheet.iter_rows() for cell in row if not cell.protection.locked
    }
    assert unlocked == expected
    assert sheet.protection.sheet
    assert all(sheet[address].value is None for address in expected)


def test_what_the_unit_need_not_fill_is_marked_and_what_is_no_cell_of_the_form_is_grey(book: Workbook) -> None:
    sheet = book[DATA_SHEET]
    assert [sheet[address].value for address in ("D10", "E10", "F10")] == ["x", "x", "x"]
    assert sheet["D10"].protection.locked
    assert sheet["E11"].value is None  # the capital has no cumulative column
    assert sheet["E11"].fill.fgColor.rgb == "FFBFBFBF"
    assert sheet["E11"].protection.locked


def test_heads_stay_in_sight_on_screen_and_on_paper(book: Workbook) -> None:
    sheet = book[DATA_SHEET]
    assert sheet.freeze_panes == "D8"
    assert sheet.print_title_rows == "$5:$7"
    assert sheet.sheet_properties.pageSetUpPr is not None
    assert sheet.sheet_properties.pageSetUpPr.fitToPage
    assert sheet.page_setup.fitToHeight == 0, "as many pages as it takes, one wide"
    assert sheet.page_setup.orientation == "landscape"


def test_it_is_signed_below(book: Workbook) -> None:
    texts = {cell.value for row in book[DATA_SHEET].iter_rows(min_row=12) for cell in row if cell.value}
    assert {"Người lập biểu", "Người kiểm tra biểu", "Thủ trưởng đơn vị"} <= texts


def test_the_hidden_sheet_says_what_it_is_for_and_lists_rows_and_columns_by_their_codes(book: Workbook) -> None:
    sheet = book[IDENTITY_SHEET]
    assert sheet.sheet_state == "veryHidden"
    assert [(row[0].value, row[1].value) for row in sheet.iter_rows(max_row=5, max_col=2)] == [
        ("layout", "1"),
        ("form", FORM),
        ("release", "1"),
        ("delivery", str(MONTH)),
        ("delivery", str(QUARTER)),
    ]
    assert [cell.value for cell in sheet[1]][3:9] == ["row", "indicator", "dimensions", "column", "delivery", "id"]
    assert [cell.value for cell in sheet[3]][3:9] == [9, "I1", "GEO=568", 5, str(MONTH), "cumulative"]


def test_a_delivery_that_nobody_owes_has_no_form() -> None:
    with pytest.raises(LookupError, match="SO-B"):
        render(SNAPSHOT, FORM, [DeliveryId.of("SO-B", FORM, "2024-Q2", "estimate")], {})


def test_shorter_periods_stand_first() -> None:
    ids = [DeliveryId.of("SO-A", FORM, *each) for each in (("2024-S1", "estimate"), ("2024-06", "final"))]
    assert in_reading_order([*ids, QUARTER, MONTH, MONTH]) == (MONTH, ids[1], QUARTER, ids[0])


@pytest.mark.parametrize(
    ("period", "status", "head"),
    [
        ("2024-03", "final", "Tháng 3 năm 2024 (chính thức)"),
        ("2024-Q4", "preliminary", "Quý IV năm 2024 (sơ bộ)"),
        ("2024-S1", "estimate", "6 tháng năm 2024 (ước tính)"),
        ("2024-9M", "estimate", "9 tháng năm 2024 (ước tính)"),
        ("2024", "estimate", "Năm 2024 (ước tính)"),
    ],
)
def test_periods_are_named_as_reports_name_them(period: str, status: str, head: str) -> None:
    assert head_of(DeliveryId.of("SO-A", FORM, period, status)) == head


def test_periods_of_two_years_are_named_apart() -> None:
    ids = [DeliveryId.of("SO-A", FORM, period, "final") for period in ("2023-Q4", "2024-Q1")]
    assert periods_line(ids) == "Kỳ báo cáo: Quý IV năm 2023; Quý I năm 2024"
    december = [DeliveryId.of("SO-A", FORM, period, "estimate") for period in ("2024-Q4", "2024")]
    assert periods_line(december) == "Kỳ báo cáo: Quý IV và cả năm 2024"
