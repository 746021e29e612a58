"""Reference periods (kỳ báo cáo): month, quarter, 6 tháng, 9 tháng and year, as one value type."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema


class Frequency(StrEnum):
    """How often a form is due; codes as in SDMX CL_FREQ, where 9 tháng has none."""

    MONTH = "M"
    QUARTER = "Q"
    HALF_YEAR = "S"
    NINE_MONTHS = "9M"
    YEAR = "A"


class PeriodBasis(StrEnum):
    """Which days a period covers: whole calendar months, the 15th of the month before to the 14th
    (Decree 09/2019, Article 12), or the school year (1 September to 31 August).
    """

    CALENDAR = "calendar"
    ADMIN_15_14 = "admin_15_14"
    SCHOOL_YEAR = "school_year"


_MONTHS = {
    Frequency.MONTH: 1,
    Frequency.QUARTER: 3,
    Frequency.HALF_YEAR: 6,
    Frequency.NINE_MONTHS: 9,
    Frequency.YEAR: 12,
}
_PATTERN = re.compile(r"(\d{4})(?:-(?:(0[1-9]|1[0-2])|Q([1-4])|(S1)|(9M)))?")


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A reference period: `2024-03`, `2024-Q1`, `2024-S1`, `2024-9M` or `2024`.

    6 tháng and 9 tháng are cumulative, from January (Decree 60/2018); there is no second 6 tháng.
    Periods sort by year, then by last month, then from the shorter to the longer.
    """

    year: int
    last_month: int
    month_count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a period code; raises ValueError when it is none."""
        match = _PATTERN.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no period: write 2024-03, 2024-Q1, 2024-S1, 2024-9M or 2024")
        year, (month, quarter, half, nine) = int(match[1]), match.groups()[1:]
        if month:
            return cls(year, int(month), 1)
        if quarter:
            return cls(year, 3 * int(quarter), 3)
        if half:
            return cls(year, 6, 6)
        return cls(year, 9, 9) if nine else cls(year, 12, 12)

    @classmethod
    def ending(cls, frequency: Frequency, year: int, month: int) -> Self | None:
        """Return the period of this frequency whose last month is the given one, or None when none ends then."""
        count = _MONTHS[frequency]
        ends = {
            Frequency.MONTH: True,
            Frequency.QUARTER: month % 3 == 0,
            Frequency.HALF_YEAR: month == 6,
            Frequency.NINE_MONTHS: month == 9,
            Frequency.YEAR: month == 12,
        }[frequency]
        return cls(year, month, count) if ends else None

    def __str__(self) -> str:
        match self.frequency:
            case Frequency.MONTH:
                return f"{self.year:04d}-{self.last_month:02d}"
            case Frequency.QUARTER:
                return f"{self.year:04d}-Q{self.last_month // 3}"
            case Frequency.HALF_YEAR:
                return f"{self.year:04d}-S1"
            case Frequency.NINE_MONTHS:
                return f"{self.year:04d}-9M"
            case Frequency.YEAR:
                return f"{self.year:04d}"

    @property
    def frequency(self) -> Frequency:
        """The frequency that has periods of this length."""
        return next(frequency for frequency, count in _MONTHS.items() if count == self.month_count)

    @property
    def last_month_code(self) -> str:
        """The last month as a month code, `2024-06` for `2024-S1`."""
        return f"{self.year:04d}-{self.last_month:02d}"

    def bounds(self, basis: PeriodBasis = PeriodBasis.CALENDAR) -> tuple[date, date]:
        """Return the first and the last day that the period covers, both inclusive."""
        first_month = self.last_month - self.month_count + 1
        if basis is PeriodBasis.SCHOOL_YEAR and self.frequency is Frequency.YEAR:
            return date(self.year, 9, 1), date(self.year + 1, 8, 31)
        if basis is PeriodBasis.ADMIN_15_14:
            start = date(self.year - 1, 12, 15) if first_month == 1 else date(self.year, first_month - 1, 15)
            return start, date(self.year, self.last_month, 14)
        following = date(self.year + self.last_month // 12, self.last_month % 12 + 1, 1)
        return date(self.year, first_month, 1), following - timedelta(days=1)

    def before(self) -> Self:
        """Return the previous period of the same frequency (a year earlier for 6 and 9 tháng)."""
        if self.month_count in (1, 3):
            index = self.year * 12 + self.last_month - 1 - self.month_count
            return type(self)(index // 12, index % 12 + 1, self.month_count)
        return self.year_before()

    def year_before(self) -> Self:
        """Return the same period last year (cùng kỳ năm trước)."""
        return type(self)(self.year - 1, self.last_month, self.month_count)

    @property
    def iso_interval(self) -> str:
        """The calendar period as an ISO 8601 interval, `2024-01-01/P9M`."""
        first, _ = self.bounds()
        return f"{first.isoformat()}/{'P1Y' if self.month_count == 12 else f'P{self.month_count}M'}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, cls) else cls.parse(value),
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{_PATTERN.pattern}$", "examples": ["2024-03", "2024-Q1", "2024-S1"]}
