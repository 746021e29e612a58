"""One release of the catalogue, immutable, in memory: what every service asks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import quote

from shared.delivery_id import DeliveryId, Status
from shared.events.catalogue import (
    CalendarV1,
    CodeListV1,
    CodeListVersion,
    FormV1,
    FormVersion,
    IndicatorV1,
    IndicatorVersion,
    ObligationV1,
    ObligationVersion,
    RuleV1,
    RuleVersion,
    UnitV1,
    UnitVersion,
    on_day,
)
from shared.periods import Frequency, Period


def obligation_id(unit: str, form: str, frequency: Frequency, status: Status) -> str:
    """Return an obligation's key: `unit/form/frequency/status`, each percent-encoded."""
    return "/".join(quote(part, safe="") for part in (unit, form, frequency.value, status.value))


@dataclass(frozen=True)
class Snapshot:
    """The catalogue as of one release. Look-ups by period take the version that holds on the period's last day."""

    release: int
    calendar: CalendarV1
    units: Mapping[str, UnitV1] = field(default_factory=dict)
    code_lists: Mapping[str, CodeListV1] = field(default_factory=dict)
    indicators: Mapping[str, IndicatorV1] = field(default_factory=dict)
    forms: Mapping[str, FormV1] = field(default_factory=dict)
    rules: Mapping[str, RuleV1] = field(default_factory=dict)
    obligations: Mapping[str, ObligationV1] = field(default_factory=dict)

    def unit(self, code: str, day: date) -> UnitVersion | None:
        """Return the unit as it is on a day, or None when there is none."""
        entity = self.units.get(code)
        return on_day(entity.versions, day) if entity else None

    def code_list(self, dimension: str, day: date) -> CodeListVersion | None:
        """Return a dimension's code list as it is on a day, or None."""
        entity = self.code_lists.get(dimension)
        return on_day(entity.versions, day) if entity else None

    def indicator(self, code: str, day: date) -> IndicatorVersion | None:
        """Return an indicator as it is on a day, or None."""
        entity = self.indicators.get(code)
        return on_day(entity.versions, day) if entity else None

    def form(self, code: str, period: Period) -> FormVersion | None:
        """Return the form that holds for a period, or None."""
        entity = self.forms.get(code)
        return on_day(entity.versions, period.bounds()[1]) if entity else None

    def obligation(self, delivery: DeliveryId) -> ObligationVersion | None:
        """Return the obligation behind a delivery, or None when the unit does not owe it."""
        key = obligation_id(delivery.unit, delivery.form, delivery.period.frequency, delivery.status)
        entity = self.obligations.get(key)
        return on_day(entity.versions, delivery.period.bounds()[1]) if entity else None

    def rules_for(self, form: str, period: Period) -> tuple[tuple[str, RuleVersion], ...]:
        """Return (code, rule) of the rules that hold for a form and period, in code order."""
        day = period.bounds()[1]
        versions = ((code, on_day(rule.versions, day)) for code, rule in sorted(self.rules.items()))
        return tuple(
            (code, rule)
            for code, rule in versions
            if rule and rule.form == form and (not rule.frequencies or period.frequency in rule.frequencies)
        )
