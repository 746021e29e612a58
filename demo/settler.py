"""Waits until the outside shows what the ledger announced, and moves business time.

It never sleeps blindly: it goes on when the books so far balance, and gives up with the list of what is missing.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from typing import Protocol

import httpx

from demo.checker import Balance, check
from demo.checks.arrivals import package_of
from demo.checks.imbalance import Books, Imbalance
from demo.expectations import expectations_of
from demo.facts import Facts
from demo.ledger import AnyEntry, ClockMoved, LedgerFile, Started
from demo.sample import Sample

SETTLE_SECONDS_MAX = 60.0  # a second or two is usual; a loaded machine, or one where a service restarts, needs more
CLOCK_SECONDS_MAX = 30.0
POLL_SECONDS = 0.1
MISSING_SHOWN_MAX = 12
# Besides what is missing, these mend themselves when the next message comes.
PASSING = frozenset({"status_wrong", "figures_wrong", "sent_notification_unexpected", "sent_notification_wrong"})
MAILED = frozenset({"mail_missing", "sent_notification_unexpected", "sent_notification_wrong"})
# These hang on what is looked at only when all else is there.
LOOKED_AT_LAST = frozenset({"status_wrong"})


class Waiting(Protocol):
    """Who is told what is awaited."""

    def waiting(self, missing: Sequence[Imbalance]) -> None:
        """Tell what is awaited."""

    def settled(self) -> None:
        """Tell that everything awaited is there."""


class Clockwork(Protocol):
    """What is needed of the stack."""

    def check(self) -> None:
        """Raise StackError when the stack has ended by itself."""

    def advance_clock(self, to: datetime) -> None:
        """Move business time."""


class Onlooker(Protocol):
    """What must be seen."""

    def check(self) -> None:
        """Raise what ended the reading of the topics, if anything did."""

    def look_into_mailbox(self) -> None:
        """Read the mailbox anew."""

    def ask_for_status(self, packages: Iterable[tuple[str, str]], pool: Executor) -> None:
        """Ask what became of packages, given as (package id, unit)."""

    def watermark(self) -> datetime | None:
        """Return up to when the doors say that all is published."""

    def business_times(self) -> list[datetime]:
        """Return what time it is for each service."""

    def facts(self) -> Facts:
        """Return what has been seen."""


class NotSettledError(Exception):
    """The outside does not show what it must within the time; the message says what is missing."""


class Settler:
    """Keeps the entries of one run's ledger, and compares them with the outside."""

    def __init__(
        self,
        sample: Sample,
        *,
        stack: Clockwork,
        outside: Onlooker,
        ledger: LedgerFile,
        progress: Waiting,
        settle_seconds_max: float = SETTLE_SECONDS_MAX,
        clock_seconds_max: float = CLOCK_SECONDS_MAX,
    ) -> None:
        self._sample = sample
        self._stack = stack
        self._outside = outside
        self._ledger = ledger
        self._progress = progress
        self._settle_seconds_max = settle_seconds_max
        self._clock_seconds_max = clock_seconds_max
        self._history = [str(delivery) for delivery in sample.past]
        self.entries: list[AnyEntry] = []

    def write(self, entry: AnyEntry) -> None:
        """Write an entry into the ledger, on the disk."""
        self._ledger.write(entry)
        self.entries.append(entry)

    def begin(self, at: datetime, seed: int) -> None:
        """Write down where business time stands at the start."""
        self.write(Started(machine_at=now(), business_at=at, seed=seed))

    def move_clock(self, at: datetime) -> None:
        """Move business time, and wait until all services have followed. Raises NotSettledError or StackError."""
        self.write(ClockMoved(machine_at=now(), business_at=at))
        self._stack.advance_clock(at)
        self._wait(
            lambda: all(each >= at for each in self._outside.business_times()),
            self._clock_seconds_max,
            lambda: f"not all services have come to {at.isoformat()}",
        )

    def balance(self) -> Balance:
        """Compare the books as far as the outside was seen."""
        return check(list(self.entries), self._outside.facts(), self._sample.timetable, self._history)

    def settle(self, pool: Executor, past: datetime | None = None) -> None:
        """Wait until the books so far balance, and the watermark is past an instant. Raises NotSettledError."""
        missing: list[Imbalance] = []

        def settled() -> bool:
            missing[:] = self._missing(past)
            if missing and all(imbalance.kind in LOOKED_AT_LAST for imbalance in missing):
                self._outside.ask_for_status(self._packages(missing), pool)
                missing[:] = self._missing(past)
            self._progress.waiting(missing)
            return not missing

        self._wait(settled, self._settle_seconds_max, lambda: _listed(missing))
        self._progress.settled()

    def settle_finally(self, pool: Executor) -> None:
        """Wait until whatever might still be on its way had to be published; look into the mailbox a last time."""
        until: list[datetime] = []

        def known() -> bool:
            until[:] = self._outside.business_times()
            return True

        self._wait(known, self._settle_seconds_max, lambda: "not all services say what time it is")
        self.settle(pool, past=min(until))
        self._outside.look_into_mailbox()

    def _missing(self, past: datetime | None) -> list[Imbalance]:
        found = self._awaited()
        if any(each.kind in MAILED for each in found):
            self._outside.look_into_mailbox()
            found = self._awaited()
        watermark = self._outside.watermark()
        if past is not None and (watermark is None or watermark < past):
            seen = watermark.isoformat() if watermark is not None else "none"
            found.append(Imbalance("watermark_missing", past.isoformat(), f"the least one is {seen}"))
        return found

    def _awaited(self) -> list[Imbalance]:
        return [each for each in self.balance().imbalances if each.kind.endswith("_missing") or each.kind in PASSING]

    def _packages(self, imbalances: Sequence[Imbalance]) -> list[tuple[str, str]]:
        """Return (package id, unit) of the items that imbalances are about."""
        items = {imbalance.subject for imbalance in imbalances}
        entries = tuple(self.entries)
        expected = expectations_of(entries, self._sample.timetable)
        books = Books(entries, expected, self._outside.facts(), self._sample.timetable, frozenset())
        return [
            (package, sending.unit)
            for sending in expected.sendings
            if sending.item in items and (package := package_of(books, sending)) is not None
        ]

    def _wait(self, done: Callable[[], bool], seconds: float, what: Callable[[], str]) -> None:
        begun = time.monotonic()
        while not tolerant(done):
            self._stack.check()
            self._outside.check()
            if time.monotonic() - begun > seconds:
                raise NotSettledError(f"after {seconds:.0f} s: {what()}")
            time.sleep(POLL_SECONDS)


def start_of(outside: Onlooker) -> datetime:
    """Return where business time stands, in whole seconds. Raises ValueError when the services disagree."""
    times = outside.business_times()
    if max(times) - min(times) > timedelta(minutes=1):
        raise ValueError(f"the services disagree about business time: {sorted(times)}")
    return min(times).replace(microsecond=0)


def tolerant(done: Callable[[], bool]) -> bool:
    """Ask whether it is done; a part that does not answer for a moment says no."""
    try:
        return done()
    except httpx.TransportError:
        return False
    except httpx.HTTPStatusError as error:
        if error.response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            raise
        return False


def now() -> datetime:
    """Return machine time."""
    return datetime.now(UTC)


def _listed(missing: Sequence[Imbalance]) -> str:
    causes_first = sorted(missing, key=lambda imbalance: imbalance.kind in LOOKED_AT_LAST)
    lines = [str(imbalance) for imbalance in causes_first[:MISSING_SHOWN_MAX]]
    rest = len(missing) - len(lines)
    return "\n".join(["still missing", *lines, *([f"and {rest} more"] if rest > 0 else [])])
