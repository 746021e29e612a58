"""Breaks things, one after the other, in a thread of its own, while others send."""

import random
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from queue import Queue
from threading import Thread, Timer

import psutil
from confluent_kafka import KafkaException

from chaos.failpoints import Failpoints
from chaos.plan import LOADER, PARTS, SWEEP, Act, Blind, Fault, Net, replicas_of
from chaos.processes import Processes
from chaos.proxies import Proxies
from chaos.releases import Releases
from chaos.stillness import Stillness
from demo.stack import Stack, StackError
from demo.topics import TopicReader
from shared.failpoints import Action

MEANT_SECONDS = 6.0  # how long the process that is meant has the place for itself
REACH_SECONDS_MAX = 45.0
ALIVE_SECONDS_MAX = 12.0  # a lease and a session are over by then
FIND_SECONDS_MAX = 15.0  # a part that was just killed comes back by then
TOPICS_SECONDS_MAX = 90.0
TRIES = 3
SWEEPING = 3  # so many are meant at once where it is soon over: one alone might have nothing to publish again
POLL_SECONDS = 0.02
RELEASE_TRIES = 20
RELEASE_PAUSE_SECONDS = 1.0


class NothingBrokeError(Exception):
    """A place that was armed was not reached, or a process to break was not there, again and again."""


@dataclass(frozen=True, slots=True)
class Broken:
    """What was done: the fault, which processes it hit, and how long it took."""

    fault: Fault
    processes: tuple[str, ...]
    seconds: float


class Breaker:
    """Takes faults in order. That the watermark moves shows that the system lives: the next fault waits for it.

    `wiped` is told when the broker has lost its disk and is down; then nothing unrepeatable is under way.
    """

    def __init__(
        self,
        stack: Stack,
        processes: Processes,
        failpoints: Failpoints,
        releases: Releases,
        *,
        reader: TopicReader,
        wiped: Callable[[], None],
        stillness: Stillness,
        log: Path,
        proxies: Proxies | None = None,
    ) -> None:
        self._stack = stack
        self._processes = processes
        self._failpoints = failpoints
        self._releases = releases
        self._reader = reader
        self._wiped = wiped
        self._stillness = stillness
        self._log = log
        self._proxies = proxies
        self._queue: Queue[Fault | None] = Queue()
        self._timers: list[Timer] = []
        self._thread = Thread(target=self._run, name="breaker", daemon=True)
        self.broken: list[Broken] = []
        self.failure: Exception | None = None
        self._thread.start()

    def break_all(self, faults: Sequence[Fault]) -> None:
        """Begin to break things."""
        for fault in faults:
            self._queue.put(fault)

    @property
    def busy(self) -> bool:
        """Whether there is something left to break."""
        return self.failure is None and self._queue.unfinished_tasks > 0

    def check(self) -> None:
        """Raise what ended the breaking, if anything did."""
        if self.failure is not None:
            raise self.failure

    def let_go(self) -> None:
        """Let everything go on that is stopped. Nothing is broken after that, unless more faults are given."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._processes.let_all_on()
        if self._proxies is not None:
            for part in PARTS:
                self._proxies.heal(part)

    def close(self) -> None:
        """End the thread after the fault in hand; doing it twice changes nothing."""
        self._queue.put(None)
        self._thread.join(REACH_SECONDS_MAX * 2)
        self.let_go()

    def _run(self) -> None:
        while (fault := self._queue.get()) is not None:
            try:
                if self.failure is None:
                    self._break(fault)
            except (NothingBrokeError, StackError, OSError, ValueError, subprocess.TimeoutExpired) as error:
                self.failure = error  # the player looks here, and says so
            finally:
                self._queue.task_done()

    def _break(self, fault: Fault) -> None:
        begun = time.monotonic()
        for _ in range(TRIES):
            processes = self._perform(fault)
            if processes:
                break
        else:
            raise NothingBrokeError(f"{fault.phase}: {', '.join(fault.targets)} could not be broken")
        self.broken.append(Broken(fault, processes, time.monotonic() - begun))
        with self._log.open("a", encoding="utf-8") as log:
            at = datetime.now().astimezone().isoformat(timespec="milliseconds")
            log.write(f"{at} {fault.number} {fault.phase}: {fault.act} {', '.join(processes)} {fault.seconds}\n")
        self._wait_for_life(fault)

    def _perform(self, fault: Fault) -> tuple[str, ...]:
        if fault.targets == (LOADER,):
            return self._break_release(fault)
        if fault.at_failpoint:
            return self._break_at_place(fault)
        if fault.phase == Blind.SUPERVISOR:
            return self._break_supervisor(fault)
        if fault.phase == Blind.WIPE:
            return fault.targets if self._wipe() else ()
        return fault.targets if self._break_blindly(fault) else ()

    def _harm(self, fault: Fault) -> bool:
        proxies, part = self._proxies, fault.targets[0]
        if proxies is None:
            raise NothingBrokeError(f"{fault.phase}: there are no proxies")
        proxies.heal(part)
        proxies.harm(part, Net(fault.phase))
        self._later(fault.seconds, lambda: proxies.heal(part))
        return True

    def _break_blindly(self, fault: Fault) -> bool:
        if not _within(lambda: all(self._processes.find(name) for name in fault.targets), FIND_SECONDS_MAX):
            return False
        match fault.act:
            case Act.KILL:
                return self._processes.kill(*fault.targets) == len(fault.targets)
            case Act.END:
                return self._processes.end(fault.targets[0])
            case Act.STOP:
                stopped = self._processes.stop(fault.targets[0])
                self._let_on_later(fault.seconds, stopped)
                return bool(stopped)
            case Act.HARM:
                return self._harm(fault)

    def _break_at_place(self, fault: Fault) -> tuple[str, ...]:
        """Arm a place in the process that is meant, then in all that might reach it; the first ones break."""
        place, action = fault.phase, Action.STOP if fault.act is Act.STOP else Action.KILL
        hit: list[str] = []

        def reached() -> bool:
            hit[:] = [name for name in fault.targets if self._failpoints.was_hit(name, place)]
            return bool(hit)

        try:
            for name in fault.targets[: SWEEPING if place == SWEEP else 1]:
                self._failpoints.arm(name, place, action)
            if place == "consumer.rebalance":
                self._rebalance(fault.targets[0], fault.number)
            elif place == SWEEP:
                self._wipe()
            if not _within(reached, MEANT_SECONDS):
                for name in fault.targets[1:]:
                    self._failpoints.arm(name, place, action)
                _within(reached, REACH_SECONDS_MAX)
        finally:
            for name in fault.targets:
                self._failpoints.disarm(name, place)
        if fault.act is Act.STOP:
            for name in hit:
                self._let_on_later(fault.seconds, self._processes.note_stopped(name))
        return tuple(hit)

    def _rebalance(self, name: str, number: int) -> None:
        """Let a member of the group go, the process itself or its neighbour: the partitions are given out anew."""
        members = replicas_of(name)
        self._processes.kill(members[number % len(members)])

    def _wipe(self) -> bool:
        """Take the broker's disk away, and let it begin anew; return whether the broker was there."""
        with self._stillness.alone():
            if not _within(lambda: self._processes.find("kafka") is not None, FIND_SECONDS_MAX):
                return False
            with self._processes.held(self._stack.pid):  # nobody starts the broker before its disk is gone
                self._processes.kill("kafka")
                _within(lambda: self._processes.find("kafka") is None, FIND_SECONDS_MAX)
                shutil.rmtree(self._stack.data / "kafka" / "data")
                self._wiped()
                self._reader.rewind()
            if not _within(self._has_topics, TOPICS_SECONDS_MAX):
                raise NothingBrokeError(f"the broker lost its disk, and has no topics after {TOPICS_SECONDS_MAX:.0f} s")
            return True

    def _has_topics(self) -> bool:
        try:
            return not self._reader.missing_topics()
        except KafkaException:
            return False

    def _break_supervisor(self, fault: Fault) -> tuple[str, ...]:
        self._stack.kill()
        time.sleep(fault.seconds)  # meanwhile everything runs on, watched by nobody
        self._stack.start()
        self._stack.wait_until_up(lambda _: None)
        return fault.targets

    def _break_release(self, fault: Fault) -> tuple[str, ...]:
        """Break the command that makes a release, then make it whole; raises NothingBrokeError if that fails."""
        place = fault.phase
        self._releases.change()
        self._failpoints.arm(LOADER, place, Action.STOP if fault.act is Act.STOP else Action.KILL)
        self._releases.start()
        hit = self._releases.until(lambda: self._failpoints.was_hit(LOADER, place))
        self._failpoints.disarm(LOADER, place)
        if hit and fault.act is Act.STOP:
            time.sleep(fault.seconds)
            self._processes.let_on(self._processes.note_stopped(LOADER))
        code = self._releases.end()
        for _ in range(RELEASE_TRIES):
            if code == 0:
                return fault.targets if hit else ()
            time.sleep(RELEASE_PAUSE_SECONDS)
            self._releases.start()
            code = self._releases.end()
        raise NothingBrokeError(f"the catalogue could not be loaded: exit code {code}")

    def _let_on_later(self, seconds: float, stopped: list[psutil.Process]) -> None:
        self._later(seconds, lambda: self._processes.let_on(stopped))

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        timer = Timer(seconds, act)
        timer.daemon = True
        timer.start()
        self._timers.append(timer)

    def _wait_for_life(self, fault: Fault) -> None:
        """Wait until the watermark moves, which takes doors, database, outbox and broker; then a little more."""
        before = self._reader.watermark()
        _within(lambda: self._reader.watermark() != before, ALIVE_SECONDS_MAX)
        time.sleep(random.Random(fault.number).uniform(0.0, 1.0))  # noqa: S311 -- faults are not in step with ticks


def _within(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until a condition holds; return whether it did."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(POLL_SECONDS)
    return True
