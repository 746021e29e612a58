"""What the clock starts: planning and telling reminders, merging steps into mails, sending the queue."""

import asyncio

from services.notify.context import Context
from services.notify.metrics import JOB_FAILURES, QUEUE, QUEUE_AGE
from services.notify.queueing import plan_reminders, queue_mails, tell_reminders
from services.notify.sending import Sender
from services.notify.storage.deliveries import units_to_plan, units_to_remind
from services.notify.storage.mails import queue_state
from services.notify.storage.steps import units_ready
from shared.bus.partitions import slot_of
from shared.bus.retry import pause
from shared.bus.unit_of_work import UnitOfWorkFactory
from shared.jobs import Job, JobRunner
from shared.logs import get_logger
from shared.vital import OnLoss

UNITS_MAX = 500
"""Units that one run of a job takes up; the next run takes the rest."""

STOP_SECONDS_MAX = 25.0

log = get_logger(__name__)


class Jobs:
    """Notify's jobs. They begin when catalogue and contacts are there; `stop` ends them between transactions."""

    def __init__(
        self,
        units_of_work: UnitOfWorkFactory[Context],
        context: Context,
        sender: Sender,
        on_loss: OnLoss | None = None,
    ) -> None:
        self._units_of_work = units_of_work
        self._context = context
        self._sender = sender
        self._wake_sender = asyncio.Event()
        self._runner = JobRunner(JOB_FAILURES, on_loss)

    def start(self, ready: Job) -> None:
        """Start all jobs once `ready` returns."""
        settings = self._context.settings
        self._runner.repeat("queue", self.tick, settings.tick_seconds, after=ready)
        self._runner.repeat_when(
            "send", self.send, lambda: pause(settings.send_poll_seconds, self._wake_sender), after=ready
        )

    async def stop(self) -> None:
        """Let a mail that is being sent end, but not for ever."""
        self._wake_sender.set()
        await self._runner.stop(STOP_SECONDS_MAX)

    @property
    def alive(self) -> bool:
        """Whether no job has ended by a fault of ours; readiness tells."""
        return self._runner.alive

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
        await self._sender.run(self._runner.stopping)
