"""Null parts: what the kit would be without one of its mechanisms. Tests wire them in and must go red."""

from collections.abc import Collection, Sequence
from datetime import datetime

from aiokafka import AIOKafkaProducer
from sqlalchemy.ext.asyncio import AsyncSession

from shared.bus.inbox import Identity, Inbox, Outcome
from shared.bus.lock_session import LockSession
from shared.bus.outbox import OutboxRow
from shared.bus.records import Records
from shared.bus.sweep import Loss, SentLane, SentRows
from shared.bus.unsent import UnsentRows
from shared.events.base import Event
from shared.events.submissions import WatermarkV1


class NullInbox:
    """Remembers nothing: everything is new."""

    async def claim(self, session: AsyncSession, events: Sequence[tuple[Identity, Outcome]]) -> set[Identity]:
        return {identity for identity, _ in events}

    async def settle(self, session: AsyncSession, identity: Identity, outcome: Outcome) -> bool:
        return True

    async def contains(self, session: AsyncSession, identity: Identity) -> bool:
        return True


class NullUnitLock:
    """Lets all writers of a unit write at once."""

    async def lock(self, session: AsyncSession, units: Collection[str]) -> None:
        return None


class CredulousWatermarks:
    """Believes every watermark, whatever it says it follows."""

    def __init__(self) -> None:
        self.at: dict[int, datetime] = {}

    async def record(self, session: AsyncSession, partition: int, event: Event[WatermarkV1], inbox: Inbox) -> bool:
        self.at[partition] = event.data.at
        return True

    async def read_all(self, session: AsyncSession) -> dict[int, datetime]:
        return self.at


class HastyOutbox:
    """Publishes at once, before the commit."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._bootstrap_servers = bootstrap_servers

    async def add(self, session: AsyncSession, rows: Sequence[OutboxRow]) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self._bootstrap_servers)
        await producer.start()
        for row in rows:
            headers = [(name, value.encode()) for name, value in row.headers.items()]
            await producer.send_and_wait(
                row.topic, row.value, key=row.key.encode(), partition=row.partition, headers=headers
            )
        await producer.stop()


class TardyOutbox:
    """Keeps what is to be published in memory, until after the commit; a process that dies then takes it along."""

    def __init__(self) -> None:
        self.kept: list[OutboxRow] = []

    async def add(self, session: AsyncSession, rows: Sequence[OutboxRow]) -> None:
        self.kept.extend(rows)


def not_at_all(records: Records) -> Sequence[Records]:
    """Leave a batch that failed whole."""
    return [records]


class NoSentRows:
    """Finds nothing that was sent, so nothing is ever forgotten."""

    async def lanes(self, session: LockSession, slot: int) -> list[SentLane]:
        return []

    async def take_back(self, session: LockSession, slot: int, loss: Loss) -> int:
        return 0


class TardySentRows:
    """Looks for what was forgotten only when nothing new waits."""

    def __init__(self, rows: SentRows, unsent: UnsentRows) -> None:
        self._rows = rows
        self._unsent = unsent

    async def lanes(self, session: LockSession, slot: int) -> list[SentLane]:
        return [] if await self._unsent.pending(session, [slot]) else await self._rows.lanes(session, slot)

    async def take_back(self, session: LockSession, slot: int, loss: Loss) -> int:
        return await self._rows.take_back(session, slot, loss)
