"""Builds snapshots from the catalogue topic: entities are staged, a release marker switches to them all at once."""

from dataclasses import dataclass, field

from shared.catalogue.snapshot import Snapshot
from shared.events.base import EventData
from shared.events.catalogue import (
    CalendarV1,
    CodeListV1,
    FormV1,
    IndicatorV1,
    ObligationV1,
    ReleaseV1,
    RuleV1,
    UnitV1,
)


@dataclass
class SnapshotBuilder:
    """Takes the topic's records in order. An older release never overwrites a newer one."""

    snapshot: Snapshot | None = None
    _calendar: CalendarV1 | None = None
    _units: dict[str, UnitV1] = field(default_factory=dict)
    _code_lists: dict[str, CodeListV1] = field(default_factory=dict)
    _indicators: dict[str, IndicatorV1] = field(default_factory=dict)
    _forms: dict[str, FormV1] = field(default_factory=dict)
    _rules: dict[str, RuleV1] = field(default_factory=dict)
    _obligations: dict[str, ObligationV1] = field(default_factory=dict)

    def apply(self, data: EventData) -> Snapshot | None:
        """Take one record; return the new snapshot when it was the marker of a newer release."""
        match data:
            case UnitV1():
                self._units[data.code] = data
            case CodeListV1():
                self._code_lists[data.id] = data
            case IndicatorV1():
                self._indicators[data.code] = data
            case FormV1():
                self._forms[data.code] = data
            case RuleV1():
                self._rules[data.code] = data
            case ObligationV1():
                self._obligations[data.id] = data
            case CalendarV1():
                self._calendar = data
            case ReleaseV1():
                return self._release(data)
            case _:
                pass  # a kind that a newer catalogue publishes
        return None

    def _release(self, marker: ReleaseV1) -> Snapshot | None:
        if self._calendar is None or (self.snapshot is not None and marker.release <= self.snapshot.release):
            return None
        self.snapshot = Snapshot(
            release=marker.release,
            calendar=self._calendar,
            units=dict(self._units),
            code_lists=dict(self._code_lists),
            indicators=dict(self._indicators),
            forms=dict(self._forms),
            rules=dict(self._rules),
            obligations=dict(self._obligations),
        )
        return self.snapshot
