"""What the clock starts: planning and telling reminders, merging steps into mails, sending the queue."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from services.notify.context import Context
from services.notify.metrics import JOB_FAILURES, QUEUE, QUEUE_AGE
from services.notify.queueing import plan_reminders, queue_mails, tell_reminders
from services.notify.sending import Sender
from services.notify.storage.deliveries import units_to_plan, units_to_remind
from services.notify.storage.mails import queue_state
from services.notify.storage.steps import units_ready
from shared.bus.partitions import slot_of
from shared.bus.quarantine import root_cause
from shared.bus.retry import StoppedError, pause, until_it_works
from shared.bus.unit_of_work import UnitOfWorkFactory
from shared.logs import get_logger

UNITS_MAX = 500
"""Units that one run of a job takes up; the next run takes the rest."""

log = get_logger(__name__)

Job = Callable[[], Coroutine[Any, Any, None]]


class Jobs:
    """Notify's jobs. They begin when catalogue and contacts are there; `stop` ends them between transactions."""

    def __init__(self, units_of_work: UnitOfWorkFactory[Context], context: Context, sender: Sender) -> None:
        self._units_of_work = units_of_work
        self._context = context
        self._sender = sender
        self._stopping = asyncio.Event()
        self._wake_sender = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, ready: Job) -> None:
        """Start all jobs once `ready` returns."""
        settings = self._context.settings
        self._tasks = [
            self._task("queue", self.tick, ready, lambda: pause(settings.tick_seconds, self._stopping)),
            self._task("send", self.send, ready, lambda: pause(settings.send_poll_seconds, self._wake_sender)),
        ]
        for task in self._tasks:
            task.add_done_callback(_report_end)

    async def stop(self, seconds_max: float = 25.0) -> None:
        """Let a mail that is being sent end, but not for ever."""
        self._stopping.set()
        self._wake_sender.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds_max)
            for task in late:
                task.cancel()

    @property
    def alive(self) -> bool:
        """Whether no job has ended by a fault of ours; readiness tells."""
        return all(not task.done() for task in self._tasks) or self._stopping.is_set()

    async def tick(self) -> None:
        """Plan what changed, tell reminders whose time has come, queue what has settled, count the queue."""
        await self.plan()
        await self.remind()
        await self.queue()
        async with self._units_of_work.sessions() as session:
            counts, oldest = await queue_state(session)
        for state, count in counts.items():
            QUEUE.labels(state).set(count)
        age = self._context.clock.machine_now() - oldest if oldest is not None else None
        QUEUE_AGE.set(age.total_seconds() if age is not None else 0)

    async def plan(self) -> None:
        """Plan the reminders of deliveries that changed, and of all when the policy did."""
        policy, release = self._context.state.policy.fingerprint, self._context.state.snapshot.release
        async with self._units_of_work.sessions() as session:
            units = await units_to_plan(session, policy, release, UNITS_MAX)
            watermarks = await self._units_of_work.parts.watermarks.read_all(session)
        batch = self._context.settings.units_batch_max
        for start in range(0, len(units), batch):
            async with self._units_of_work.begin(units[start : start + batch]) as work:
                await plan_reminders(work, units[start : start + batch], watermarks)

    async def remind(self) -> None:
        """Record the reminders whose instant the watermark of their unit has passed."""
        async with self._units_of_work.sessions() as session:
            watermarks = await self._units_of_work.parts.watermarks.read_all(session)
            units = await units_to_remind(session, watermarks, UNITS_MAX)
        for unit in units:
            async with self._units_of_work.begin([unit]) as work:
                count = await tell_reminders(work, unit, watermarks[slot_of(unit)])
            if count:
                log.info("reminders_due", unit=unit, count=count)

    async def queue(self) -> None:
        """Merge steps that have settled into mails."""
        async with self._units_of_work.sessions() as session:
            units = await units_ready(session, self._context.clock.machine_now(), UNITS_MAX)
        for unit in units:
            async with self._units_of_work.begin([unit]) as work:
                queued = await queue_mails(work, unit)
            if queued.mail_count:
                log.info("mails_queued", unit=unit, count=queued.mail_count)
                self._wake_sender.set()

    async def send(self) -> None:
        """Send what is in the queue."""
        self._wake_sender.clear()
        await self._sender.run(self._stopping)

    def _task(self, name: str, job: Job, ready: Job, rest: Job) -> asyncio.Task[None]:
        return asyncio.create_task(self._repeat(name, job, ready, rest), name=name)

    async def _repeat(self, name: str, job: Job, ready: Job, rest: Job) -> None:
        """Run a job again and again; while the world is broken with growing pauses. A fault of ours ends it."""

        def waits(error: BaseException) -> None:
            JOB_FAILURES.labels(name).inc()
            log.warning("job_waits", job=name, error=root_cause(error))

        await self._until_stopping(ready)
        try:
            while not self._stopping.is_set():
                await until_it_works(job, stopping=self._stopping, on_retry=waits)
                await rest()
        except StoppedError:
            return

    async def _until_stopping(self, ready: Job) -> None:
        """Wait until ready, or until there is nothing to be ready for."""
        waiting, stopping = asyncio.ensure_future(ready()), asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait([waiting, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            stopping.cancel()


def _report_end(task: asyncio.Task[None]) -> None:
    """Say it loudly when a job has ended by a fault of ours."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("job_failed", job=task.get_name(), exc_info=error)
