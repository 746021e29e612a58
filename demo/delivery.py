"""The identity of one expected report, as the outside writes it."""

from dataclasses import dataclass
from urllib.parse import quote, unquote

PERIOD_LENGTHS = {"Q": 3, "S": 6, "9": 9}  # by the letter after the year; a month has digits, a year has nothing


@dataclass(frozen=True, slots=True, order=True)
class Delivery:
    """One expected report (lần báo cáo): `unit/form/period/status`, each part percent-encoded."""

    unit: str
    form: str
    period: str
    status: str

    @classmethod
    def parse(cls, text: str) -> "Delivery":
        """Read an id; raises ValueError when it has not four parts."""
        unit, form, period, status = (unquote(part) for part in text.split("/"))
        return cls(unit, form, period, status)

    def __str__(self) -> str:
        return "/".join(quote(part, safe="") for part in (self.unit, self.form, self.period, self.status))

    @property
    def month_count(self) -> int:
        """How many months the period covers; the reports of a package stand in this order."""
        _, _, rest = self.period.partition("-")
        if not rest:
            return 12
        return PERIOD_LENGTHS.get(rest[0], 1) if not rest.isdigit() else 1

    @property
    def short(self) -> str:
        """How people at a terminal call it."""
        return f"{self.unit} {self.form} {self.period} {self.status}"
