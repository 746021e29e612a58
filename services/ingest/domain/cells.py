"""Matches what was sent with the cells of the form: every cell of the form is listed, whatever was sent is found."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.ingest.domain.findings import Door, finding, printable
from services.ingest.domain.incoming import ObservedCell, Where
from services.ingest.domain.value import Content, ValueProblem
from shared.catalogue.form_cells import FormCell, cells_of
from shared.catalogue.snapshot import Snapshot
from shared.delivery_id import DeliveryId
from shared.events.catalogue import FormVersion
from shared.events.cells import CellKey, CellValue, Mark
from shared.events.findings import Finding
from shared.text import Text

CODES_NAMED_MAX = 12
SHOWN_LENGTH_MAX = 60


@dataclass(frozen=True, slots=True)
class Matched:
    """The cells of one report in the form's order, and what is wrong with what was sent."""

    cells: tuple[CellValue, ...]
    findings: tuple[Finding, ...]


def match_cells(snapshot: Snapshot, delivery: DeliveryId, observed: Iterable[ObservedCell]) -> Matched:
    """Return a value for every cell of the form: what was sent, or missing, or not applicable."""
    form_cells = cells_of(snapshot, delivery)
    on_form: Mapping[CellKey, FormCell] = {cell.key: cell for cell in form_cells}
    taken: dict[CellKey, CellValue] = {}
    first_seen: dict[CellKey, Where] = {}
    findings: list[Finding] = []
    for cell in observed:
        form_cell = on_form.get(cell.key)
        if form_cell is None:
            findings.append(_why_not_on_form(snapshot, delivery, cell))
        elif cell.key in first_seen:
            findings.append(_same_cell_twice(cell, first_seen[cell.key]))
        else:
            first_seen[cell.key] = cell.where
            value = _value_of(cell, form_cell)
            if isinstance(value, Finding):
                findings.append(value)
            else:
                taken[cell.key] = value
    return Matched(
        cells=tuple(taken.get(cell.key) or CellValue(key=cell.key, mark=_empty(cell)) for cell in form_cells),
        findings=tuple(findings),
    )


def _empty(cell: FormCell) -> Mark:
    return Mark.MISSING if cell.applicable else Mark.NOT_APPLICABLE


def _value_of(cell: ObservedCell, form_cell: FormCell) -> CellValue | Finding:
    content = cell.value.content(form_cell.decimals)
    place = cell.where.place
    if not form_cell.applicable:
        if isinstance(content, Content) and content.mark is Mark.MISSING:
            return CellValue(key=cell.key, mark=Mark.NOT_APPLICABLE, place=place)
        return finding(
            Door.NOT_APPLICABLE,
            Text(
                vi="Danh mục ghi ô này không áp dụng cho đơn vị",
                en="The catalogue declares this cell not applicable for your unit",
            ),
            Text(
                vi="Để trống ô này; nếu đơn vị có số liệu, báo Cục Thống kê sửa danh mục.",
                en="Leave it empty; if you do have a figure, ask the Statistics Office to change the catalogue.",
            ),
            cell.where,
            cell=cell.key,
            observed=_shown(cell),
        )
    if isinstance(content, ValueProblem):
        return _value_finding(content, cell, form_cell.decimals)
    return CellValue(key=cell.key, mark=content.mark, value=content.value, place=place)


def _shown(cell: ObservedCell) -> str:
    text = printable(str(cell.value.raw))
    return text if len(text) <= SHOWN_LENGTH_MAX else text[:SHOWN_LENGTH_MAX] + "…"


def _value_finding(problem: ValueProblem, cell: ObservedCell, decimals: int) -> Finding:
    shown = _shown(cell)
    match problem:
        case ValueProblem.NOT_A_NUMBER:
            message = Text(vi=f"«{shown}» không phải là số", en=f"“{shown}” is no number")
            mend = Text(
                vi="Ghi số thập phân (JSON: 1234.5), `-` nếu không phát sinh, `...` nếu có nhưng không thu thập được.",
                en="Write a decimal (in JSON 1234.5), `-` for none, `...` for what exists but was not collected.",
            )
        case ValueProblem.AMBIGUOUS:
            message = Text(
                vi=f"«{shown}» có thể là số nguyên hoặc số thập phân",
                en=f"“{shown}” may be a whole number or a decimal",
            )
            mend = Text(
                vi="Nhập dạng số thay vì dạng chữ; nếu để dạng chữ, bỏ dấu phân cách hàng nghìn.",
                en="Enter it as a number, not as text; as text, leave out the separator of thousands.",
            )
        case ValueProblem.TOO_MANY_DECIMALS:
            message = Text(
                vi=f"«{shown}» có nhiều chữ số thập phân hơn ô này ({decimals})",
                en=f"“{shown}” has more decimals than this cell ({decimals})",
            )
            mend = Text(
                vi=f"Làm tròn đến {decimals} chữ số thập phân; kiểm tra cả đơn vị tính.",
                en=f"Round it to {decimals} decimals; check the unit of measure, too.",
            )
        case ValueProblem.TOO_LARGE:
            message = Text(vi=f"«{shown}» quá lớn", en=f"“{shown}” is too large")
            mend = Text(
                vi="Kiểm tra đơn vị tính; tối đa 18 chữ số kể cả phần thập phân.",
                en="Check the unit of measure; at most 18 digits with the decimals.",
            )
        case ValueProblem.IMPRECISE:
            message = Text(
                vi=f"«{shown}» có nhiều hơn 15 chữ số nên mất độ chính xác khi gửi dạng số",
                en=f"“{shown}” has more than 15 digits: as a JSON number it loses precision",
            )
            mend = Text(vi='Gửi dạng chuỗi, ví dụ "1234.5".', en='Send it as a string, such as "1234.5".')
        case ValueProblem.FORMULA_WITHOUT_VALUE:
            message = Text(vi="Công thức chưa có giá trị", en="The formula has no computed value")
            mend = Text(
                vi="Mở tệp bằng Excel hoặc LibreOffice, lưu lại rồi gửi; hoặc thay công thức bằng số.",
                en="Open the file in Excel or LibreOffice, save it and send that; or put the number itself there.",
            )
        case ValueProblem.FORMULA_ERROR:
            message = Text(vi=f"Công thức báo lỗi {shown}", en=f"The formula gives the error {shown}")
            mend = Text(vi="Sửa công thức hoặc thay bằng số.", en="Mend the formula or put the number itself there.")
    expected = str(decimals) if problem is ValueProblem.TOO_MANY_DECIMALS else None
    code = Door(f"door.{problem.value}")
    return finding(code, message, mend, cell.where, cell=cell.key, expected=expected, observed=shown)


def _same_cell_twice(cell: ObservedCell, first: Where) -> Finding:
    at = first.document or (first.place.address if first.place else "")
    return finding(
        Door.SAME_CELL_TWICE,
        Text(vi=f"Ô {cell.key} đã có ở {at}", en=f"The cell {cell.key} was given before, at {at}"),
        Text(vi="Gửi mỗi ô một lần.", en="Send each cell once."),
        cell.where,
        cell=cell.key,
    )


def _why_not_on_form(snapshot: Snapshot, delivery: DeliveryId, cell: ObservedCell) -> Finding:
    """Say what about a cell does not fit: indicator, dimension, code, column, or only the combination."""
    key, day = cell.key, delivery.period.bounds()[1]
    form, obligation = snapshot.form(delivery.form, delivery.period), snapshot.obligation(delivery)
    lines = [line for line in form.lines if line.indicator == key.indicator] if form else []
    if not lines:
        known = snapshot.indicator(key.indicator, day) is not None
        return _finding_at(
            cell,
            Door.UNKNOWN_INDICATOR,
            vi=f"Chỉ tiêu {key.indicator} không có trong biểu {delivery.form}"
            + ("" if known else " và không có trong danh mục"),
            en=f"The indicator {key.indicator} is not on form {delivery.form}"
            + ("" if known else ", nor in the catalogue"),
        )
    if obligation is not None and key.indicator not in obligation.indicators:
        return _finding_at(
            cell,
            Door.NOT_YOUR_INDICATOR,
            vi=f"Đơn vị không báo cáo chỉ tiêu {key.indicator} trong biểu này",
            en=f"Your unit does not report the indicator {key.indicator} on this form",
        )
    by_dimension = {dimension.dimension: dimension.codes for line in lines for dimension in line.dimensions}
    for name, code in key.dimensions:
        if name not in by_dimension:
            return _finding_at(
                cell,
                Door.UNKNOWN_DIMENSION,
                vi=f"Chỉ tiêu {key.indicator} không phân tổ theo {name} trong biểu này",
                en=f"The indicator {key.indicator} has no breakdown by {name} on this form",
                expected=", ".join(sorted(by_dimension)) or None,
            )
        listed = snapshot.code_list(name, day)
        if listed is None or code not in {each.code for each in listed.codes}:
            codes = by_dimension[name] or tuple(each.code for each in listed.codes) if listed else ()
            return _finding_at(
                cell,
                Door.UNKNOWN_CODE,
                vi=f"Mã {code} không có trong danh mục {name}",
                en=f"The code {code} is not in the code list {name}",
                expected=", ".join(codes[:CODES_NAMED_MAX]) + (", …" if len(codes) > CODES_NAMED_MAX else ""),
                observed=code,
            )
    columns = _columns_of(form, delivery)
    if key.column not in columns:
        return _finding_at(
            cell,
            Door.UNKNOWN_COLUMN,
            vi=f"Biểu này không có cột {key.column} cho kỳ {delivery.period}",
            en=f"This form has no column {key.column} for {delivery.period}",
            expected=", ".join(columns),
            observed=key.column,
        )
    return _finding_at(
        cell,
        Door.CELL_NOT_ON_FORM,
        vi=f"Ô {key} không có trong biểu {delivery.form}",
        en=f"The cell {key} is not on form {delivery.form}",
    )


def _columns_of(form: FormVersion | None, delivery: DeliveryId) -> list[str]:
    frequency = delivery.period.frequency
    return (
        [column.id for column in form.columns if not column.frequencies or frequency in column.frequencies]
        if form
        else []
    )


def _finding_at(
    cell: ObservedCell, code: Door, *, vi: str, en: str, expected: str | None = None, observed: str | None = None
) -> Finding:
    mend = Text(
        vi="Xem biểu và mã trong danh mục; bỏ hoặc sửa ô này rồi gửi lại cả gói.",
        en="See the form and the codes in the catalogue; mend or leave out this cell and send the whole package again.",
    )
    return finding(
        code, Text(vi=vi, en=en), mend, cell.where, cell=cell.key, expected=expected or None, observed=observed
    )
