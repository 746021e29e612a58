"""What came through the agencies' door, known by unit, source and id."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple, Protocol
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.ingest.storage.tables import arrivals

PART_BYTES_MAX = 1024


class DoorKey(NamedTuple):
    """What a sender calls its message: CloudEvents source and id, or `http` and the idempotency key."""

    unit: str
    source: str
    event_id: str


def door_key(unit: str, source: str, event_id: str) -> DoorKey:
    """Return the key of a message. What would not fit an index entry (2,704 bytes) goes by its SHA-256."""
    return DoorKey(unit, _short(source), _short(event_id))


def _short(text: str) -> str:
    return text if len(text.encode()) <= PART_BYTES_MAX else f"sha256:{sha256(text.encode()).hexdigest()}"


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer as it was published, byte for byte."""

    topic: str
    event_id: str
    headers: Mapping[str, str]
    value: bytes


@dataclass(frozen=True, slots=True)
class Known:
    """A message that came before: what it was, and what it was answered."""

    sha256: str
    package_id: UUID
    answer: StoredAnswer | None


class Arrivals(Protocol):
    """Remembers what came through the door. Callers hold the unit's lock, so nobody comes in between."""

    async def find(self, session: AsyncSession, key: DoorKey) -> Known | None:
        """Return what is known of a message, None when it is new."""
        ...

    async def add(
        self, session: AsyncSession, key: DoorKey, sha256: str, package_id: UUID, answer: StoredAnswer | None
    ) -> None:
        """Remember a message and its answer."""
        ...


class PostgresArrivals:
    """The table `arrivals`."""

    async def find(self, session: AsyncSession, key: DoorKey) -> Known | None:
        """Return what is known of a message, None when it is new."""
        table = arrivals.c
        row = (
            await session.execute(
                select(arrivals).where(
                    table.unit == key.unit, table.source == key.source, table.event_id == key.event_id
                )
            )
        ).one_or_none()
        if row is None:
            return None
        answer = (
            None
            if row.answer_id is None
            else StoredAnswer(row.answer_topic, row.answer_id, row.answer_headers, row.answer_value)
        )
        return Known(row.sha256, row.package_id, answer)

    async def add(
        self, session: AsyncSession, key: DoorKey, sha256: str, package_id: UUID, answer: StoredAnswer | None
    ) -> None:
        """Remember a message and its answer; a second one of the same key is our own bug and raises."""
        row: dict[str, object] = {**key._asdict(), "sha256": sha256, "package_id": package_id}
        if answer is not None:
            row |= {
                "answer_topic": answer.topic,
                "answer_id": answer.event_id,
                "answer_headers": dict(answer.headers),
                "answer_value": answer.value,
            }
        await session.execute(insert(arrivals).values(row))
