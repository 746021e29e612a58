"""The guard: when our own faults pile up, it is we who are broken, and dead letters would only spread the damage."""

from collections import defaultdict
from collections.abc import Iterable

CONSECUTIVE_FAULTS_MAX = 20
UNITS_MIN = 2
"""Faults with one unit's messages alone are put aside: it may be what that unit sends."""


class Guard:
    """Counts, for each event type, messages in a row that failed in our code. What senders do wrong does not count.

    Types count apart: a healthy one, such as the watermark each second, says nothing of a broken one.
    """

    def __init__(self, faults_max: int = CONSECUTIVE_FAULTS_MAX, units_min: int = UNITS_MIN) -> None:
        self._faults_max = faults_max
        self._units_min = units_min
        self._failed_units: defaultdict[str, list[str]] = defaultdict(list)

    @property
    def tripped(self) -> bool:
        """Whether some type has failed so often in a row that its next message is held, not put aside."""
        return any(self.holds(ce_type) for ce_type in self._failed_units)

    @property
    def counting(self) -> bool:
        """Whether there is anything that a success would reset."""
        return bool(self._failed_units)

    def holds(self, ce_type: str) -> bool:
        """Whether messages of this type are held: one more has failed in a row than may be put aside."""
        units = self._failed_units.get(ce_type, [])
        return len(units) > self._faults_max and len(set(units)) >= self._units_min

    def fault(self, ce_type: str, unit: str) -> None:
        """Count a message that failed, and whose it was, before it is put aside or held."""
        units = self._failed_units[ce_type]
        units.append(unit)
        if len(units) > self._faults_max + 1:  # of one noisy unit there is no end; the last ones say enough
            del units[0]

    def success(self, ce_types: Iterable[str]) -> None:
        """Start over for these types: a message of each was taken in."""
        for ce_type in ce_types:
            self._failed_units.pop(ce_type, None)
