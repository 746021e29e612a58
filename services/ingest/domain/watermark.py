"""How far the doors have published: pure reckoning in machine time. See design: *The watermark*."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

SAFETY_SECONDS = 2.0
"""Taken off the least source: how far the clocks of brokers, database and replicas may differ."""


def watermark_of(sources: Collection[datetime]) -> datetime | None:
    """Return the machine instant up to which everything is published; None without any source."""
    return min(sources) - timedelta(seconds=SAFETY_SECONDS) if sources else None


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer of the broker for one partition: end and begin were asked after the instant `at` (machine time)."""

    at: datetime
    begin: int
    end: int

    def settled(self, committed: int) -> bool:
        """Whether all below the end is in the database, which has everything below offset `committed`.

        What retention has deleted before it was read is not there to be waited for.
        """
        return max(committed, self.begin) >= self.end


@dataclass
class PartitionProgress:
    """One partition of an agency's topic: how long ago everything in it was taken in."""

    waiting: Asked | None = None

    def advance(self, asked: Asked, committed: int) -> datetime | None:
        """Take a new answer; return the instant that is now settled, None when none is yet.

        While an earlier answer is unsettled it is kept: under a steady stream the newest end is always ahead.
        """
        if asked.settled(committed):
            self.waiting = None
            return asked.at
        if self.waiting is not None and self.waiting.settled(committed):
            settled, self.waiting = self.waiting.at, asked
            return settled
        # An end that went down is another log (a wiped broker): the earlier answer will never be settled.
        if self.waiting is None or asked.end < self.waiting.end:
            self.waiting = asked
        return None
