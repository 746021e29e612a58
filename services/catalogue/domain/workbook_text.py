"""The words on a form's workbook, as Vietnamese reports have them."""

from collections.abc import Mapping, Sequence
from datetime import date

from shared.catalogue.snapshot import Snapshot
from shared.delivery_id import DeliveryId, Status
from shared.periods import Frequency, Period
from shared.workbook import Row

ROMAN = ("I", "II", "III", "IV")
STATUS_NAMES: Mapping[Status, str] = {
    Status.ESTIMATE: "ước tính",
    Status.PRELIMINARY: "sơ bộ",
    Status.FINAL: "chính thức",
}
SIGNERS = (
    ("Người lập biểu", "(Ký, họ tên)"),
    ("Người kiểm tra biểu", "(Ký, họ tên)"),
    ("Thủ trưởng đơn vị", "(Ký, đóng dấu, họ tên)"),
)
PLACE_AND_DATE = "……………, ngày …… tháng …… năm ………"
WHOLE_YEAR, ALSO_WHOLE_YEAR = "Năm", "cả năm"
NOTE = (
    "Ghi chú: để trống = chưa báo cáo;  “-” = không phát sinh;  “...” = có phát sinh nhưng chưa thu thập được;  "
    "ô xám “x” = không phải báo cáo."
)


def span_name(period: Period) -> str:
    """Return a period without its year: `Tháng 6`, `Quý II`, `6 tháng`, `9 tháng`, `Năm`."""
    match period.frequency:
        case Frequency.MONTH:
            return f"Tháng {period.last_month}"
        case Frequency.QUARTER:
            return f"Quý {ROMAN[period.last_month // 3 - 1]}"
        case Frequency.HALF_YEAR:
            return "6 tháng"
        case Frequency.NINE_MONTHS:
            return "9 tháng"
        case Frequency.YEAR:
            return WHOLE_YEAR


def head_of(delivery: DeliveryId) -> str:
    """Return the head over a delivery's columns: `Quý II năm 2024 (ước tính)`."""
    return f"{_with_year(span_name(delivery.period), delivery.period.year)} ({STATUS_NAMES[delivery.status]})"


def periods_line(deliveries: Sequence[DeliveryId]) -> str:
    """Return the line under the title: `Kỳ báo cáo: Quý II và 6 tháng năm 2024`."""
    years = sorted({delivery.period.year for delivery in deliveries})
    by_year = []
    for year in years:
        spans = dict.fromkeys(span_name(each.period) for each in deliveries if each.period.year == year)
        names = [ALSO_WHOLE_YEAR if number and span == WHOLE_YEAR else span for number, span in enumerate(spans)]
        by_year.append(_with_year(_listed(names), year))
    return f"Kỳ báo cáo: {'; '.join(by_year)}"


def day_text(day: date) -> str:
    """Return a date as Vietnamese letters write it: `18/6/2024`."""
    return f"{day.day:02d}/{day.month}/{day.year}"


def row_name(snapshot: Snapshot, day: date, row: Row, before: Row | None) -> str:
    """Return what column A says: an indicator's name, or the name of a breakdown under it."""
    indicator = snapshot.indicator(row.indicator, day)
    name = indicator.name.vi if indicator else row.indicator
    if not row.dimensions:
        return name
    codes = ", ".join(_code_name(snapshot, day, dimension, code) for dimension, code in row.dimensions)
    if before is None or before.indicator != row.indicator:
        return f"{name}: {codes}"
    if tuple(dimension for dimension, _ in before.dimensions) != tuple(dimension for dimension, _ in row.dimensions):
        breakdown = ", ".join(_dimension_name(snapshot, day, dimension) for dimension, _ in row.dimensions)
        return f"Chia theo {breakdown[:1].lower()}{breakdown[1:]}: {codes}"
    return codes


def _code_name(snapshot: Snapshot, day: date, dimension: str, code: str) -> str:
    listed = snapshot.code_list(dimension, day)
    return next((each.name.vi for each in listed.codes if each.code == code), code) if listed else code


def _dimension_name(snapshot: Snapshot, day: date, dimension: str) -> str:
    listed = snapshot.code_list(dimension, day)
    return listed.name.vi if listed else dimension


def _with_year(spans: str, year: int) -> str:
    return f"{spans} {year}" if spans.endswith((WHOLE_YEAR, ALSO_WHOLE_YEAR)) else f"{spans} năm {year}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} và {names[-1]}"
