"""Plays the month while things break: moves the clock, sends, goes on sending while there is something to break."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from chaos.agencies import Agencies
from chaos.breaker import Breaker
from chaos.plan import Fault, shares
from chaos.report import Watcher
from chaos.stillness import Stillness
from chaos.traffic import Traffic
from demo.doors import HttpDoor, KafkaDoor
from demo.scenario import Scenario
from demo.settler import Settler
from demo.stands import Stand
from demo.topics import TopicReader

SENDERS = 10


class Player:
    """Plays one scenario with more traffic and with faults."""

    def __init__(
        self,
        scenario: Scenario,
        traffic: Traffic,
        settler: Settler,
        *,
        doors: tuple[KafkaDoor, HttpDoor],
        reader: TopicReader,
        stillness: Stillness,
        breaker: Breaker,
        watcher: Watcher,
    ) -> None:
        self._scenario = scenario
        self._traffic = traffic
        self._settler = settler
        self._breaker = breaker
        self._watcher = watcher
        self._stood_at = (scenario.stands[0].at, time.monotonic())
        self.agencies = Agencies(settler, doors, reader, stillness, self._business_now)

    def play(self, faults: Sequence[Fault]) -> None:
        """Play to the end. Raises what a door, the settler or the breaker raises."""
        stands = self._scenario.stands
        with ThreadPoolExecutor(SENDERS, thread_name_prefix="agency") as pool:
            try:
                self._settler.begin(stands[0].at, self._scenario.seed)
                for stand, some in zip(stands, shares(faults, len(stands)), strict=True):
                    self._watcher.stand(stand)
                    self._play_stand(stand, some, pool)
                self._settler.settle_finally(pool)
            finally:
                self.agencies.stop()
                pool.shutdown(cancel_futures=True)

    def _play_stand(self, stand: Stand, faults: Sequence[Fault], pool: ThreadPoolExecutor) -> None:
        """Break some while the clock moves, and reminders and deadlines pass; the others while packages flow."""
        first = len(faults) // 3 if stand.passes else 0
        self._breaker.break_all(faults[:first])
        if stand.passes:
            self._settler.move_clock(stand.at)
        self._stood_at = (stand.at, time.monotonic())
        # Who was to be reminded is, before anything is sent that would make it needless.
        self._settler.settle(pool, past=max(stand.passes, default=None))
        self._breaker.break_all(faults[first:])
        self.agencies.send_all(self._traffic.of_stand(stand), pool)
        number = 0
        while number == 0 or self._breaker.busy:
            self._breaker.check()
            self.agencies.send_all(self._traffic.round(stand, number), pool)
            number += 1
        self._breaker.check()
        self._breaker.let_go()
        self._settler.settle(pool)
        self._watcher.left(self.agencies, self._breaker, number)

    def _business_now(self) -> datetime:
        at, since = self._stood_at
        return at + timedelta(seconds=time.monotonic() - since)
