"""Working days: weekends and public holidays of a country, and what the office decided for single days."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Self

import holidays

from shared.events.catalogue import CalendarV1, DayOverride, Shift

SHIFT_DAYS_MAX = 31
"""No run of days off is that long; a longer one is a fault of the overrides and would otherwise never end."""


class CalendarError(ValueError):
    """The calendar of days off cannot be used."""


@dataclass(frozen=True)
class WorkingDays:
    """Which days are working days. An override wins over the country's calendar."""

    country: str
    overrides: Mapping[date, bool] = field(default_factory=dict)
    _country_days: holidays.HolidayBase = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "_country_days", holidays.country_holidays(self.country))
        except NotImplementedError:
            raise CalendarError(f"no calendar of public holidays for country {self.country!r}") from None

    @classmethod
    def of(cls, calendar: CalendarV1) -> Self:
        """Return the working days of a catalogue's calendar; raises CalendarError for an unknown country."""
        return cls(calendar.holidays_country, _by_day(calendar.overrides))

    def is_working(self, day: date) -> bool:
        """Whether people work on a day; a swapped Saturday (hoán đổi ngày làm việc) is a working day."""
        decided = self.overrides.get(day)
        return bool(self._country_days.is_working_day(day)) if decided is None else decided

    def shifted(self, day: date, shift: Shift) -> date:
        """Return the day that a date moves to when it is a day off; raises CalendarError when there is none near."""
        if shift is Shift.NONE:
            return day
        step = timedelta(days=1 if shift is Shift.NEXT_WORKING_DAY else -1)
        for _ in range(SHIFT_DAYS_MAX):
            if self.is_working(day):
                return day
            day += step
        raise CalendarError(f"no working day within {SHIFT_DAYS_MAX} days before {day.isoformat()}")

    def count_after(self, first: date, last: date) -> int:
        """Return how many working days lie after `first`, up to and with `last`."""
        return sum(self.is_working(first + timedelta(days=number)) for number in range(1, (last - first).days + 1))


def _by_day(overrides: Iterable[DayOverride]) -> dict[date, bool]:
    return {override.day: override.working for override in overrides}
