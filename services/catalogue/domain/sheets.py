"""Reads one CSV file of a catalogue row by row and says, for each fault, where it is and how to mend it."""

import csv
import io
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TypeVar

from shared.text import Text

LIST_SEPARATOR = ";"
EnumT = TypeVar("EnumT", bound=StrEnum)
TRUE_WORDS = frozenset({"1", "true", "yes", "x"})
FALSE_WORDS = frozenset({"", "0", "false", "no"})


@dataclass(frozen=True, slots=True)
class FileFinding:
    """A fault in a file: line and column as a person counts (from 1; the column by its name), and what to do."""

    file: str
    message: Text
    mend: Text
    line: int | None = None
    column: str | None = None

    def __str__(self) -> str:
        place = self.file + (f":{self.line}" if self.line else "") + (f" [{self.column}]" if self.column else "")
        return f"{place}\n  {self.message.vi}. {self.mend.vi}\n  {self.message.en}. {self.mend.en}"


@dataclass
class Findings:
    """Collects the faults of all files."""

    items: list[FileFinding] = field(default_factory=list)

    def add(self, file: str, message: Text, mend: Text, line: int | None = None, column: str | None = None) -> None:
        """Remember a fault."""
        self.items.append(FileFinding(file, message, mend, line, column))


@dataclass
class Row:
    """One record of a file; `good` is false once a fault was found in it."""

    file: str
    line: int
    cells: dict[str, str]
    findings: Findings
    good: bool = True

    def fault(self, column: str | None, message: Text, mend: Text) -> None:
        """Say what is wrong in this row."""
        self.good = False
        self.findings.add(self.file, message, mend, self.line, column)

    def text(self, column: str) -> str:
        """Return a field that must not be empty."""
        value = self.optional(column)
        if value is None:
            self.fault(
                column,
                Text(vi=f"Ô «{column}» để trống", en=f"The field “{column}” is empty"),
                Text(vi="Hãy điền giá trị", en="Fill it in"),
            )
        return value or ""

    def optional(self, column: str) -> str | None:
        """Return a field, None when it is empty or the file has no such column."""
        return self.cells.get(column) or None

    def name(self, prefix: str = "name") -> Text:
        """Return `<prefix>_vi` and `<prefix>_en`; where the English is empty the Vietnamese stands for it."""
        vi = self.text(f"{prefix}_vi")
        return Text(vi=vi, en=self.optional(f"{prefix}_en") or vi)

    def names(self, column: str, separator: str = LIST_SEPARATOR) -> tuple[str, ...]:
        """Return the parts of a list in a field, without empty ones."""
        parts = (part.strip() for part in (self.optional(column) or "").split(separator))
        return tuple(part for part in parts if part)

    def day(self, column: str) -> date | None:
        """Return a date in ISO 8601, None when the field is empty."""
        value = self.optional(column)
        if value is None:
            return None
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fault(
                column,
                Text(vi=f"«{value}» không phải ngày", en=f"“{value}” is no date"),
                Text(vi="Viết năm-tháng-ngày, ví dụ 2024-06-30", en="Write year-month-day, such as 2024-06-30"),
            )
            return None

    def whole(self, column: str, default: int, most: int) -> int:
        """Return a whole number from 0 to `most`, the default when the field is empty."""
        value = self.optional(column)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit()) or int(value) > most:
            self.fault(
                column,
                Text(
                    vi=f"«{value}» không phải số nguyên từ 0 đến {most}",
                    en=f"“{value}” is no whole number, 0 to {most}",
                ),
                Text(vi="Hãy sửa con số", en="Correct the number"),
            )
            return default
        return int(value)

    def decimal(self, column: str, default: str = "0") -> str:
        """Return a non-negative decimal as text, the default when the field is empty."""
        value = self.optional(column) or default
        try:
            number = Decimal(value)
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite() or number < 0:
            self.fault(
                column,
                Text(vi=f"«{value}» không phải số không âm", en=f"“{value}” is no number from 0 up"),
                Text(vi="Viết với dấu chấm thập phân, ví dụ 0.5", en="Write it with a decimal point, such as 0.5"),
            )
        return value

    def flag(self, column: str, *, default: bool) -> bool:
        """Return a yes or no, the default when the file has no such column."""
        if column not in self.cells:
            return default
        value = self.cells[column].casefold()
        if value in TRUE_WORDS or value in FALSE_WORDS:
            return value in TRUE_WORDS if value else default
        self.fault(
            column,
            Text(vi=f"«{value}» không phải có/không", en=f"“{value}” is neither yes nor no"),
            Text(vi="Viết 1 hoặc 0", en="Write 1 or 0"),
        )
        return default

    def choice(self, column: str, kind: type[EnumT], default: EnumT | None = None) -> EnumT:
        """Return one of an enumeration's values; the default, if there is one, for an empty field."""
        value = self.optional(column)
        if value is None and default is not None:
            return default
        return self.one_of(column, value or "", kind)

    def one_of(self, column: str, value: str, kind: type[EnumT]) -> EnumT:
        """Return the enumeration's member of this value; a fault otherwise."""
        try:
            return kind(value)
        except ValueError:
            allowed = ", ".join(kind)
            self.fault(
                column,
                Text(vi=f"Giá trị «{value}» không dùng được", en=f"The value “{value}” is not known"),
                Text(vi=f"Dùng một trong: {allowed}", en=f"Use one of: {allowed}"),
            )
            return next(iter(kind))


def read_rows(file: str, content: str, required: Sequence[str], findings: Findings) -> Iterator[Row]:
    """Yield the rows of a CSV file with its head; a fault for a missing column or a row of another length.

    Text is put into Unicode NFC, blanks around a field are dropped, empty lines are skipped.
    """
    reader = csv.reader(io.StringIO(unicodedata.normalize("NFC", content.removeprefix("\ufeff"))), strict=True)
    try:
        head = [name.strip() for name in next(reader, [])]
        missing = [column for column in required if column not in head]
        if missing:
            listed = ", ".join(missing)
            findings.add(
                file,
                Text(vi=f"Thiếu cột: {listed}", en=f"Missing columns: {listed}"),
                Text(vi="Thêm cột vào dòng đầu", en="Add them to the first line"),
                line=1,
            )
            return
        for values in reader:
            if not any(value.strip() for value in values):
                continue
            row = Row(
                file, reader.line_num, dict(zip(head, (value.strip() for value in values), strict=False)), findings
            )
            if len(values) != len(head):
                row.fault(
                    None,
                    Text(
                        vi=f"Dòng có {len(values)} ô, dòng đầu có {len(head)}",
                        en=f"The row has {len(values)} fields, the head has {len(head)}",
                    ),
                    Text(vi="Đặt ô có dấu phẩy trong ngoặc kép", en="Put a field with a comma in double quotes"),
                )
                continue
            yield row
    except csv.Error as error:
        findings.add(
            file,
            Text(vi=f"Không đọc được CSV: {error}", en=f"The CSV cannot be read: {error}"),
            Text(vi="Kiểm tra dấu ngoặc kép", en="Look for an open quote"),
            line=reader.line_num,
        )
