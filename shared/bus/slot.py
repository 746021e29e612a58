"""The relay of one slot: page by page, in order within each lane, that is a partition of a topic.

Whenever the log may have become another one, all lanes rest until what it has forgotten is unsent again: no row may
overtake an older one that nobody can read any more.

One batch is in flight for each lane. A lane that Kafka does not take keeps its rows and is tried again for ever, while
the others go on: a topic that is missing, or not ours to write, must hold up nobody else's events.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

import structlog
from aiokafka.errors import KafkaError

from shared.bus import metrics
from shared.bus.cluster import ClusterWatch
from shared.bus.lock_session import LockSession
from shared.bus.publisher import REFUSALS, Publisher, UnsentRow, batches
from shared.bus.quarantine import root_cause
from shared.bus.retry import Backoff, pause
from shared.bus.sweep import Sweep
from shared.bus.topics import TopicTable
from shared.bus.unsent import PAGE_ROWS_MAX, Lane, UnsentRows
from shared.failpoints import reach

PATIENCE_SECONDS = 0.5
"""How long a page waits for its slowest lane before the next page is read without it."""

LOOK_AGAIN_SECONDS = 1.0
SETTLE_SECONDS = 10.0
"""How long nothing is sent to a log that has become shorter: whoever reads it and stood beyond its end asks in vain
meanwhile, and begins anew; once it has grown again, nobody would notice."""

log = structlog.get_logger(__name__)


class Slot:
    """Publishes the rows of one slot while this replica owns it."""

    def __init__(
        self,
        number: int,
        session: LockSession,
        *,
        rows: UnsentRows,
        publisher: Publisher,
        cluster: ClusterWatch,
        sweep: Sweep,
        topics: TopicTable,
        service: str,
        patience_seconds: float = PATIENCE_SECONDS,
        settle_seconds: float = SETTLE_SECONDS,
    ) -> None:
        self.number = number
        self._session = session
        self._rows = rows
        self._publisher = publisher
        self._cluster = cluster
        self._sweep = sweep
        self._topics = topics
        self._service = service
        self._patience_seconds = patience_seconds
        self._settle_seconds = settle_seconds
        self._lanes: dict[Lane, asyncio.Task[None]] = {}
        self._swept_epoch: int | None = None
        self._last_offsets: dict[Lane, int] = {}
        self._written_over: dict[Lane, int] = {}
        self._released = asyncio.Event()
        self._signal = asyncio.Event()
        self._signal.set()  # there may be rows from before

    @property
    def unsure(self) -> bool:
        """Whether the log may have forgotten rows since this was looked at; until then nothing is sent."""
        return self._swept_epoch != self._cluster.epoch

    async def check(self) -> None:
        """Look for forgotten rows while the slot works, and have them taken back if there are some."""
        if not self.unsure and (await self._sweep.look(self._session, self.number)).losses:
            self._doubt()

    def wake(self) -> None:
        """Say that there may be new rows."""
        self._signal.set()

    def release(self) -> None:
        """Ask it to end: after the batch in flight, or at once when that is being repeated."""
        self._released.set()
        self._signal.set()

    async def run(self) -> None:
        """Publish until released, and end with the batches in flight; raises when the session is lost."""
        async with asyncio.TaskGroup() as group:
            while not self._released.is_set():
                await self._signal.wait()
                self._signal.clear()  # before reading, so that a row written meanwhile is not overlooked
                while not self._released.is_set():
                    if self.unsure and not await self._become_sure():
                        continue
                    page = await self._rows.page(self._session, self.number, self._lanes.keys())
                    await self._publish(page, group)
                    if len(page) < PAGE_ROWS_MAX:
                        break

    async def _become_sure(self) -> bool:
        """Take back what the broker has forgotten, while no lane sends; False when that has to be tried again."""
        if self._lanes:
            await asyncio.wait(list(self._lanes.values()))
        epoch = self._cluster.epoch
        try:
            found = await self._sweep.look(self._session, self.number, self._written_over)
            if found.shortened:
                await pause(self._settle_seconds, self._released)
            if self._released.is_set():
                return False
            await self._sweep.take_back(self._session, self.number, found.losses)
        except (KafkaError, OSError) as error:
            log.warning("sweep_waits", slot=self.number, error=root_cause(error))
            await pause(LOOK_AGAIN_SECONDS, self._released)
            return False
        self._last_offsets = dict(found.last_offsets)
        self._written_over = {}
        self._swept_epoch = epoch
        return True

    def _doubt(self) -> None:
        self._swept_epoch = None
        self._signal.set()

    async def _publish(self, page: Sequence[UnsentRow], group: asyncio.TaskGroup) -> None:
        """Publish one page, lanes side by side; a lane that takes long is left behind with its rows."""
        by_lane: defaultdict[Lane, list[UnsentRow]] = defaultdict(list)
        for row in page:
            by_lane[row.topic, row.partition].append(row)
        for lane, rows in by_lane.items():
            self._lanes[lane] = group.create_task(self._publish_lane(lane, rows))
        if by_lane:
            _, late = await asyncio.wait([self._lanes[lane] for lane in by_lane], timeout=self._patience_seconds)
            for task in late:  # its next rows are left out of the pages that are read meanwhile
                task.add_done_callback(lambda _: self._signal.set())

    async def _publish_lane(self, lane: Lane, rows: Sequence[UnsentRow]) -> None:
        for batch in batches(rows):
            if not await self._deliver(batch):
                break
        del self._lanes[lane]

    async def _deliver(self, batch: Sequence[UnsentRow]) -> bool:
        """Send one batch until it is written and marked; False when it has to be read again before that."""
        done = await self._attempt(batch)
        if done is not None:
            return done
        backoff = Backoff()
        with metrics.RELAY_BLOCKED.labels(self._service).track_inprogress():
            while done is None:
                await backoff.pause(self._released)
                done = await self._attempt(batch)
        return done

    async def _attempt(self, batch: Sequence[UnsentRow]) -> bool | None:
        """Send one batch, and mark it when it is written; None when the same has to be sent again, to keep the order.

        That may last: the broker is away, the topic is not there or not ours to write. False when the slot is released
        or unsure.
        """
        await reach("relay.before_produce")
        if self._released.is_set() or self.unsure:
            return False
        cluster_id = self._cluster.cluster_id
        try:
            first_offset = await self._publisher.send(batch)
        except REFUSALS as error:
            return await self._divide(batch, error)
        except (KafkaError, OSError) as error:
            metrics.RELAY_RETRIES.labels(self._service).inc()
            log.warning("batch_not_sent", slot=self.number, topic=batch[0].topic, error=root_cause(error))
            return None
        await reach("relay.before_mark")
        if not self._follows(batch, first_offset) or self.unsure:
            self._doubt()  # perhaps it has overtaken what this log lacks; so it comes again, behind it
            return False
        await self._mark(batch, first_offset, cluster_id)
        return True

    def _follows(self, batch: Sequence[UnsentRow], first_offset: int) -> bool:
        """Whether a batch got an offset above the last one of its lane; else it lies where other rows had been."""
        lane = batch[0].topic, batch[0].partition
        last_offset = self._last_offsets.get(lane, -1)
        if first_offset <= last_offset:
            log.error("offset_moved_back", slot=self.number, topic=lane[0], last=last_offset, now=first_offset)
            self._written_over[lane] = first_offset
            return False
        self._last_offsets[lane] = first_offset + len(batch) - 1
        return True

    async def _divide(self, batch: Sequence[UnsentRow], error: Exception) -> bool:
        """Find what Kafka refuses by halves, and park it."""
        if len(batch) > 1:
            middle = len(batch) // 2
            return await self._deliver(batch[:middle]) and await self._deliver(batch[middle:])
        row = batch[0]
        reason = f"{type(error).__name__}: {error}"
        log.error("row_parked", slot=self.number, outbox_id=row.id, topic=row.topic, size=row.size, error=reason)
        await self._rows.park(self._session, row, reason)
        metrics.RELAY_PARKED.labels(self._service).inc()
        return True

    async def _mark(self, batch: Sequence[UnsentRow], first_offset: int, cluster_id: str) -> None:
        kept = [(index, row) for index, row in enumerate(batch) if self._is_kept(row)]
        if len(kept) < len(batch):
            kept_ids = {row.id for _, row in kept}
            await self._rows.delete(self._session, [row for row in batch if row.id not in kept_ids])
        if kept:
            offsets = [first_offset + index for index, _ in kept]
            await self._rows.mark_sent(self._session, [row for _, row in kept], offsets, cluster_id)
        metrics.RELAY_SENT.labels(self._service).inc(len(batch))

    def _is_kept(self, row: UnsentRow) -> bool:
        """Whether the row stays as proof of what was published; compacted topics can be written again from state."""
        return self._topics.topic_of(row.topic).cleanup != "compact" and not self._topics.is_transient(
            row.headers.get("ce_type", "")
        )
