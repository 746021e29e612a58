"""Plays business time: sends what is planned, moves the clock, and waits until the outside shows the answers.

It never sleeps blindly: it goes on when the books so far balance, and gives up with the list of what is missing.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Protocol

import httpx

from demo.checker import Balance, check
from demo.checks.arrivals import package_of
from demo.checks.imbalance import Books, Imbalance
from demo.dispatch import Dispatch, Garbage, GarbageBody
from demo.doors import source_of
from demo.expectations import expectations_of
from demo.facts import Facts
from demo.ledger import AnyEntry, ClockMoved, Door, LedgerFile, Sending, Sent, Started
from demo.sample import Sample
from demo.scenario import Scenario
from demo.stands import Stand

SETTLE_SECONDS_MAX = 60.0  # a second or two is usual; a loaded machine, or one where a service restarts, needs more
CLOCK_SECONDS_MAX = 30.0
POLL_SECONDS = 0.1
SENDERS = 6
MISSING_SHOWN_MAX = 12
UNREADABLE_ID = frozenset({Garbage.NO_ID, Garbage.BAD_HEADER})
# Besides what is missing, these mend themselves when the next message comes.
PASSING = frozenset({"status_wrong", "figures_wrong", "sent_notification_unexpected", "sent_notification_wrong"})
MAILED = frozenset({"mail_missing", "sent_notification_unexpected", "sent_notification_wrong"})
# These hang on what is looked at only when all else is there.
LOOKED_AT_LAST = frozenset({"status_wrong"})


class Progress(Protocol):
    """Who is told how it goes."""

    def stand(self, stand: Stand) -> None:
        """Tell that business time moves to this stand."""

    def sent(self, dispatch: Dispatch) -> None:
        """Tell that something was sent."""

    def waiting(self, missing: Sequence[Imbalance]) -> None:
        """Tell what is awaited."""

    def settled(self) -> None:
        """Tell that everything awaited is there."""


class Clockwork(Protocol):
    """What the planter needs of the stack."""

    def check(self) -> None:
        """Raise StackError when the stack has ended by itself."""

    def advance_clock(self, to: datetime) -> None:
        """Move business time."""


class Onlooker(Protocol):
    """What the planter needs to see."""

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


class Sender(Protocol):
    """A door."""

    def send(self, dispatch: Dispatch) -> Sent:
        """Send, and return what came back at once."""


class NotSettledError(Exception):
    """The outside does not show what it must within the time; the message says what is missing."""


class Planter:
    """Plays one scenario against a running stack."""

    def __init__(
        self,
        scenario: Scenario,
        sample: Sample,
        *,
        stack: Clockwork,
        outside: Onlooker,
        doors: tuple[Sender, Sender],
        ledger: LedgerFile,
        progress: Progress,
        settle_seconds_max: float = SETTLE_SECONDS_MAX,
    ) -> None:
        self._scenario = scenario
        self._sample = sample
        self._stack = stack
        self._outside = outside
        self._kafka, self._http = doors
        self._ledger = ledger
        self._progress = progress
        self._settle_seconds_max = settle_seconds_max
        self._history = [str(delivery) for delivery in sample.past]
        self.entries: list[AnyEntry] = []

    def play(self) -> None:
        """Play it to the end. Raises NotSettledError, StackError, or what a door raises."""
        with ThreadPoolExecutor(SENDERS, thread_name_prefix="sender") as pool:
            for stand in self._scenario.stands:
                self._progress.stand(stand)
                if stand.passes:
                    self._move_clock(stand)
                else:
                    self._write(Started(machine_at=_now(), business_at=stand.at, seed=self._scenario.seed))
                self._settle(pool, past=max(stand.passes, default=None))
                for wave in self._scenario.waves(stand.number):
                    self._send_all(wave, stand, pool)
                    self._settle(pool)
            # Whatever might still be on its way had to be published before this.
            self._settle(pool, past=min(self._outside.business_times()))
            self._outside.look_into_mailbox()

    def balance(self) -> Balance:
        """Compare the books as far as the outside was seen."""
        return check(list(self.entries), self._outside.facts(), self._sample.timetable, self._history)

    def _write(self, entry: AnyEntry) -> None:
        self._ledger.write(entry)
        self.entries.append(entry)

    def _move_clock(self, stand: Stand) -> None:
        self._write(ClockMoved(machine_at=_now(), business_at=stand.at))
        self._stack.advance_clock(stand.at)
        self._wait(
            lambda: all(at >= stand.at for at in self._outside.business_times()),
            CLOCK_SECONDS_MAX,
            lambda: f"not all services have come to {stand.at.isoformat()}",
        )

    def _send_all(self, wave: Sequence[Dispatch], stand: Stand, pool: ThreadPoolExecutor) -> None:
        sends = [pool.submit(self._send, dispatch, stand) for dispatch in wave]
        for send in sends:
            send.result()

    def _send(self, dispatch: Dispatch, stand: Stand) -> None:
        unreadable = isinstance(dispatch.body, GarbageBody) and dispatch.body.kind in UNREADABLE_ID
        readable = dispatch.door is Door.KAFKA and not unreadable
        self._write(
            Sending(
                machine_at=_now(),
                item=dispatch.item,
                case=dispatch.case,
                what=dispatch.what,
                door=dispatch.door,
                unit=dispatch.unit,
                outcome=dispatch.outcome,
                business_at=stand.at,
                reports=dispatch.reports,
                ce_source=source_of(dispatch.unit) if readable else None,
                ce_id=dispatch.item if readable else None,
                status_expected=dispatch.status_expected,
            )
        )
        sent: Sent = (self._kafka if dispatch.door is Door.KAFKA else self._http).send(dispatch)
        self._write(sent)
        self._progress.sent(dispatch)

    def _settle(self, pool: ThreadPoolExecutor, past: datetime | None = None) -> None:
        """Wait until the books so far balance, and the watermark is past an instant."""
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
        while not _tolerant(done):
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


def _tolerant(done: Callable[[], bool]) -> bool:
    """Ask whether it is done; a part that does not answer for a moment says no."""
    try:
        return done()
    except httpx.TransportError:
        return False
    except httpx.HTTPStatusError as error:
        if error.response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            raise
        return False


def _now() -> datetime:
    return datetime.now(UTC)


def _listed(missing: Sequence[Imbalance]) -> str:
    causes_first = sorted(missing, key=lambda imbalance: imbalance.kind in LOOKED_AT_LAST)
    lines = [str(imbalance) for imbalance in causes_first[:MISSING_SHOWN_MAX]]
    rest = len(missing) - len(lines)
    return "\n".join(["still missing", *lines, *([f"and {rest} more"] if rest > 0 else [])])
