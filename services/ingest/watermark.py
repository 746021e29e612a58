"""Writes the watermark: everything that any door received up to T has been published before this."""

from datetime import datetime, timedelta

from services.ingest import metrics
from services.ingest.broker_offsets import Offsets, unmoved
from services.ingest.domain.watermark import PartitionProgress, watermark_of
from services.ingest.state import IngestState
from services.ingest.storage.sources import (
    Partition,
    add_kafka_sources,
    drop_expired,
    drop_source,
    kafka_sources,
    move_kafka_sources,
    published_watermark,
    read_progress,
    set_published_watermark,
    source_id,
    source_instants,
    try_watermark_lock,
)
from shared.bus.outbox import PostgresOutbox
from shared.bus.partitions import PARTITION_COUNT
from shared.bus.topics import AGENCY_SUBMISSIONS, SUBMISSIONS
from shared.bus.unit_of_work import UnitOfWorkFactory
from shared.bus.work import Work
from shared.events.submissions import WatermarkV1
from shared.failpoints import reach
from shared.logs import get_logger

GONE_SECONDS = 60.0
"""How long a topic must be missing before nobody waits for it: a broker that has just started may not name them all."""

log = get_logger(__name__)


class WatermarkWriter:
    """Moves the sources of the agencies' topics, then the watermark, once a second; one replica at a time does it."""

    def __init__(
        self,
        units_of_work: UnitOfWorkFactory[IngestState],
        state: IngestState,
        offsets: Offsets,
        outbox: PostgresOutbox,
    ) -> None:
        self._units_of_work = units_of_work
        self._state = state
        self._offsets = offsets
        self._outbox = outbox
        self._partitions: dict[Partition, PartitionProgress] = {}
        self._unsettled: set[Partition] = set()
        self._committed: dict[Partition, int] = {}
        self._missing: dict[str, datetime] = {}
        self._skipped: dict[Partition, int] = {}

    async def tick(self) -> None:
        """Move the watermark as far as it may go. Raises KafkaError or UnavailableError while the broker is away."""
        settled = await self._ask()
        async with self._units_of_work.begin() as work:
            if not await try_watermark_lock(work.session):
                return
            await move_kafka_sources(work.session, settled)
            await self._drop_gone(work)
            metrics.SOURCES_EXPIRED.inc(await drop_expired(work.session))
            await self._publish(work)

    async def close(self) -> None:
        """Close the client."""
        await self._offsets.close()

    async def _ask(self) -> dict[Partition, datetime]:
        """Return the partitions of which everything up to an instant (machine time) is in the database."""
        async with self._units_of_work.sessions() as session:
            committed = await read_progress(session, self._state.cluster_id())
        for partition, offset in self._skipped.items():
            committed[partition] = max(offset, committed.get(partition, 0))
        if self._unsettled:
            await self._look_closer(committed)
        self._committed = committed
        now = self._state.clock.machine_now()
        asked = await self._offsets.ask(now)
        self._skipped = {  # behind the end lies another log
            each: offset for each, offset in self._skipped.items() if each in asked and offset <= asked[each].end
        }
        if new := set(asked) - set(self._partitions):
            async with self._units_of_work.sessions() as session, session.begin():
                await add_kafka_sources(session, sorted(new))
        self._partitions = {each: self._partitions.get(each, PartitionProgress()) for each in asked}
        instants = {
            each: self._partitions[each].advance(answer, committed.get(each, 0)) for each, answer in asked.items()
        }
        self._unsettled = {each for each, progress in self._partitions.items() if progress.waiting is not None}
        return {each: at for each, at in instants.items() if at is not None}

    async def _look_closer(self, committed: dict[Partition, int]) -> None:
        """Move offsets to what the database does not show: messages put aside, and markers that nobody is handed."""
        for partition, offset in (await self._offsets.committed()).items():
            committed[partition] = max(offset, committed.get(partition, 0))
        if standing := unmoved(self._committed, committed, self._unsettled):
            reached = await self._offsets.skip_markers({each: committed.get(each, 0) for each in standing})
            self._skipped.update(reached)
            committed.update(reached)

    async def _drop_gone(self, work: Work[IngestState]) -> None:
        """Stop waiting for topics that were deleted, unless their unit's door is on: those are made again."""
        now = self._state.clock.machine_now()
        expected = {source_id(each) for each in self._partitions}
        expected |= {source_id((AGENCY_SUBMISSIONS.for_unit(unit).name, 0)) for unit in self._state.open_doors()}
        gone = await kafka_sources(work.session) - expected
        self._missing = {source: self._missing.get(source, now) for source in gone}
        for source, since in self._missing.items():
            if now - since > timedelta(seconds=GONE_SECONDS):
                log.warning("source_dropped", source=source)
                await drop_source(work.session, source)

    async def _publish(self, work: Work[IngestState]) -> None:
        """Publish on each partition, behind everything that is committed for it, if the watermark has moved."""
        machine = watermark_of(await source_instants(work.session))
        if machine is None:
            return
        metrics.WATERMARK_LAG.set((self._state.clock.machine_now() - machine).total_seconds())
        at = self._state.clock.business_at(machine)
        last = await published_watermark(work.session)
        if last is not None and at <= last:
            return
        for partition in range(PARTITION_COUNT):
            after = await self._outbox.last_event_id(work.session, SUBMISSIONS.name, partition)
            work.publish_to_partition(WatermarkV1(at=at, after=after), partition=partition)
        await reach("ingest.watermark")
        await set_published_watermark(work.session, at)
        metrics.WATERMARK.set(at.timestamp())
