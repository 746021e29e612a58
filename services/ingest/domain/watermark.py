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

        `committed` was read before the broker was asked, so in one and the same log it is not above the end.
        """
        if committed > asked.end:  # a wiped broker: these are offsets of another log
            committed, self.waiting = 0, None
        if asked.settled(committed):
            self.waiting = None
            return asked.at
        # Under a steady stream the newest end is always ahead, so an earlier answer is kept until it is settled.
        if self.waiting is not None and self.waiting.settled(committed):
            settled, self.waiting = self.waiting.at, asked
            return settled
        if self.waiting is None or asked.end < self.waiting.end:
            self.waiting = asked
        return None
