"""Vietnamese words for periods, dates and statuses, as an office writes them."""

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from shared.delivery_id import Status
from shared.periods import Frequency, Period, PeriodBasis

_QUARTERS = ("I", "II", "III", "IV")
_WEEKDAYS = ("thứ Hai", "thứ Ba", "thứ Tư", "thứ Năm", "thứ Sáu", "thứ Bảy", "Chủ nhật")
_STATUSES = {Status.ESTIMATE: "ước tính", Status.PRELIMINARY: "sơ bộ", Status.FINAL: "chính thức"}


def period_words(period: Period, basis: PeriodBasis = PeriodBasis.CALENDAR) -> str:
    """Return a period in words: `tháng 6 năm 2024`, `quý II năm 2024`, `6 tháng đầu năm 2024`."""
    match period.frequency:
        case Frequency.MONTH:
            return f"tháng {period.last_month} năm {period.year}"
        case Frequency.QUARTER:
            return f"quý {_QUARTERS[period.last_month // 3 - 1]} năm {period.year}"
        case Frequency.HALF_YEAR:
            return f"6 tháng đầu năm {period.year}"
        case Frequency.NINE_MONTHS:
            return f"9 tháng đầu năm {period.year}"
        case Frequency.YEAR if basis is PeriodBasis.SCHOOL_YEAR:
            return f"năm học {period.year}–{period.year + 1}"
        case Frequency.YEAR:
            return f"năm {period.year}"


def status_words(status: Status) -> str:
    """Return how firm figures are: `ước tính`, `sơ bộ`, `chính thức`."""
    return _STATUSES[status]


def day_words(instant: datetime, zone: ZoneInfo) -> str:
    """Return the local day: `thứ Ba, 18/6/2024`."""
    local = instant.astimezone(zone)
    return f"{_WEEKDAYS[local.weekday()]}, {short_day(instant, zone)}"


def short_day(instant: datetime, zone: ZoneInfo) -> str:
    """Return the local day in figures: `18/6/2024`."""
    local = instant.astimezone(zone)
    return f"{local.day}/{local.month}/{local.year}"


def moment_words(instant: datetime, zone: ZoneInfo) -> str:
    """Return the local time and day: `08:05 ngày 18/6/2024`."""
    return f"{instant.astimezone(zone):%H:%M} ngày {short_day(instant, zone)}"


def days_left_words(now: datetime, due_at: datetime, zone: ZoneInfo) -> str:
    """Return how far the deadline is: `còn 3 ngày`, `ngày mai`, `hôm nay`, `đã quá hạn 2 ngày`."""
    days = (due_at.astimezone(zone).date() - now.astimezone(zone).date()).days
    match days:
        case 0:
            return "hôm nay"
        case 1:
            return "ngày mai"
        case _ if days > 0:
            return f"còn {days} ngày"
        case _:
            return f"đã quá hạn {-days} ngày"


def sentence(text: str) -> str:
    """Return a text with its first letter in upper case and the rest as it is."""
    return text[:1].upper() + text[1:]


def listed(parts: Iterable[str]) -> str:
    """Return an enumeration without repetitions: `a, b và c`."""
    unique = list(dict.fromkeys(parts))
    return unique[0] if len(unique) == 1 else f"{', '.join(unique[:-1])} và {unique[-1]}" if unique else ""
