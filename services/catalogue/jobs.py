"""What the clock starts: reading a new release, planning and opening deliveries, telling which deadlines passed.

Each transaction of a job takes the job's advisory lock and is skipped when another replica holds it. That only saves
work: states and the table of deadline events keep everything single.
"""

from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from sqlalchemy import Integer, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.catalogue.deadlines import open_deliveries, pass_deadlines
from services.catalogue.domain.schedule import Schedule
from services.catalogue.metrics import DELIVERIES, JOB_FAILURES, PLANNING_SECONDS
from services.catalogue.planning import plan
from services.catalogue.releases import publish_whole
from services.catalogue.settings import CatalogueSettings
from services.catalogue.state import CatalogueState
from services.catalogue.storage.deliveries import count_by_state, ids_to_open, ids_to_pass, last_planning
from services.catalogue.storage.publications import add_publication, drop_unsent, published_clusters
from services.catalogue.storage.tables import SERVICE
from shared.bus.cluster import ClusterWatch
from shared.bus.locks import lock_number
from shared.bus.partitions import UNITLESS
from shared.bus.retry import StoppedError
from shared.bus.unit_of_work import UnitOfWorkFactory
from shared.catalogue.snapshot import Snapshot
from shared.jobs import JobRunner
from shared.logs import get_logger
from shared.vital import OnLoss

CALENDAR_LOCK, SWEEP_LOCK = 1, 2
COUNT_SECONDS = 10.0
_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(:purpose, :number)").bindparams(
    bindparam("purpose", type_=Integer), bindparam("number", type_=Integer)
)

log = get_logger(__name__)


class Jobs:
    """The catalogue's jobs. `start` them once migrations are done; `stop` ends them between two transactions."""

    def __init__(
        self,
        units_of_work: UnitOfWorkFactory[Any],
        state: CatalogueState,
        settings: CatalogueSettings,
        on_loss: OnLoss | None = None,
    ) -> None:
        self._units_of_work = units_of_work
        self._state = state
        self._settings = settings
        self._runner = JobRunner(JOB_FAILURES, on_loss)

    def start(self, cluster: ClusterWatch) -> None:
        """Start all jobs."""
        self._runner.repeat("tick", self.tick, self._settings.tick_seconds)
        self._runner.repeat("sweep", self.sweep, self._settings.sweep_seconds)
        self._runner.repeat("count", self.count, COUNT_SECONDS)
        self._runner.once("publish", lambda: self.publish_to(cluster.cluster_id), after=cluster.wait_known)

    async def stop(self) -> None:
        """Let what is being done end, but not for ever."""
        await self._runner.stop()

    @property
    def alive(self) -> bool:
        """Whether no job has ended by a fault of ours; readiness tells."""
        return self._runner.alive

    async def tick(self) -> None:
        """Read a new release, plan if it or the business day is new, and open what has to be opened."""
        async with self._units_of_work.sessions() as session:
            await self._state.refresh(session)
        snapshot = self._state.snapshot
        if snapshot is None:
            return
        await self.plan(snapshot)
        while await self.open_some(snapshot) and not self._runner.stopping.is_set():
            pass

    async def count(self) -> None:
        """Count deliveries by state, for the metrics."""
        async with self._units_of_work.sessions() as session:
            counts = await count_by_state(session)
        DELIVERIES.clear()
        for state, count in counts.items():
            DELIVERIES.labels(state).set(count)

    async def plan(self, snapshot: Snapshot) -> None:
        """Plan unless it was done for this release and business day."""
        async with self._units_of_work.begin() as work:
            today = work.now.astimezone(Schedule.of(snapshot.calendar).zone).date()
            done = await last_planning(work.session)
            if done is not None and (done[0] > snapshot.release or done == (snapshot.release, today)):
                return
            if not await _try_lock(work.session, CALENDAR_LOCK):
                return
            with PLANNING_SECONDS.time():
                result = await plan(work, snapshot, timedelta(days=self._settings.plan_days_ahead))
        log.info("deliveries_planned", release=snapshot.release, day=today.isoformat(), **asdict(result))

    async def open_some(self, snapshot: Snapshot) -> bool:
        """Open some deliveries; return whether there may be more."""
        limit = self._settings.batch_deliveries_max
        async with self._units_of_work.begin() as work:
            if not await _try_lock(work.session, CALENDAR_LOCK):
                return False
            ids = await ids_to_open(work.session, work.now, limit)
            if not ids:
                return False
            await work.lock_units({delivery.unit for delivery in ids})
            count = await open_deliveries(work, ids, snapshot.release)
        log.info("deliveries_opened", count=count)
        return count > 0 and len(ids) == limit

    async def sweep(self) -> None:
        """Tell which deadlines the watermark has passed."""
        limit = self._settings.batch_deliveries_max
        async with self._units_of_work.begin() as work:
            if not await _try_lock(work.session, SWEEP_LOCK):
                return
            watermarks = await work.parts.watermarks.read_all(work.session)
            ids = await ids_to_pass(work.session, watermarks, limit)
            if not ids:
                return
            await work.lock_units({delivery.unit for delivery in ids})
            count = await pass_deadlines(work, ids)
        if count:
            log.info("deadlines_passed", count=count)

    async def publish_again(self, cluster_id: str) -> None:
        """Another broker answers: it gets the whole catalogue."""
        with suppress(StoppedError):
            await self._runner.until_done("publish", lambda: self.publish_to(cluster_id))

    async def publish_to(self, cluster_id: str) -> None:
        """Make sure that this Kafka cluster has been given the whole catalogue; the first one gets it by releases."""
        async with self._units_of_work.begin([UNITLESS]) as work:
            known = await published_clusters(work.session)
            if cluster_id in known:
                return
            if known:
                await drop_unsent(work.session)
                await publish_whole(work)
                log.warning("catalogue_published_again", cluster_id=cluster_id)
            await add_publication(work.session, cluster_id)


async def _try_lock(session: AsyncSession, number: int) -> bool:
    held = await session.scalar(_TRY_LOCK, {"purpose": lock_number(f"{SERVICE}/jobs"), "number": number})
    return bool(held)
