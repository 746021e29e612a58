"""The one consumer of all services: it loses nothing, and no message stops it.

The order of things: database first, then offsets. A crash in between repeats a batch, and the inbox drops it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import zip_longest
from typing import Any, Generic

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from faststream.kafka import KafkaBroker

from shared.bus import metrics
from shared.bus.cloudevents import readable_identity
from shared.bus.guard import Guard
from shared.bus.parts import Divide
from shared.bus.processor import Processor, Tally
from shared.bus.quarantine import root_cause
from shared.bus.records import Record, Records
from shared.bus.retry import ResultT, StoppedError, pause, until_it_works
from shared.bus.subscription import Subscription, subscribe
from shared.bus.tracing import trace_of
from shared.bus.work import ContextT
from shared.failpoints import reach

COMMIT_SECONDS_MAX = 10.0
TRIES_UNNOTICED = 4
"""A batch that was tried less often in a row has met a hiccup: about a second."""
HOLD_SECONDS = 3.0
"""Between two attempts at a message that the guard holds."""

log = structlog.get_logger(__name__)


class Consumer(Generic[ContextT]):
    """Reads one subscription of one service."""

    def __init__(
        self,
        subscription: Subscription,
        processor: Processor[ContextT],
        *,
        service: str,
        divide: Divide,
        guard: Guard | None = None,
        hold_seconds: float = HOLD_SECONDS,
    ) -> None:
        self.subscription = subscription
        self.processor = processor
        self._divide = divide
        self._guard = guard or Guard()
        self._hold_seconds = hold_seconds
        self._labels = (service, subscription.group)
        self._log = log.bind(group=subscription.group)
        self._stopping = asyncio.Event()
        self._tries = 0
        self._rebalances = _Rebalances(self._labels)
        self._committed: dict[TopicPartition, int] = {}
        self._finished_at = time.monotonic()
        self._subscriber: Any = None

    def register(self, broker: KafkaBroker) -> None:
        """Add the subscriber to a broker that has not started yet."""
        self._subscriber = subscribe(broker, self.subscription, self._consume, self._rebalances)
        metrics.LAG.labels(*self._labels).set_function(self.lag)
        metrics.BATCH_AGE.labels(*self._labels).set_function(self.batch_age_seconds)
        metrics.GUARD.labels(*self._labels).set_function(lambda: float(self._guard.tripped))

    @property
    def assigned(self) -> bool:
        """Whether it reads: the group has given it an assignment, which may be empty; between two it has none."""
        return self._runs and not self.lost and self._rebalances.assignment is not None

    @property
    def lost(self) -> bool:
        """Whether nobody reads any more, though it was not stopped: a fault of ours, or of a library."""
        return self._runs and all(task.done() for task in self._subscriber.tasks)

    @property
    def _runs(self) -> bool:
        return self._subscriber is not None and bool(self._subscriber.running)

    @property
    def held(self) -> bool:
        """Whether the guard keeps it from going on."""
        return self._guard.tripped

    @property
    def hindered(self) -> bool:
        """Whether a broken world makes it try the same again and again."""
        return self._tries >= TRIES_UNNOTICED

    def stop(self) -> None:
        """Give up what is being retried; a transaction in flight still ends. The broker's stop comes after this."""
        self._stopping.set()

    def lag(self) -> float:
        """Return how many messages of the assigned partitions are not committed yet."""
        consumer = None if self._subscriber is None else self._subscriber.consumer
        if consumer is None:
            return 0.0
        lag = 0
        for partition in self._rebalances.assignment or ():
            if partition in self._committed and partition in consumer.assignment():
                lag += max(0, (consumer.highwater(partition) or 0) - self._committed[partition])
        return float(lag)

    def batch_age_seconds(self) -> float:
        """Return the seconds since the last finished batch while there is lag, else 0."""
        return time.monotonic() - self._finished_at if self.lag() else 0.0

    async def _consume(self, records: Records) -> None:
        """Take a batch in, whatever happens; only then commit its offsets."""
        assignment = self._rebalances.assignment
        metrics.CONSUMED.labels(*self._labels).inc(len(records))
        for record in records:
            self._committed.setdefault(TopicPartition(record.topic, record.partition), record.offset)
        try:
            with metrics.BATCH_SECONDS.labels(*self._labels).time():
                await self._settle(records)
        except StoppedError:
            return
        await reach("consumer.before_offsets")
        if self._rebalances.assignment is assignment:  # else they may be offsets of another log, or another's to commit
            await self._commit(records)
        self._finished_at = time.monotonic()

    async def _settle(self, records: Records) -> None:
        """Take a batch in together, or else divided, so that a bad message costs itself alone."""
        fault = await self._attempt(lambda: self._take(records))
        if fault is None:
            return
        self._log.warning("batch_redone_in_parts", size=len(records), error=root_cause(fault))
        metrics.REDONE.labels(*self._labels).inc()
        await self._redo(in_turns(records), fault)

    async def _redo(self, records: Records, fault: Exception) -> None:
        """Divide records that failed together until what fails is alone; their order is kept."""
        parts = self._divide(records)
        if len(parts) == 1:
            for record in records:
                await self._set_apart(record, fault)
            return
        for part in parts:
            part_fault = await self._attempt(lambda: self._take(part))  # noqa: B023 -- done before the next round
            if part_fault is not None:
                await self._redo(part, part_fault)

    async def _set_apart(self, record: Record, fault: Exception) -> None:
        """Put a record aside that failed alone; while the guard is tripped, hold it and try again for ever."""
        received = self.processor.read(record)
        ce_type = received.content.type or ""
        self._guard.fault(ce_type, received.unit)
        while True:
            if not self._guard.holds(ce_type):
                hindrance = await self._put_aside(record, fault)
                if hindrance is None:
                    return
                self._guard.fault(ce_type, received.unit)
                fault = hindrance
            self._log.error("message_held", error=root_cause(fault), **_place(record), exc_info=fault)
            await pause(self._hold_seconds, self._stopping)
            again = await self._attempt(lambda: self._take((record,)))
            if again is None:
                return
            fault = again

    async def _put_aside(self, record: Record, fault: Exception) -> Exception | None:
        """Store a record as a dead letter; return what hindered it."""
        hindrance = await self._attempt(lambda: self._with_retries(lambda: self.processor.quarantine(record, fault)))
        if hindrance is None:
            self._log.error("message_put_aside", error=root_cause(fault), **_place(record), exc_info=fault)
        return hindrance

    async def _attempt(self, action: Callable[[], Awaitable[None]]) -> Exception | None:
        """Do something and return its fault. This is the quarantine boundary: whatever it is, no message is lost."""
        try:
            await action()
        except StoppedError:
            raise
        except Exception as error:  # noqa: BLE001 -- see above
            return error
        return None

    async def _take(self, records: Records) -> None:
        """Take records in, again and again while the world is broken; any other fault comes out."""
        tally = await self._with_retries(lambda: self.processor.process(records))
        if self._guard.counting:
            self._guard.success({self.processor.read(record).content.type or "" for record in records})
        self._count(tally)

    async def _with_retries(self, action: Callable[[], Awaitable[ResultT]]) -> ResultT:
        def on_retry(error: BaseException) -> None:
            self._tries += 1
            metrics.RETRIES.labels(*self._labels).inc()
            self._log.warning("retrying", error=root_cause(error))

        try:
            return await until_it_works(action, stopping=self._stopping, on_retry=on_retry)
        finally:
            self._tries = 0

    def _count(self, tally: Tally) -> None:
        metrics.DUPLICATES.labels(*self._labels).inc(tally.duplicates)
        metrics.SKIPPED.labels(*self._labels).inc(tally.skipped)
        for ce_type, count in tally.handled.items():
            metrics.HANDLED.labels(*self._labels, ce_type).inc(count)

    async def _commit(self, records: Records) -> None:
        """Commit the offsets after a batch. A failure is harmless: the batch may come again, the inbox drops it."""
        consumer = self._subscriber.consumer
        if consumer is None:
            return
        ends = {TopicPartition(record.topic, record.partition): record.offset + 1 for record in records}
        mine = consumer.assignment()  # one partition that was taken away would make the commit of all fail
        ends = {partition: end for partition, end in ends.items() if partition in mine}
        try:
            async with asyncio.timeout(COMMIT_SECONDS_MAX):  # with the broker away it would wait until it is back
                await consumer.commit(ends)
        except (KafkaError, TimeoutError) as error:
            metrics.COMMITS_FAILED.labels(*self._labels).inc()
            self._log.warning("offsets_not_committed", error=root_cause(error))
            return
        self._committed.update(ends)


class _Rebalances(ConsumerRebalanceListener):
    """Knows the assignment. Nothing else has to be undone when partitions go: the inbox guards what two do at once."""

    def __init__(self, labels: tuple[str, str]) -> None:
        self.assignment: frozenset[TopicPartition] | None = None
        self._labels = labels

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:  # noqa: ARG002 -- aiokafka's interface
        """Know that this replica has no assignment now. A batch in flight goes on, and its late commit is refused."""
        self.assignment = None
        metrics.PARTITIONS.labels(*self._labels).set(0)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Remember what this replica reads now."""
        await reach("consumer.rebalance")
        self.assignment = frozenset(assigned)
        metrics.REBALANCES.labels(*self._labels).inc()
        metrics.PARTITIONS.labels(*self._labels).set(len(assigned))


def in_turns(records: Records) -> Records:
    """Let partitions take turns, each in its order: so a bad release soon fails for a second unit."""
    lanes: dict[TopicPartition, list[Record]] = {}
    for record in records:
        lanes.setdefault(TopicPartition(record.topic, record.partition), []).append(record)
    rounds = zip_longest(*lanes.values())
    return tuple(record for turn in rounds for record in turn if record is not None)


def _place(record: Record) -> dict[str, object]:
    event_id, source, ce_type = readable_identity(record.headers)
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "event_id": event_id,
        "event_source": source,
        "event_type": ce_type,
        **trace_of([record]),
    }
