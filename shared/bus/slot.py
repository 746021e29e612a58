"""The relay of one slot: page by page, in order within each lane, that is a partition of a topic.

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
from shared.bus.retry import Backoff
from shared.bus.topics import TopicTable
from shared.bus.unsent import PAGE_ROWS_MAX, Lane, UnsentRows
from shared.failpoints import reach

PATIENCE_SECONDS = 0.5
"""How long a page waits for its slowest lane before the next page is read without it."""

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
        topics: TopicTable,
        service: str,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self.number = number
        self._session = session
        self._rows = rows
        self._publisher = publisher
        self._cluster = cluster
        self._topics = topics
        self._service = service
        self._patience_seconds = patience_seconds
        self._lanes: dict[Lane, asyncio.Task[None]] = {}
        self._released = asyncio.Event()
        self._signal = asyncio.Event()
        self._signal.set()  # there may be rows from before

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
                    page = await self._rows.page(self._session, self.number, self._lanes.keys())
                    await self._publish(page, group)
                    if len(page) < PAGE_ROWS_MAX:
                        break

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
        """Send one batch until it is written and marked; False when released before that."""
        if self._released.is_set():
            return False
        done = await self._attempt(batch)
        if done is not None:
            return done
        backoff = Backoff()
        with metrics.RELAY_BLOCKED.labels(self._service).track_inprogress():
            while done is None:
                await backoff.pause(self._released)
                done = False if self._released.is_set() else await self._attempt(batch)
        return done

    async def _attempt(self, batch: Sequence[UnsentRow]) -> bool | None:
        """Send one batch, and mark it when it is written; None when the same has to be sent again, to keep the order.

        That may last: the broker is away, the topic is not there or not ours to write.
        """
        cluster_id = self._cluster.cluster_id  # asked before: a row marked with an older id is only sent again
        await reach("relay.before_produce")
        try:
            first_offset = await self._publisher.send(batch)
        except REFUSALS as error:
            return await self._divide(batch, error)
        except (KafkaError, OSError) as error:
            metrics.RELAY_RETRIES.labels(self._service).inc()
            log.warning("batch_not_sent", slot=self.number, topic=batch[0].topic, error=root_cause(error))
            return None
        await reach("relay.before_mark")
        await self._mark(batch, first_offset, cluster_id)
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
