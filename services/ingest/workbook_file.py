"""Opens an uploaded workbook without trusting it: bounds first, then the two sheets that matter, as plain values.

A small file may unpack to gigabytes, or name a last cell that makes a reader fill millions of empty ones; so the
archive is unpacked with a limit and the sheets are scanned before python-calamine reads them.
"""

import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from xml.etree import ElementTree as ET

from python_calamine import CalamineError, CalamineWorkbook

from services.ingest.domain.findings import Door, finding
from services.ingest.domain.incoming import Where
from shared.events.cells import Place
from shared.events.findings import Finding
from shared.text import Text
from shared.workbook import DATA_SHEET, IDENTITY_SHEET, address_of

ENTRIES_MAX = 500
CHUNK_BYTES = 256 * 1024
PROLOGUE_BYTES = 4096
_OLE_MAGIC = bytes.fromhex("d0cf11e0a1b11ae1")
_SHEET_PATH = re.compile(r"(?:/xl/)?(worksheets/[A-Za-z0-9_-]+\.xml)")
_ADDRESS = re.compile(r"([A-Z]{1,3})([1-9]\d{0,6})")

DOWNLOAD_AGAIN = Text(
    vi="Tải lại biểu từ hệ thống, chép số liệu vào rồi lưu dạng .xlsx.",
    en="Download the form again, copy the figures into it and save it as .xlsx.",
)


class WorkbookError(Exception):
    """The file cannot be taken as a workbook of ours; the findings say why."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__(findings[0].message.en)
        self.findings = findings


@dataclass(frozen=True)
class Sheet:
    """A sheet's values from A1 on. `errors`: what cells hold that is no value, by address; "" for a bare formula."""

    rows: Sequence[Sequence[object]]
    errors: Mapping[str, str]

    def value(self, row: int, column: int) -> object:
        """Return a cell's value, counted from 1; None for an empty one."""
        if row > len(self.rows) or column > len(self.rows[row - 1]):
            return None
        value = self.rows[row - 1][column - 1]
        return None if value == "" else value


@dataclass(frozen=True)
class Book:
    """The two sheets of a form's workbook."""

    data: Sheet
    identity: Sheet


def open_workbook(content: bytes, *, unpacked_bytes_max: int, sheet_cells_max: int) -> Book:
    """Read a workbook; raises WorkbookError. Blocking and slow for large files: call it in a thread."""
    if content.startswith(_OLE_MAGIC):
        raise _unreadable("Tệp .xls cũ hoặc có mật khẩu", "It is an old .xls file or protected by a password")
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            _check_archive(archive, unpacked_bytes_max)
            paths = _sheet_paths(archive)
            for name in (IDENTITY_SHEET, DATA_SHEET):
                if name not in paths:
                    raise _missing_sheet(name)
            scans = {name: _scan(archive, paths[name], sheet_cells_max) for name in (DATA_SHEET, IDENTITY_SHEET)}
        book = CalamineWorkbook.from_filelike(BytesIO(content))
        return Book(
            data=_sheet(book, DATA_SHEET, scans[DATA_SHEET]),
            identity=_sheet(book, IDENTITY_SHEET, scans[IDENTITY_SHEET]),
        )
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise _unreadable("Tệp bị hỏng hoặc không phải .xlsx", f"The file is damaged or no .xlsx ({error})") from None
    except (ET.ParseError, KeyError, ValueError, CalamineError) as error:
        raise _unreadable("Không đọc được nội dung tệp", f"The content of the file cannot be read ({error})") from None


def _check_archive(archive: zipfile.ZipFile, bytes_max: int) -> None:
    """Unpack everything once, with a limit: what the archive says about its own sizes is the sender's word."""
    entries = archive.infolist()
    if len({entry.filename.casefold() for entry in entries}) < len(entries):
        raise ValueError("two parts of one name")
    unpacked = 0
    if len(entries) <= ENTRIES_MAX:
        for entry in entries:
            with archive.open(entry) as file:
                while chunk := file.read(CHUNK_BYTES):
                    unpacked += len(chunk)
                    if unpacked > bytes_max:
                        break
            if unpacked > bytes_max:
                break
    if len(entries) > ENTRIES_MAX or unpacked > bytes_max:
        raise _too_large(f"{bytes_max // 1024 // 1024} MiB")


def _sheet_paths(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return the path in the archive of each sheet, by its name."""
    # Strict on purpose: python-calamine finds parts by rules of its own, and must not find others than those scanned.
    workbook, relations = _parsed(archive, "xl/workbook.xml"), _parsed(archive, "xl/_rels/workbook.xml.rels")
    targets = [(relation.get("Id", ""), relation.get("Target", "")) for relation in relations]
    sheets = [(sheet.get("name", ""), _relation_of(sheet)) for sheet in workbook.iter() if _local(sheet.tag) == "sheet"]
    for names in ([name for name, _ in targets], [name for name, _ in sheets]):
        if len({name.casefold() for name in names}) < len(names):
            raise ValueError("two sheets of one name")
    target_of = dict(targets)
    paths: dict[str, str] = {}
    for name, relation in sheets:
        match = _SHEET_PATH.fullmatch(target_of.get(relation, ""))
        if match is not None:
            paths[name] = f"xl/{match[1]}"
        elif name in {DATA_SHEET, IDENTITY_SHEET}:
            raise ValueError("a sheet in an unusual place")
    return paths


def _parsed(archive: zipfile.ZipFile, path: str) -> ET.Element:
    content = archive.read(path)
    _refuse_doctype(content[:PROLOGUE_BYTES])
    return ET.fromstring(content)  # noqa: S314 -- expat limits entity expansion, and there are no entities


def _refuse_doctype(prologue: bytes) -> None:
    """Two readers may read declarations and encodings in two ways; no office program writes either."""
    if b"<!DOCTYPE" in prologue or not prologue.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<"):
        raise ValueError("an unusual XML prologue")


def _relation_of(sheet: ET.Element) -> str:
    found = [value for name, value in sheet.attrib.items() if _local(name) == "id"]
    if len(found) != 1:
        raise ValueError("a sheet with an unusual id")
    return found[0]


def _local(name: str) -> str:
    """Return a name without its namespace, which python-calamine does not look at."""
    return name.rpartition("}")[2]


def _scan(archive: zipfile.ZipFile, path: str, cells_max: int) -> dict[str, str]:
    """Return errors and formulas that nobody has computed; raises WorkbookError when the last cell is too far away.

    python-calamine reads both as empty, and an empty cell means something else.
    """
    errors: dict[str, str] = {}
    last_row = last_column = count = 0
    with archive.open(path) as file:
        _refuse_doctype(file.read(PROLOGUE_BYTES))
    with archive.open(path) as file:
        for _, element in ET.iterparse(file):  # noqa: S314 -- as above
            tag = _local(element.tag)
            if tag == "row":
                element.clear()
            if tag != "c":
                continue
            count += 1
            address = element.get("r")
            match = _ADDRESS.fullmatch(address or "")
            if match is None:
                raise ValueError("a cell without an address")
            last_row = max(last_row, int(match[2]))
            last_column = max(last_column, _column_number(match[1]))
            if last_row * last_column > cells_max or count > cells_max:
                raise _too_large(f"{cells_max} ô/cells")
            parts = {_local(part.tag): part.text or "" for part in element}
            value = parts.get("v", "")
            if element.get("t") == "e":
                errors[match[0]] = value or "#?"
            elif "f" in parts and not value and element.get("t") != "str":
                errors[match[0]] = ""
    return errors


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _sheet(book: CalamineWorkbook, name: str, errors: Mapping[str, str]) -> Sheet:
    rows = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
    return Sheet(rows, errors)


def _unreadable(vi: str, en: str) -> WorkbookError:
    return WorkbookError(finding(Door.WORKBOOK_UNREADABLE, Text(vi=vi, en=en), DOWNLOAD_AGAIN))


def _too_large(limit: str) -> WorkbookError:
    return WorkbookError(
        finding(
            Door.WORKBOOK_TOO_LARGE,
            Text(
                vi=f"Tệp quá lớn khi mở ra (tối đa {limit})",
                en=f"The file is too large when unpacked (at most {limit})",
            ),
            DOWNLOAD_AGAIN,
            expected=limit,
        )
    )


def _missing_sheet(name: str) -> WorkbookError:
    return WorkbookError(
        finding(
            Door.WORKBOOK_NO_IDENTITY if name == IDENTITY_SHEET else Door.WORKBOOK_CHANGED,
            Text(vi=f"Tệp không có trang «{name}»", en=f"The file has no sheet “{name}”"),
            DOWNLOAD_AGAIN,
            Where(place=Place(sheet=name, address=address_of(1, 1))),
        )
    )
