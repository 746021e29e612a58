"""The relay publishes the outbox: whole slots, each in order, each by one replica at a time.

A slot is owned by an advisory lock. Replicas share the twelve slots fairly, and give some up when another one comes.
"""

import asyncio
from collections.abc import Collection
from math import ceil

import structlog
from aiokafka.errors import KafkaError
from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.bus import metrics
from shared.bus.cluster import ClusterWatch
from shared.bus.lock_session import LockSession
from shared.bus.partitions import PARTITION_COUNT
from shared.bus.publisher import Publisher
from shared.bus.quarantine import root_cause
from shared.bus.retry import Backoff, is_transient, pause
from shared.bus.slot import PATIENCE_SECONDS, SETTLE_SECONDS, Slot
from shared.bus.sweep import Sweep
from shared.bus.topics import TOPICS, TopicTable
from shared.bus.unsent import UnsentRows
from shared.bus.wakeup import RelayWakeup

BALANCE_SECONDS = 1.0
POLL_SECONDS = 0.1
"""How long a row waits that another replica wrote, for a slot of ours."""
MEASURE_SECONDS = 5.0
CHECK_SECONDS = 60.0
"""How often the logs are compared with what was sent, though the broker seemed to be there all the time."""

log = structlog.get_logger(__name__)


class Relay:
    """Publishes the outbox of one service, together with the relays of its other replicas."""

    def __init__(
        self,
        engine: AsyncEngine,
        outbox: Table,
        *,
        service: str,
        publisher: Publisher,
        cluster: ClusterWatch,
        sweep: Sweep,
        wakeup: RelayWakeup,
        topics: TopicTable = TOPICS,
        patience_seconds: float = PATIENCE_SECONDS,
        settle_seconds: float = SETTLE_SECONDS,
        check_seconds: float = CHECK_SECONDS,
    ) -> None:
        self._engine = engine
        self._rows = UnsentRows(outbox)
        self._service = service
        self._publisher = publisher
        self._cluster = cluster
        self._sweep = sweep
        self._wakeup = wakeup
        self._topics = topics
        self._patience_seconds = patience_seconds
        self._settle_seconds = settle_seconds
        self._check_seconds = check_seconds
        self._slots: dict[int, tuple[Slot, asyncio.Task[None]]] = {}
        self._stopping = asyncio.Event()
        self._connected = False

    @property
    def connected(self) -> bool:
        """Whether it has its session: only then it can publish what is written."""
        return self._connected

    @property
    def slots(self) -> frozenset[int]:
        """The slots that this relay owns now."""
        return frozenset(self._slots)

    def stop(self) -> None:
        """Ask `run` to end after the batches in flight."""
        self._stopping.set()

    async def run(self) -> None:
        """Publish until stopped. When the session is lost, all slots end at once, and a new session begins.

        Raises whatever is no broken world: a fault of ours.
        """
        backoff = Backoff()
        while not self._stopping.is_set():
            try:
                async with LockSession.open(self._engine, self._service) as session:
                    backoff = Backoff()
                    self._connected = True
                    await self._relay(session)
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("relay_session_lost", error=_told(error))
            finally:
                self._connected = False
            self._slots.clear()
            metrics.RELAY_SLOTS.labels(self._service).set(0)
            await backoff.pause(self._stopping)

    async def _relay(self, session: LockSession) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch(session))
            group.create_task(self._measure(session))
            group.create_task(self._check())
            while not self._stopping.is_set():
                await self._balance(session, group)
                await pause(BALANCE_SECONDS, self._stopping)
            await self._release(session, list(self._slots))

    async def _balance(self, session: LockSession, group: asyncio.TaskGroup) -> None:
        """Own a fair share: with n relays present, a twelfth of the slots divided by n, rounded up."""
        share = ceil(PARTITION_COUNT / max(1, await session.relay_count()))
        if len(self._slots) > share:
            await self._release(session, sorted(self._slots)[share:])
        elif len(self._slots) < share:
            free = [slot for slot in range(PARTITION_COUNT) if slot not in self._slots]
            for number in await session.try_lock(free, share - len(self._slots)):
                slot = Slot(
                    number,
                    session,
                    rows=self._rows,
                    publisher=self._publisher,
                    cluster=self._cluster,
                    sweep=self._sweep,
                    topics=self._topics,
                    service=self._service,
                    patience_seconds=self._patience_seconds,
                    settle_seconds=self._settle_seconds,
                )
                self._slots[number] = (slot, group.create_task(slot.run()))
        metrics.RELAY_SLOTS.labels(self._service).set(len(self._slots))

    async def _release(self, session: LockSession, numbers: Collection[int]) -> None:
        """Give slots back, each after its batch in flight: nobody else may send for it before that."""
        for number in numbers:
            self._slots[number][0].release()
        for number in numbers:
            await self._slots[number][1]
            await session.unlock(number)
            del self._slots[number]

    async def _watch(self, session: LockSession) -> None:
        """Wake the slots that have rows: at once after a commit of this process, by a poll after those of others."""
        while not self._stopping.is_set():
            woken = await self._wakeup.wait(POLL_SECONDS)
            if not woken:
                woken = await self._rows.pending(session, self._slots)
            for number, (slot, _) in self._slots.items():
                if number in woken or slot.unsure:
                    slot.wake()

    async def _check(self) -> None:
        """Look now and then whether the broker has forgotten something."""
        while not self._stopping.is_set():
            await pause(self._check_seconds, self._stopping)
            for slot, _ in list(self._slots.values()):
                try:
                    await slot.check()
                except (KafkaError, OSError) as error:
                    log.warning("check_waits", slot=slot.number, error=root_cause(error))

    async def _measure(self, session: LockSession) -> None:
        while not self._stopping.is_set():
            backlog = await self._rows.backlog(session)
            metrics.OUTBOX_UNSENT.labels(self._service).set(backlog.unsent_count)
            metrics.OUTBOX_AGE.labels(self._service).set(backlog.oldest_seconds)
            metrics.OUTBOX_PARKED.labels(self._service).set(backlog.parked_count)
            await pause(MEASURE_SECONDS, self._stopping)


def _told(error: Exception) -> str:
    """Return a lost session's causes as one line."""
    causes = error.exceptions if isinstance(error, ExceptionGroup) else (error,)
    return "; ".join(root_cause(cause) for cause in causes)
