"""Due rules: which day a report is due by, as data (`P+0:D18`, `P+1:WD05`, `Y+1:03-31`)."""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date

from services.catalogue.domain.working_days import WorkingDays
from shared.periods import Period
from shared.text import Text

_DAY = re.compile(r"P\+(\d{1,2}):D(\d{2})")
_WORKING_DAY = re.compile(r"P\+(\d{1,2}):WD(\d{2})")
_DATE = re.compile(r"Y\+(\d{1,2}):(\d{2})-(\d{2})")
DAY_MAX = 31
WORKING_DAY_MAX = 23  # no month has more


class DueRuleError(ValueError):
    """A due rule that cannot be read; `message` says why in both languages."""

    def __init__(self, message: Text) -> None:
        super().__init__(message.en)
        self.message = message


@dataclass(frozen=True, slots=True)
class DayOfMonth:
    """`P+n:Ddd`: day dd of the n-th month after the period's last month; day 29 to 31 may be the last day."""

    months_after: int
    day: int

    def day_for(self, period: Period, _days: WorkingDays) -> date:
        """Return the day, before it is shifted off days off."""
        year, month = _month_after(period, self.months_after)
        return _clamped(year, month, self.day)


@dataclass(frozen=True, slots=True)
class WorkingDayOfMonth:
    """`P+n:WDdd`: the dd-th working day of that month, its last one when it has fewer."""

    months_after: int
    number: int

    def day_for(self, period: Period, days: WorkingDays) -> date:
        """Return the day; it is a working day already, unless the month has none."""
        year, month = _month_after(period, self.months_after)
        found = [
            day
            for number in range(1, monthrange(year, month)[1] + 1)
            if days.is_working(day := date(year, month, number))
        ]
        return found[min(self.number, len(found)) - 1] if found else _clamped(year, month, DAY_MAX)


@dataclass(frozen=True, slots=True)
class DateOfYear:
    """`Y+n:mm-dd`: a date in the n-th year after the reference year."""

    years_after: int
    month: int
    day: int

    def day_for(self, period: Period, _days: WorkingDays) -> date:
        """Return the day, before it is shifted off days off."""
        return _clamped(period.year + self.years_after, self.month, self.day)


DueRule = DayOfMonth | WorkingDayOfMonth | DateOfYear


def parse_due_rule(text: str) -> DueRule:
    """Read a due rule; raises DueRuleError."""
    if match := _DAY.fullmatch(text):
        months, day = int(match[1]), int(match[2])
        if 1 <= day <= DAY_MAX:
            return DayOfMonth(months, day)
        raise _out_of_range(text, f"D01–D{DAY_MAX}")
    if match := _WORKING_DAY.fullmatch(text):
        months, number = int(match[1]), int(match[2])
        if 1 <= number <= WORKING_DAY_MAX:
            return WorkingDayOfMonth(months, number)
        raise _out_of_range(text, f"WD01–WD{WORKING_DAY_MAX}")
    if match := _DATE.fullmatch(text):
        years, month, day = int(match[1]), int(match[2]), int(match[3])
        if 1 <= month <= 12 and 1 <= day <= DAY_MAX:
            return DateOfYear(years, month, day)
        raise _out_of_range(text, "01-01–12-31")
    raise DueRuleError(
        Text(
            vi=f"«{text}» không phải quy tắc thời hạn: viết P+0:D18, P+1:WD05 hoặc Y+1:03-31",
            en=f"“{text}” is no due rule: write P+0:D18, P+1:WD05 or Y+1:03-31",
        )
    )


def _out_of_range(text: str, allowed: str) -> DueRuleError:
    return DueRuleError(
        Text(
            vi=f"Quy tắc thời hạn «{text}»: ngày phải trong khoảng {allowed}",
            en=f"Due rule “{text}”: the day must be within {allowed}",
        )
    )


def _month_after(period: Period, months: int) -> tuple[int, int]:
    index = period.year * 12 + period.last_month - 1 + months
    return index // 12, index % 12 + 1


def _clamped(year: int, month: int, day: int) -> date:
    return date(year, month, min(day, monthrange(year, month)[1]))
