"""Reads forms: forms.csv heads them, form_columns.csv and form_lines.csv say which cells they have."""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

from services.catalogue.domain.references import check_known, duplicate
from services.catalogue.domain.sheets import Findings, Row, read_rows
from services.catalogue.domain.versions import in_order, validity
from shared.delivery_id import FORM_CODE_LENGTH_MAX
from shared.events.catalogue import (
    CodeListV1,
    Column,
    Direction,
    FormV1,
    FormVersion,
    IndicatorV1,
    Line,
    LineDimension,
    Valid,
    ValidT,
)
from shared.periods import Frequency
from shared.text import Text

FORMS, COLUMNS, LINES = "forms.csv", "form_columns.csv", "form_lines.csv"
DIMENSION_SEPARATOR = "|"
DECIMALS_MAX = 6


@dataclass(frozen=True, slots=True)
class Measures:
    """What lines may name: indicators, and the code lists that break them down."""

    indicators: Mapping[str, IndicatorV1]
    code_lists: Mapping[str, CodeListV1]


class _Part(Valid):
    """A column or line and when it belongs to its form."""

    column: Column | None = None
    line: Line | None = None


def read_forms(
    contents: tuple[str, str, str],
    units: Container[str],
    measures: Measures,
    findings: Findings,
) -> dict[str, FormV1]:
    """Read forms.csv, form_columns.csv and form_lines.csv, in this order of `contents`."""
    forms, columns, lines = contents
    heads = _read_heads(forms, units, findings)
    column_parts = _read_columns(columns, heads, findings)
    line_parts = _read_lines(lines, heads, column_parts, measures, findings)
    found: dict[str, FormV1] = {}
    for code, rows in heads.items():
        versions = []
        for row, head in rows:
            its_columns = tuple(part.column for part in _within(column_parts[code], head) if part.column)
            its_lines = tuple(part.line for part in _within(line_parts[code], head) if part.line)
            if not its_columns or not its_lines:
                row.fault(
                    "code",
                    Text(
                        vi=f"Biểu «{code}» không có cột hoặc không có dòng",
                        en=f"Form “{code}” has no columns or no lines",
                    ),
                    Text(vi=f"Thêm vào {COLUMNS} và {LINES}", en=f"Add them to {COLUMNS} and {LINES}"),
                )
            versions.append((row, head.model_copy(update={"columns": its_columns, "lines": its_lines})))
        found[code] = FormV1(code=code, versions=in_order(versions))
    return found


def _read_heads(content: str, units: Container[str], findings: Findings) -> dict[str, list[tuple[Row, FormVersion]]]:
    heads: dict[str, list[tuple[Row, FormVersion]]] = defaultdict(list)
    for row in read_rows(FORMS, content, ("code", "title_vi", "direction"), findings):
        code = row.text("code")
        if len(code) > FORM_CODE_LENGTH_MAX:
            row.fault(
                "code",
                Text(vi=f"Ký hiệu biểu dài quá {FORM_CODE_LENGTH_MAX} ký tự", en="The form's code is too long"),
                Text(vi="Rút ngắn ký hiệu", en=f"Use at most {FORM_CODE_LENGTH_MAX} characters"),
            )
        version = FormVersion(
            title=row.name("title"),
            direction=row.choice("direction", Direction, Direction.INWARD),
            receiver=row.optional("receiver"),
            columns=(),
            lines=(),
            **validity(row),
        )
        check_known(row, "receiver", version.receiver, units)
        if code:  # also from a faulty row: what names it is not at fault
            heads[code].append((row, version))
    return heads


def _read_columns(content: str, forms: Container[str], findings: Findings) -> dict[str, list[_Part]]:
    found: dict[str, dict[str, list[tuple[Row, _Part]]]] = defaultdict(lambda: defaultdict(list))
    for row in read_rows(COLUMNS, content, ("form_code", "column", "name_vi"), findings):
        form, identifier = row.text("form_code"), row.text("column")
        check_known(row, "form_code", form, forms)
        frequencies = tuple(row.one_of("frequencies", value, Frequency) for value in row.names("frequencies"))
        part = _Part(column=Column(id=identifier, name=row.name(), frequencies=frequencies), **validity(row))
        if identifier:
            found[form][identifier].append((row, part))
    parts: dict[str, list[_Part]] = defaultdict(list)
    for form, columns in found.items():
        for rows in columns.values():
            parts[form] += in_order(rows)
    return parts


def _read_lines(
    content: str,
    forms: Container[str],
    columns: Mapping[str, list[_Part]],
    measures: Measures,
    findings: Findings,
) -> dict[str, list[_Part]]:
    parts: dict[str, list[_Part]] = defaultdict(list)
    seen: set[tuple[str, str, tuple[LineDimension, ...], tuple[str, ...], str]] = set()
    required = ("form_code", "indicator_code", "dimensions", "columns")
    for row in read_rows(LINES, content, required, findings):
        form, indicator = row.text("form_code"), row.text("indicator_code")
        check_known(row, "form_code", form, forms)
        check_known(row, "indicator_code", indicator, measures.indicators)
        line = Line(
            indicator=indicator,
            dimensions=tuple(_dimensions(row, measures.indicators.get(indicator), measures.code_lists)),
            columns=row.names("columns"),
            decimals=row.whole("decimals", 0, DECIMALS_MAX),
            required=row.flag("required", default=True),
        )
        known = {part.column.id for part in columns.get(form, ()) if part.column}
        if not line.columns:
            row.text("columns")
        for column in line.columns:
            check_known(row, "columns", column, known)
        key = (form, indicator, line.dimensions, line.columns, row.optional("valid_from") or "")
        if key in seen:
            duplicate(row, "indicator_code", indicator)
        seen.add(key)
        part = _Part(line=line, **validity(row))
        if row.good:
            parts[form].append(part)
    return parts


def _dimensions(
    row: Row, indicator: IndicatorV1 | None, code_lists: Mapping[str, CodeListV1]
) -> Iterable[LineDimension]:
    """Yield the dimensions of a line: `GEO`, `SEX|GEO`, `GEO=568;569`."""
    allowed = {name for version in indicator.versions for name in version.dimensions} if indicator else set()
    for part in row.names("dimensions", DIMENSION_SEPARATOR):
        name, _, listed = part.partition("=")
        codes = tuple(code.strip() for code in listed.split(";") if code.strip())
        check_known(row, "dimensions", name, code_lists)
        if indicator is not None and name in code_lists and name not in allowed:
            row.fault(
                "dimensions",
                Text(
                    vi=f"Chỉ tiêu «{indicator.code}» không có phân tổ «{name}»",
                    en=f"Indicator “{indicator.code}” has no breakdown “{name}”",
                ),
                Text(vi="Sửa dòng, hoặc thêm phân tổ vào indicators.csv", en="Correct it, or add it in indicators.csv"),
            )
        if name in code_lists:
            known = {code.code for version in code_lists[name].versions for code in version.codes}
            for code in codes:
                check_known(row, "dimensions", code, known)
        yield LineDimension(dimension=name, codes=codes)


def _within(parts: Iterable[ValidT], head: Valid) -> Iterable[ValidT]:
    """Yield the parts that hold on the first day of a version of the form (its last one where that is open)."""
    day = head.valid_from or head.valid_until
    for part in parts:
        if day is None or part.covers(day):
            yield part
