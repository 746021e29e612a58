"""A filled form says by itself which cells it holds; what was moved is not read."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.incoming import Incoming
from services.ingest.domain.package import Rejected, Taken, decide
from services.ingest.domain.workbook import incoming_of_workbook
from shared.catalogue.form_cells import cells_of
from shared.delivery_id import DeliveryId
from shared.events.cells import CellKey, Mark
from shared.events.findings import Finding
from shared.workbook import DATA_SHEET, FIRST_DATA_ROW, FIRST_VALUE_COLUMN, LAYOUT_VERSION, layout_of, row_code
from tests.builders.catalogue_files import FORM, OTHER_UNIT, UNIT, a_snapshot
from tests.ingest.domain.packages import MONTH, QUARTER, codes, open_deliveries

SNAPSHOT = a_snapshot()
LAYOUT = layout_of({delivery: cells_of(SNAPSHOT, delivery) for delivery in (MONTH, QUARTER)})
CELLS = [
    (delivery, cell.key) for delivery in (MONTH, QUARTER) for cell in cells_of(SNAPSHOT, delivery) if cell.applicable
]


@dataclass
class Sheet:
    """Cells by (row, column), from 1."""

    cells: dict[tuple[int, int], object] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def value(self, row: int, column: int) -> object:
        return self.cells.get((row, column))


def identity(*deliveries: DeliveryId, layout: str = LAYOUT_VERSION, form: str = FORM) -> Sheet:
    lines = [("layout", layout), ("form", form), ("release", "1")]
    lines += [("delivery", str(delivery)) for delivery in deliveries or (MONTH, QUARTER)]
    return Sheet({(row, column): text for row, line in enumerate(lines, 1) for column, text in enumerate(line, 1)})


def a_form(values: dict[tuple[DeliveryId, CellKey], object] | None = None) -> Sheet:
    """The sheet as the catalogue renders it, with some values filled in."""
    sheet = Sheet()
    for row in LAYOUT.rows:
        sheet.cells[row.number, 2] = row_code(row)
    for place, column in enumerate(LAYOUT.columns, 1):
        sheet.cells[FIRST_DATA_ROW - 1, column.number] = str(place)
    for delivery in (MONTH, QUARTER):
        for cell in cells_of(SNAPSHOT, delivery):
            if not cell.applicable:
                sheet.cells[at(delivery, cell.key)] = "x"
    for (delivery, key), value in (values or {}).items():
        sheet.cells[at(delivery, key)] = value
    return sheet


def at(delivery: DeliveryId, key: CellKey) -> tuple[int, int]:
    row = next(each for each in LAYOUT.rows if (each.indicator, each.dimensions) == (key.indicator, key.dimensions))
    column = next(each for each in LAYOUT.columns if (each.delivery, each.column) == (delivery, key.column))
    return row.number, column.number


def read(data: Sheet, named: Sheet | None = None, unit: str = UNIT) -> Incoming | tuple[Finding, ...]:
    return incoming_of_workbook(data, named or identity(), unit, SNAPSHOT, "12/BC")


def decided(data: Sheet) -> Taken | Rejected:
    content = read(data)
    assert isinstance(content, Incoming), content
    return decide(content, UNIT, SNAPSHOT, open_deliveries())


def findings_of(data: Sheet, named: Sheet | None = None, unit: str = UNIT) -> tuple[Finding, ...]:
    content = read(data, named, unit)
    assert isinstance(content, tuple)
    return content


written = st.one_of(st.none(), st.sampled_from(["-", "...", "12", " 7 "]), st.integers(0, 10**9), st.floats(0, 0))


@given(st.dictionaries(st.sampled_from(CELLS), written))
def test_every_cell_is_read_from_its_place_and_none_from_another(
    values: dict[tuple[DeliveryId, CellKey], Any],
) -> None:
    result = decided(a_form(values))
    assert isinstance(result, Taken)
    marks = {None: Mark.MISSING, "-": Mark.NIL, "...": Mark.NOT_COLLECTED}
    for report in result.reports:
        for cell in report.cells:
            assert cell.place == LAYOUT.places[report.delivery, cell.key]
            if cell.mark is Mark.NOT_APPLICABLE:
                continue
            raw = values.get((report.delivery, cell.key))
            assert cell.mark is marks.get(raw, Mark.VALUE)
            if cell.mark is Mark.VALUE:
                assert cell.value == float(str(raw))


def test_an_untouched_form_is_a_package_of_missing_cells() -> None:
    result = decided(a_form())
    assert isinstance(result, Taken)
    marks = {cell.mark for report in result.reports for cell in report.cells}
    assert marks == {Mark.MISSING, Mark.NOT_APPLICABLE}


def test_a_finding_says_sheet_and_address() -> None:
    delivery, key = CELLS[0]
    result = decided(a_form({(delivery, key): "mười"}))
    assert isinstance(result, Rejected)
    (found,) = result.findings
    assert found.rule == "door.not_a_number"
    assert found.place == LAYOUT.places[delivery, key]
    assert found.place.sheet == DATA_SHEET


def test_the_form_of_another_unit_is_not_taken_and_names_both() -> None:
    found = findings_of(a_form(), unit=OTHER_UNIT)
    assert set(codes(found)) == {"door.workbook_other_unit"}
    assert (found[0].observed, found[0].expected) == (UNIT, OTHER_UNIT)


def test_a_workbook_of_another_layout_is_to_be_downloaded_again() -> None:
    (found,) = findings_of(a_form(), identity(layout="0"))
    assert found.rule == "door.workbook_layout"
    assert found.mend is not None
    assert "Download" in found.mend.en


@pytest.mark.parametrize(
    "named",
    [
        Sheet(),
        identity(DeliveryId.of(UNIT, "002.T", "2024-06", "estimate")),
        Sheet({**identity().cells, (4, 2): "no delivery"}),
        Sheet({key: value for key, value in identity().cells.items() if key[0] < 4}),
        Sheet({**identity().cells, **{(row, 1): "delivery" for row in range(4, 40)},
               **{(row, 2): str(MONTH) for row in range(4, 40)}}),
    ],
    ids=["empty", "other form", "no id", "no delivery", "too many"],
)  # fmt: skip
def test_a_hidden_sheet_that_does_not_say_what_it_is_for_is_refused(named: Sheet) -> None:
    assert codes(findings_of(a_form(), named)) == ["door.workbook_no_identity"]


def test_a_row_that_was_moved_is_noticed_by_its_code() -> None:
    sheet = a_form()
    first, second = LAYOUT.rows[0].number, LAYOUT.rows[1].number
    sheet.cells[first, 2], sheet.cells[second, 2] = sheet.cells[second, 2], sheet.cells[first, 2]
    found = findings_of(sheet)
    assert codes(found) == ["door.workbook_changed"] * 2
    assert [each.place.address for each in found if each.place] == [f"B{first}", f"B{second}"]


def test_a_column_that_was_added_or_deleted_is_noticed() -> None:
    sheet = a_form()
    sheet.cells[FIRST_DATA_ROW - 1, FIRST_VALUE_COLUMN + len(LAYOUT.columns)] = "9"
    assert codes(findings_of(sheet)) == ["door.workbook_changed"]
    sheet = a_form()
    del sheet.cells[FIRST_DATA_ROW - 1, LAYOUT.columns[-1].number]
    assert codes(findings_of(sheet)) == ["door.workbook_changed"]


@pytest.mark.parametrize(
    ("said", "code"), [("", "door.formula_without_value"), ("#DIV/0!", "door.formula_error")], ids=["bare", "error"]
)
def test_a_formula_without_a_value_is_not_an_empty_cell(said: str, code: str) -> None:
    delivery, key = CELLS[0]
    place = LAYOUT.places[delivery, key]
    sheet = a_form()
    sheet.errors = {place.address: said, "A1": said}
    result = decided(sheet)
    assert isinstance(result, Rejected)
    (found,) = result.findings
    assert (found.rule, found.place) == (code, place)


def test_a_delivery_that_nobody_owes_is_said_to_be_so() -> None:
    content = read(a_form(), identity(DeliveryId.of(UNIT, FORM, "2024", "estimate")))
    assert isinstance(content, Incoming)
    result = decide(content, UNIT, SNAPSHOT, open_deliveries())
    assert isinstance(result, Rejected)
    assert codes(result.findings) == ["door.no_such_delivery"]
