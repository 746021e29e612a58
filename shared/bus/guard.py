"""The guard: when our own faults pile up, it is we who are broken, and dead letters would only spread the damage."""

from collections import Counter
from collections.abc import Iterable

CONSECUTIVE_FAULTS_MAX = 20


class Guard:
    """Counts, for each event type, messages in a row that failed in our code. What senders do wrong does not count.

    Types count apart: a healthy one, such as the watermark each second, says nothing of a broken one.
    """

    def __init__(self, faults_max: int = CONSECUTIVE_FAULTS_MAX) -> None:
        self._faults_max = faults_max
        self._faults: Counter[str] = Counter()

    @property
    def tripped(self) -> bool:
        """Whether some type has failed so often in a row that its next message is held, not put aside."""
        return any(self.holds(ce_type) for ce_type in self._faults)

    @property
    def counting(self) -> bool:
        """Whether there is anything that a success would reset."""
        return bool(self._faults)

    def holds(self, ce_type: str) -> bool:
        """Whether messages of this type are held."""
        return self._faults[ce_type] >= self._faults_max

    def fault(self, ce_type: str) -> None:
        """Count a message that failed."""
        self._faults[ce_type] += 1

    def success(self, ce_types: Iterable[str]) -> None:
        """Start over for these types: a message of each was taken in."""
        for ce_type in ce_types:
            self._faults.pop(ce_type, None)
