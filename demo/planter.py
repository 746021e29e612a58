"""Plays business time: sends what is planned, moves the clock, and waits until the outside shows the answers."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Protocol

from demo.dispatch import Dispatch, Garbage, GarbageBody
from demo.doors import source_of
from demo.ledger import AnyEntry, Door, LedgerFile, Sending, Sent
from demo.sample import Sample
from demo.scenario import Scenario
from demo.settler import SETTLE_SECONDS_MAX, Clockwork, Onlooker, Settler, Waiting, now
from demo.stands import Stand

SENDERS = 6
UNREADABLE_ID = frozenset({Garbage.NO_ID, Garbage.BAD_HEADER})


class Progress(Waiting, Protocol):
    """Who is told how it goes."""

    def stand(self, stand: Stand) -> None:
        """Tell that business time moves to this stand."""

    def sent(self, dispatch: Dispatch) -> None:
        """Tell that something was sent."""


class Sender(Protocol):
    """A door."""

    def send(self, dispatch: Dispatch) -> Sent:
        """Send, and return what came back at once."""


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
        self._kafka, self._http = doors
        self._progress = progress
        self._settler = Settler(
            sample,
            stack=stack,
            outside=outside,
            ledger=ledger,
            progress=progress,
            settle_seconds_max=settle_seconds_max,
        )
        self.balance = self._settler.balance

    @property
    def entries(self) -> list[AnyEntry]:
        """The ledger so far."""
        return self._settler.entries

    def play(self) -> None:
        """Play it to the end. Raises NotSettledError, StackError, or what a door raises."""
        settler = self._settler
        with ThreadPoolExecutor(SENDERS, thread_name_prefix="sender") as pool:
            for stand in self._scenario.stands:
                self._progress.stand(stand)
                if stand.passes:
                    settler.move_clock(stand.at)
                else:
                    settler.begin(stand.at, self._scenario.seed)
                settler.settle(pool, past=max(stand.passes, default=None))
                for wave in self._scenario.waves(stand.number):
                    self._send_all(wave, stand, pool)
                    settler.settle(pool)
            settler.settle_finally(pool)

    def _send_all(self, wave: Sequence[Dispatch], stand: Stand, pool: ThreadPoolExecutor) -> None:
        sends = [pool.submit(self._send, dispatch, stand) for dispatch in wave]
        for send in sends:
            send.result()

    def _send(self, dispatch: Dispatch, stand: Stand) -> None:
        self._settler.write(announced(dispatch, stand.at))
        door = self._kafka if dispatch.door is Door.KAFKA else self._http
        self._settler.write(door.send(dispatch))
        self._progress.sent(dispatch)


def announced(dispatch: Dispatch, business_at: datetime) -> Sending:
    """Return what is written into the ledger before a thing is sent."""
    unreadable = isinstance(dispatch.body, GarbageBody) and dispatch.body.kind in UNREADABLE_ID
    readable = dispatch.door is Door.KAFKA and not unreadable
    return Sending(
        machine_at=now(),
        item=dispatch.item,
        case=dispatch.case,
        what=dispatch.what,
        door=dispatch.door,
        unit=dispatch.unit,
        outcome=dispatch.outcome,
        business_at=business_at,
        reports=dispatch.reports,
        ce_source=source_of(dispatch.unit) if readable else None,
        ce_id=dispatch.key if readable else None,
        status_expected=dispatch.status_expected,
    )
