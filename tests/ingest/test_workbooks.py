"""The Excel door: forms that the catalogue rendered, filled, spoiled, torn and inflated."""

import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from datetime import date
from io import BytesIO
from typing import Any

import httpx
import pytest
from openpyxl import Workbook, load_workbook

from services.catalogue.domain.workbook import render
from shared.catalogue.form_cells import cells_of
from shared.delivery_id import DeliveryId
from shared.events.cells import CellKey
from shared.workbook import DATA_SHEET, IDENTITY_SHEET, layout_of
from tests.builders.catalogue_files import FORM, OTHER_UNIT, a_snapshot
from tests.ingest.domain.packages import MONTH, QUARTER
from tests.ingest.test_api import OTHERS, problem
from tests.ingest.world import World

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
SNAPSHOT = a_snapshot()
Values = Mapping[tuple[DeliveryId, str], int | float | str]
TOTAL, PART = "I1.value", "I2[GEO=568].value"


def a_form(values: Values | None = None, *deliveries: DeliveryId, change: Callable[[Workbook], object] = id) -> bytes:
    """Return a form as the catalogue renders it, filled with openpyxl, as a unit's script does."""
    wanted = deliveries or (MONTH, QUARTER)
    book = load_workbook(BytesIO(render(SNAPSHOT, FORM, wanted, {MONTH: date(2024, 6, 18)})))
    for (delivery, cell), value in (values or {}).items():
        book[DATA_SHEET][address(delivery, cell, wanted)].value = value
    change(book)
    filled = BytesIO()
    book.save(filled)
    return filled.getvalue()


def address(delivery: DeliveryId, cell: str, deliveries: tuple[DeliveryId, ...] = (MONTH, QUARTER)) -> str:
    layout = layout_of({each: cells_of(SNAPSHOT, each) for each in deliveries})
    return next(p.address for (of, key), p in layout.places.items() if (of, str(key)) == (delivery, cell))


async def upload(world: World, content: bytes, **more: Any) -> httpx.Response:
    return await world.post(content=content, headers={"Content-Type": XLSX}, **more)


def rules(response: httpx.Response, status: int = 422) -> list[str]:
    return [each["rule"] for each in problem(response, status)["findings"]]


def cells(submission: Mapping[str, Any]) -> dict[str, tuple[str, str | None, str | None]]:
    return {
        str(CellKey.model_validate(each["key"])): (
            each["mark"], each["value"], each["place"] and each["place"]["address"],
        )
        for each in submission["cells"]
    }  # fmt: skip


async def test_a_filled_form_is_taken_with_the_place_of_each_cell(world: World) -> None:
    form = a_form({(MONTH, TOTAL): 1234, (MONTH, PART): "62.585,4", (QUARTER, TOTAL): "-"})
    response = await upload(world, form)
    assert response.status_code == 202, response.text
    month, quarter = [each.body for each in await world.told("submission.received")]
    assert (month["channel"], month["delivery_id"], quarter["delivery_id"]) == ("http_excel", str(MONTH), str(QUARTER))
    assert cells(month)[TOTAL] == ("value", "1234", address(MONTH, TOTAL))
    assert cells(month)[PART] == ("value", "62585.4", address(MONTH, PART))
    assert cells(month)["I1.cumulative"] == ("missing", None, address(MONTH, "I1.cumulative"))
    assert cells(month)["I1[GEO=569].value"][0] == "not_applicable"
    assert cells(quarter)[TOTAL] == ("nil", None, address(QUARTER, TOTAL))
    async with world.client() as client:
        original = await client.get(response.json()["original"])
    assert original.content == form
    assert original.headers["content-type"] == XLSX


async def test_a_form_can_be_uploaded_as_a_browser_does(world: World) -> None:
    async with world.client() as client:
        response = await client.post(
            "/v1/packages",
            files={"file": ("bieu.xlsx", a_form({(MONTH, TOTAL): 5}), XLSX)},
            data={"document_number": "12/BC-SO"},
        )
        nothing = await client.post("/v1/packages", files={"note": (None, "no file")})
    assert response.status_code == 202, response.text
    assert response.json()["document_number"] == "12/BC-SO"
    problem(nothing, 400)


async def test_what_is_wrong_is_said_with_sheet_and_address(world: World) -> None:
    response = await upload(world, a_form({(MONTH, TOTAL): "mười", (QUARTER, TOTAL): "1.234", (MONTH, PART): 1.25}))
    found = problem(response, 422)["findings"]
    assert {(each["rule"], each["place"]["address"]) for each in found} == {
        ("door.not_a_number", address(MONTH, TOTAL)),
        ("door.ambiguous_number", address(QUARTER, TOTAL)),
        ("door.too_many_decimals", address(MONTH, PART)),
    }
    assert {each["place"]["sheet"] for each in found} == {DATA_SHEET}


async def test_the_form_of_another_unit_is_refused_whoever_uploads_it(world: World) -> None:
    await world.open(OTHERS)
    assert rules(await upload(world, a_form(None, OTHERS))) == ["door.workbook_other_unit"]
    assert (
        await upload(world, a_form(None, OTHERS), who="statistician", params={"unit": OTHER_UNIT})
    ).status_code == 202


def without_identity(book: Workbook) -> None:
    del book[IDENTITY_SHEET]


def without_data(book: Workbook) -> None:
    book[DATA_SHEET].title = "Sheet1"


def other_layout(book: Workbook) -> None:
    book[IDENTITY_SHEET]["B1"] = "99"


def a_row_more(book: Workbook) -> None:
    book[DATA_SHEET].insert_rows(9)


def a_column_less(book: Workbook) -> None:
    book[DATA_SHEET].delete_cols(5)


def a_formula(book: Workbook) -> None:
    book[DATA_SHEET][address(MONTH, TOTAL)] = "=1+1"


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (without_identity, "door.workbook_no_identity"),
        (without_data, "door.workbook_changed"),
        (other_layout, "door.workbook_layout"),
        (a_row_more, "door.workbook_changed"),
        (a_column_less, "door.workbook_changed"),
        (a_formula, "door.formula_without_value"),
    ],
)
async def test_a_form_that_was_rebuilt_is_not_guessed_at(
    world: World, change: Callable[[Workbook], object], rule: str
) -> None:
    assert set(rules(await upload(world, a_form(change=change)))) == {rule}
    assert await world.told() == []


def a_workbook_of_somebody_else() -> bytes:
    book, content = Workbook(), BytesIO()
    book.active["A1"] = "Doanh thu"  # type: ignore[index]
    book.save(content)
    return content.getvalue()


def zipped(**entries: bytes) -> bytes:
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, entry in entries.items():
            archive.writestr(name.replace("__", "/").replace("_xml", ".xml"), entry)
    return content.getvalue()


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.9, 0.999])
async def test_a_torn_workbook_is_refused_wherever_it_is_torn(world: World, share: float) -> None:
    form = a_form()
    assert rules(await upload(world, form[: int(len(form) * share)])) == ["door.workbook_unreadable"]


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"Kinh gui", zipped(a=b"x"), zipped(xl__workbook_xml=b"<no"), b"\xd0\xcf\x11\xe0" * 200]
)
async def test_what_is_no_workbook_is_refused(world: World, content: bytes) -> None:
    assert rules(await upload(world, content)) == ["door.workbook_unreadable"]


async def test_a_workbook_that_is_no_form_is_refused(world: World) -> None:
    assert rules(await upload(world, a_workbook_of_somebody_else())) == ["door.workbook_no_identity"]


def inflated(form: bytes, **entries: bytes) -> bytes:
    """Return a form with further entries, or with others in their place."""
    content = BytesIO()
    with zipfile.ZipFile(BytesIO(form)) as before, zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as after:
        for entry in before.infolist():
            after.writestr(entry.filename, entries.pop(entry.filename, before.read(entry)))
        for name, each in entries.items():
            after.writestr(name, each)
    return content.getvalue()


async def test_a_zip_bomb_is_not_unpacked(world: World) -> None:
    bomb = inflated(a_form(), **{"xl/media/image1.png": bytes(world.state.settings.unpacked_bytes_max)})
    assert len(bomb) < 1024 * 1024
    assert rules(await upload(world, bomb)) == ["door.workbook_too_large"]


def understated(form: bytes, name: str, excess: int) -> bytes:
    """Return a form with an entry that unpacks to so many bytes more than the archive says of it."""
    with zipfile.ZipFile(BytesIO(form)) as archive:
        entry = archive.read(name)
    swollen = bytearray(inflated(form, **{name: entry + b" " * excess}))
    said = struct.pack("<I", zlib.crc32(entry)), struct.pack("<I", len(entry))
    # Local header and central directory: signature, where their CRC, their unpacked size and their name stand.
    for signature, crc_at, size_at, name_at in ((b"PK\x03\x04", 14, 22, 30), (b"PK\x01\x02", 16, 24, 46)):
        start = swollen.find(signature)
        while swollen[start + name_at :][: len(name)] != name.encode():
            start = swollen.find(signature, start + 4)
        swollen[start + crc_at : start + crc_at + 4], swollen[start + size_at : start + size_at + 4] = said
    return bytes(swollen)


async def test_an_archive_that_lies_about_its_sizes_is_refused(world: World) -> None:
    form = understated(a_form(), "xl/worksheets/sheet1.xml", 4 * 1024 * 1024)
    assert rules(await upload(world, form)) == ["door.workbook_unreadable"]


async def test_entities_that_multiply_are_refused(world: World) -> None:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    sheet = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]><x><row><c r="A1"><v>&l11;</v></c></row></x>'
    form = inflated(a_form(), **{"xl/worksheets/sheet1.xml": sheet.encode()})
    assert rules(await upload(world, form)) == ["door.workbook_unreadable"]


def renamed(form: bytes, **names: str) -> bytes:
    """Return a form whose workbook says other things of its sheets: `worksheets/sheet2.xml` for its second one."""
    with zipfile.ZipFile(BytesIO(form)) as archive:
        book, relations = archive.read("xl/workbook.xml").decode(), archive.read("xl/_rels/workbook.xml.rels").decode()
    for before, after in names.items():
        book, relations = book.replace(before, after), relations.replace(before, after)
    return inflated(form, **{"xl/workbook.xml": book.encode(), "xl/_rels/workbook.xml.rels": relations.encode()})


async def test_two_sheets_of_one_name_are_refused(world: World) -> None:
    form = a_form(change=lambda book: book.create_sheet("Khác"))
    assert rules(await upload(world, renamed(form, Khác=DATA_SHEET))) == ["door.workbook_unreadable"]


async def test_two_parts_whose_names_differ_by_case_are_refused(world: World) -> None:
    form = inflated(a_form(), **{"xl/worksheets/Sheet1.xml": b"<worksheet/>"})
    assert rules(await upload(world, form)) == ["door.workbook_unreadable"]


async def test_a_sheet_in_an_unusual_place_is_refused(world: World) -> None:
    form = renamed(a_form(), **{"worksheets/sheet1.xml": "worksheets/../../xl/worksheets/sheet1.xml"})
    assert rules(await upload(world, form)) == ["door.workbook_unreadable"]


@pytest.mark.parametrize("number", ["NaN", "1e999", "-1e999", "INF"])
async def test_numbers_that_are_none_are_findings(world: World, number: str) -> None:
    form = a_form({(MONTH, TOTAL): 4242})
    with zipfile.ZipFile(BytesIO(form)) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml")
    assert b"<v>4242</v>" in sheet
    spoiled = inflated(form, **{"xl/worksheets/sheet1.xml": sheet.replace(b">4242<", f">{number}<".encode())})
    assert set(rules(await upload(world, spoiled))) <= {"door.not_a_number", "door.workbook_unreadable"}


async def test_one_cell_far_away_does_not_make_a_sheet_of_billions(world: World) -> None:
    form = a_form(change=lambda book: book[DATA_SHEET].cell(1_048_576, 16_384, "x"))
    assert rules(await upload(world, form)) == ["door.workbook_too_large"]


async def test_a_workbook_over_the_limit_is_413(world: World) -> None:
    problem(await upload(world, bytes(world.state.settings.body_bytes_max + 1)), 413)
