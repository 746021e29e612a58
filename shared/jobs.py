"""What the clock starts: a service's jobs, each run again and again."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from prometheus_client import Counter as Metric

from shared.bus.quarantine import root_cause
from shared.bus.retry import StoppedError, pause, until_it_works
from shared.logs import get_logger
from shared.vital import OnLoss, VitalTasks

STOP_SECONDS_MAX = 10.0
TRIES_UNNOTICED = 4
"""A job that has failed less often in a row has met a hiccup: about a second."""

log = get_logger(__name__)

Job = Callable[[], Awaitable[object]]


class JobRunner:
    """Runs jobs until stopped, between two runs at the latest.

    While the world is broken a job is tried again with growing pauses, counted in `failures` (label: job). A fault
    of ours ends the job and with it the process, which begins anew.
    """

    def __init__(self, failures: Metric, on_loss: OnLoss | None = None) -> None:
        self.stopping = asyncio.Event()
        self._tries: Counter[str] = Counter()
        self._failures = failures
        self._tasks = VitalTasks(on_loss)

    @property
    def alive(self) -> bool:
        """Whether no job has ended by a fault of ours, or fails again and again; readiness tells."""
        return self._tasks.alive and all(count < TRIES_UNNOTICED for count in self._tries.values())

    def repeat(self, name: str, job: Job, seconds: float, *, after: Job | None = None) -> None:
        """Run a job every so many seconds, once `after` has returned."""
        self.repeat_when(name, job, lambda: pause(seconds, self.stopping), after=after)

    def repeat_when(self, name: str, job: Job, rest: Job, *, after: Job | None = None) -> None:
        """Run a job, and again whenever `rest` returns: that is where it waits for its next occasion."""
        self._tasks.start(name, self._repeat(name, job, rest, after))

    def once(self, name: str, job: Job, *, after: Job | None = None) -> None:
        """Run a job in the background until it has worked once."""
        self._tasks.start(name, self._once(name, job, after), once=True)

    async def until_done(self, name: str, job: Job) -> None:
        """Run a job until it has worked once; raises StoppedError when stopped before."""
        await until_it_works(job, stopping=self.stopping, on_retry=lambda error: self._waits(name, error))
        self._tries.pop(name, None)

    async def stop(self, seconds_max: float = STOP_SECONDS_MAX) -> None:
        """Let what is being done end, but not for ever."""
        self._tasks.expect_end()
        self.stopping.set()
        await self._tasks.wait(seconds_max)

    async def _repeat(self, name: str, job: Job, rest: Job, after: Job | None) -> None:
        try:
            await self._unless_stopped(after)
            while True:
                await self.until_done(name, job)
                await rest()
        except StoppedError:
            return

    async def _once(self, name: str, job: Job, after: Job | None) -> None:
        try:
            await self._unless_stopped(after)
            await self.until_done(name, job)
        except StoppedError:
            return

    async def _unless_stopped(self, wait: Job | None) -> None:
        """Wait for something; raises what it raises, and StoppedError when the service stops before."""
        if wait is None:
            return
        waiting = asyncio.ensure_future(wait())
        stopping = asyncio.ensure_future(self.stopping.wait())
        try:
            await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            waiting.cancel()
        if not waiting.done():
            raise StoppedError
        await waiting

    def _waits(self, name: str, error: BaseException) -> None:
        self._failures.labels(name).inc()
        self._tries[name] += 1
        log.warning("job_waits", job=name, error=root_cause(error))
