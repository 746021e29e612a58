"""Reads obligations: obligations.csv has a row an indicator, not_applicable.csv the cells a unit need not fill."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from services.catalogue.domain.due_rules import DueRuleError, parse_due_rule
from services.catalogue.domain.references import check_known, duplicate
from services.catalogue.domain.schedule import Schedule, leaves_working_day
from services.catalogue.domain.sheets import Findings, Row, read_rows
from services.catalogue.domain.versions import in_order, validity
from shared.catalogue.snapshot import obligation_id
from shared.delivery_id import Status
from shared.events.catalogue import (
    CodeListV1,
    FormV1,
    IndicatorV1,
    NotApplicable,
    ObligationV1,
    ObligationVersion,
    Shift,
    UnitV1,
)
from shared.periods import Frequency, PeriodBasis
from shared.text import Text

OBLIGATIONS, NOT_APPLICABLE = "obligations.csv", "not_applicable.csv"
OPEN_DAYS_BEFORE, OPEN_DAYS_MAX = 30, 366


@dataclass(frozen=True)
class Known:
    """What obligations may name."""

    units: Mapping[str, UnitV1]
    indicators: Mapping[str, IndicatorV1]
    code_lists: Mapping[str, CodeListV1]
    forms: Mapping[str, FormV1]
    schedule: Schedule | None = field(default=None)


def read_obligations(content: str, not_applicable: str, known: Known, findings: Findings) -> dict[str, ObligationV1]:
    """Read both files; rows of one unit, form, frequency and status are one obligation, indicators in file order."""
    exempt = _read_not_applicable(not_applicable, known, findings)
    found: dict[str, dict[tuple[object, ...], tuple[Row, ObligationVersion]]] = defaultdict(dict)
    required = ("form_code", "indicator_code", "unit_code", "frequency", "due_rule", "status")
    for row in read_rows(OBLIGATIONS, content, required, findings):
        version = _version(row, known)
        if not row.good:
            continue
        key = obligation_id(version.unit, version.form, version.frequency, version.status)
        dates = (version.valid_from, version.valid_until)
        first, earlier = found[key].get(dates, (row, None))
        if earlier is None:
            _check_cut_off(row, version, known)
        else:
            version = _merged(row, earlier, version)
        found[key][dates] = (first, version)
    obligations = {}
    for key, rows in found.items():
        versions = (
            (row, version.model_copy(update={"not_applicable": _for(version, exempt)}))
            for row, version in rows.values()
        )
        obligations[key] = ObligationV1(id=key, versions=in_order(versions))
    return obligations


def _version(row: Row, known: Known) -> ObligationVersion:
    form, indicator = row.text("form_code"), row.text("indicator_code")
    version = ObligationVersion(
        unit=row.text("unit_code"),
        form=form,
        frequency=row.choice("frequency", Frequency),
        status=row.choice("status", Status),
        due_rule=row.text("due_rule"),
        period_basis=row.choice("period_basis", PeriodBasis, PeriodBasis.CALENDAR),
        open_days_before=row.whole("open_days_before", OPEN_DAYS_BEFORE, OPEN_DAYS_MAX),
        shift=row.choice("shift", Shift, Shift.NEXT_WORKING_DAY),
        indicators=(indicator,),
        **validity(row),
    )
    check_known(row, "unit_code", version.unit, known.units)
    check_known(row, "form_code", form, known.forms)
    check_known(row, "indicator_code", indicator, known.indicators)
    if form in known.forms and indicator in known.indicators:
        on_form = {line.indicator for each in known.forms[form].versions for line in each.lines}
        if indicator not in on_form:
            row.fault(
                "indicator_code",
                Text(
                    vi=f"Biểu «{form}» không có chỉ tiêu «{indicator}»",
                    en=f"Form “{form}” has no line of “{indicator}”",
                ),
                Text(
                    vi="Thêm dòng vào form_lines.csv, hoặc bỏ dòng này", en="Add it to form_lines.csv, or drop this row"
                ),
            )
    if version.due_rule:
        try:
            parse_due_rule(version.due_rule)
        except DueRuleError as error:
            row.fault(
                "due_rule",
                error.message,
                Text(vi="Sửa quy tắc thời hạn", en="Correct the due rule"),
            )
    return version


def _check_cut_off(row: Row, version: ObligationVersion, known: Known) -> None:
    if known.schedule is None:
        return
    year = int(known.schedule.calendar.live_from[:4])
    if not leaves_working_day(version, known.schedule, year):
        row.fault(
            "due_rule",
            Text(
                vi="Từ ngày chốt số liệu đến hạn gửi chưa đủ một ngày làm việc (Nghị định 09/2019/NĐ-CP, Điều 12)",
                en="Less than one working day between cut-off and due date (Decree 09/2019, Article 12)",
            ),
            Text(vi="Lùi thời hạn gửi", en="Move the due date back"),
        )


def _merged(row: Row, earlier: ObligationVersion, later: ObligationVersion) -> ObligationVersion:
    """Return the obligation with one more indicator; rows of one obligation must agree on all the rest."""
    for column in ("due_rule", "period_basis", "open_days_before", "shift"):
        expected = getattr(earlier, column)
        if getattr(later, column) != expected:
            row.fault(
                column,
                Text(
                    vi=f"Các dòng của cùng một nghĩa vụ khác nhau ở «{column}»; dòng đầu ghi «{expected}»",
                    en=f"Rows of one obligation differ in “{column}”; the first says “{expected}”",
                ),
                Text(vi="Ghi giống nhau ở mọi dòng", en="Write the same in every row"),
            )
    if later.indicators[0] in earlier.indicators:
        duplicate(row, "indicator_code", later.indicators[0])
    return earlier.model_copy(update={"indicators": earlier.indicators + later.indicators})


def _read_not_applicable(content: str, known: Known, findings: Findings) -> dict[str, list[NotApplicable]]:
    found: dict[str, list[NotApplicable]] = defaultdict(list)
    for row in read_rows(NOT_APPLICABLE, content, ("unit_code", "indicator_code", "dimension", "codes"), findings):
        unit, indicator = row.text("unit_code"), row.text("indicator_code")
        dimension, codes = row.optional("dimension"), row.names("codes")
        check_known(row, "unit_code", unit, known.units)
        check_known(row, "indicator_code", indicator, known.indicators)
        check_known(row, "dimension", dimension, known.code_lists)
        if dimension is not None and dimension in known.code_lists:
            listed = {code.code for version in known.code_lists[dimension].versions for code in version.codes}
            for code in codes:
                check_known(row, "codes", code, listed)
        if (dimension is None) != (not codes):
            row.fault(
                "codes",
                Text(vi="Phân tổ và mã phải đi cùng nhau", en="A dimension and codes go together"),
                Text(vi="Điền cả hai, hoặc để trống cả hai", en="Fill in both, or neither"),
            )
        if row.good:
            found[unit].append(NotApplicable(indicator=indicator, dimension=dimension, codes=codes))
    return found


def _for(version: ObligationVersion, exempt: Mapping[str, list[NotApplicable]]) -> tuple[NotApplicable, ...]:
    return tuple(entry for entry in exempt.get(version.unit, ()) if entry.indicator in version.indicators)
