"""What the clock starts: the watermark, the lease of the HTTP door, the agencies' topics, reading up at the start."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from aiokafka.errors import KafkaError
from sqlalchemy import Integer, bindparam, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from services.ingest.domain.watermark import PartitionProgress, watermark_of
from services.ingest.http_source import HttpSource
from services.ingest.kafka_offsets import GroupOffsets, Standing
from services.ingest.metrics import JOB_FAILURES, WATERMARK_AGE
from services.ingest.settings import IngestSettings
from services.ingest.state import IngestState
from services.ingest.storage.sources import (
    KAFKA_PREFIX,
    delete_expired,
    last_event_ids,
    load_sources,
    set_kafka_sources,
)
from services.ingest.storage.tables import SERVICE
from shared.bus.errors import TopicMismatchError
from shared.bus.locks import lock_number
from shared.bus.partitions import PARTITION_COUNT
from shared.bus.quarantine import root_cause
from shared.bus.retry import StoppedError, pause, until_it_works
from shared.bus.service_bus import ServiceBus
from shared.bus.topics import AGENCY_SUBMISSIONS, DEADLINES, agency_topics
from shared.bus.unit_of_work import UnitOfWorkFactory
from shared.events.submissions import WatermarkV1
from shared.logs import get_logger

CATCH_UP_SECONDS = 0.2
MISMATCH_SECONDS = 5.0
RENEWALS_PER_LEASE = 10
WATERMARK_LOCK = 1
_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(:purpose, :number)").bindparams(
    bindparam("purpose", type_=Integer), bindparam("number", type_=Integer)
)
_AGENCY = re.compile(AGENCY_SUBMISSIONS.pattern)

log = get_logger(__name__)


class Jobs:
    """Ingest's jobs. `start` them with the bus; `stop` ends them between two transactions."""

    def __init__(
        self,
        units_of_work: UnitOfWorkFactory[IngestState],
        state: IngestState,
        settings: IngestSettings,
        *,
        bus: ServiceBus[IngestState],
        offsets: GroupOffsets,
        http_source: HttpSource,
        packages_group: str,
        events_group: str,
    ) -> None:
        self._units_of_work = units_of_work
        self._state = state
        self._settings = settings
        self._bus = bus
        self._offsets = offsets
        self._http_source = http_source
        self._packages_group = packages_group
        self._events_group = events_group
        self._progress: dict[str, PartitionProgress] = {}
        self._settled: dict[str, datetime] = {}
        self._last: datetime | None = None
        self._released = asyncio.Event()
        self._doors_made: frozenset[str] | None = None
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        state.reader.on_release(lambda _: self._released.set())

    def start(self) -> None:
        """Start all jobs."""
        renew_seconds = self._settings.lease_seconds / RENEWALS_PER_LEASE
        self._tasks = [
            asyncio.create_task(self._repeat("lease", self.renew, renew_seconds), name="lease"),
            asyncio.create_task(self._repeat("doors", self.open_doors, 0), name="doors"),
            asyncio.create_task(self._read_up(), name="read up"),
            asyncio.create_task(self._watermarks(), name="watermark"),
        ]
        for task in self._tasks:
            task.add_done_callback(_report_end)

    async def stop(self, seconds_max: float = 10.0) -> None:
        """Let what is being done end, but not for ever; give the lease back."""
        self._stopping.set()
        self._released.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds_max)
            for task in late:
                task.cancel()
        with suppress(DBAPIError, OSError, TimeoutError):  # without a database the lease runs out by itself
            await self._withdraw()
        await self._offsets.close()

    @property
    def alive(self) -> bool:
        """Whether no job has ended by a fault of ours; readiness tells."""
        return not any(task.done() and not task.cancelled() and task.exception() for task in self._tasks)

    @property
    def doors_made(self) -> bool:
        """Whether the topics of all units with a Kafka door are made."""
        return self._doors_made is not None and self._state.door_units() <= self._doors_made

    async def renew(self) -> None:
        """Renew the lease of this replica's HTTP door."""
        async with self._units_of_work.begin() as work:
            name = await self._http_source.renew(work.session)
        self._http_source.confirm(name)

    async def open_doors(self) -> None:
        """Make the topics of units whose Kafka door a new release switched on."""
        await self._released.wait()
        self._released.clear()
        if self._stopping.is_set():
            return
        units = self._state.door_units()
        try:
            await self._bus.ensure(agency_topics(sorted(units)))
        except KafkaError:
            self._released.set()  # to be tried again
            raise
        except TopicMismatchError as error:
            self._released.set()
            log.error("topic_mismatch", error=str(error))  # noqa: TRY400 -- the message says it all
            await pause(MISMATCH_SECONDS, self._stopping)
            return
        self._doors_made = units
        log.info("kafka_doors_open", count=len(units))

    async def write_watermark(self) -> None:
        """Say on each partition up to when everything is published, if that has moved. One replica does it."""
        at, standings = await self._offsets.ask(self._packages_group, _is_agency)
        kafka = self._kafka_sources(at, standings)
        async with self._units_of_work.begin() as work:
            if not await _try_lock(work.session):
                return
            await delete_expired(work.session)
            await set_kafka_sources(work.session, kafka)
            machine = watermark_of(await load_sources(work.session))
            if machine is None or len(kafka) <= len(standings):
                return  # some partition has not been settled since this replica began to look
            if self._last is not None and machine <= self._last:
                return
            after = await last_event_ids(work.session)
            business = self._state.clock.business_at(machine)
            for partition in range(PARTITION_COUNT):
                watermark = WatermarkV1(at=business, after=after.get(partition))
                work.publish_to_partition(watermark, partition=partition)
        self._last = machine
        WATERMARK_AGE.set((self._state.clock.machine_now() - machine).total_seconds())

    def _kafka_sources(self, at: datetime, standings: Sequence[Standing]) -> dict[str, datetime]:
        """Return how far each partition is, and the instant before the topics were listed.

        A partition without an entry was never settled: the watermark waits for it.
        """
        cluster = self._state.cluster_id()
        names = {f"{KAFKA_PREFIX}/{cluster}/{each.topic}/{each.partition}": each for each in standings}
        self._progress = {name: self._progress.get(name, PartitionProgress()) for name in names}
        self._settled = {name: settled for name, settled in self._settled.items() if name in names}
        for name, each in names.items():
            settled = self._progress[name].advance(each.asked, each.committed)
            if settled is not None:
                self._settled[name] = settled
        return {KAFKA_PREFIX: at, **self._settled}

    async def _watermarks(self) -> None:
        await self._bus.cluster.wait_known()
        await self._repeat("watermark", self.write_watermark, self._settings.watermark_seconds)

    async def _read_up(self) -> None:
        """Let the doors open once all deadline events of before the start are taken in."""
        await self._bus.cluster.wait_known()

        async def read() -> None:
            _, standings = await self._offsets.ask(self._events_group, lambda topic: topic == DEADLINES.name)
            first = {(each.topic, each.partition): each for each in standings}
            while first and not self._stopping.is_set():
                _, standings = await self._offsets.ask(self._events_group, lambda topic: topic == DEADLINES.name)
                now = {(each.topic, each.partition): each.committed for each in standings}
                if all(each.asked.settled(now.get(key, 0)) for key, each in first.items()):
                    self._state.deadlines_read.set()
                    return
                await pause(CATCH_UP_SECONDS, self._stopping)
            if not first:
                raise KafkaError(f"topic {DEADLINES.name} is not there yet")

        with suppress(StoppedError):
            await until_it_works(read, stopping=self._stopping, on_retry=_waits("read up"))

    async def _withdraw(self) -> None:
        async with self._units_of_work.begin() as work:
            await self._http_source.withdraw(work.session)

    async def _repeat(self, name: str, job: Callable[[], Awaitable[None]], seconds: float) -> None:
        """Run a job again and again; while the world is broken with growing pauses. A fault of ours ends it."""
        with suppress(StoppedError):
            while not self._stopping.is_set():
                await until_it_works(job, stopping=self._stopping, on_retry=_waits(name))
                await pause(seconds, self._stopping)


def _is_agency(topic: str) -> bool:
    return _AGENCY.fullmatch(topic) is not None


async def _try_lock(session: AsyncSession) -> bool:
    values = {"purpose": lock_number(f"{SERVICE}/watermark"), "number": WATERMARK_LOCK}
    return bool((await session.execute(_TRY_LOCK, values)).scalar_one())


def _waits(name: str) -> Callable[[BaseException], None]:
    def waits(error: BaseException) -> None:
        JOB_FAILURES.labels(name).inc()
        log.warning("job_waits", job=name, error=root_cause(error))

    return waits


def _report_end(task: asyncio.Task[Any]) -> None:
    """Say it loudly when a job has ended by a fault of ours."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("job_failed", job=task.get_name(), exc_info=error)
