"""Advisory locks. They are per database, not per schema, so each is a pair: (crc32 of service and purpose, number)."""

from collections.abc import Collection
from typing import Protocol
from zlib import crc32

from sqlalchemy import ARRAY, Integer, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession


def lock_number(name: str) -> int:
    """Return the CRC-32 of a name as PostgreSQL's signed int4."""
    number = crc32(name.encode())
    return number - 2**32 if number >= 2**31 else number


class UnitLock(Protocol):
    """Makes the writers of one unit take turns, so that identity order in the outbox is commit order."""

    async def lock(self, session: AsyncSession, units: Collection[str]) -> None:
        """Hold the locks of these units until the session's transaction ends."""
        ...


class PostgresUnitLock:
    """Transaction-level advisory locks `(crc32('<service>/unit'), crc32(unit))`."""

    # A set-returning function in FROM is read in the order of its array, so locks are taken in that order.
    _LOCK = text("SELECT pg_advisory_xact_lock(:purpose, number) FROM unnest(:numbers) AS number").bindparams(
        bindparam("purpose", type_=Integer), bindparam("numbers", type_=ARRAY(Integer))
    )

    def __init__(self, service: str) -> None:
        self._purpose = lock_number(f"{service}/unit")

    async def lock(self, session: AsyncSession, units: Collection[str]) -> None:
        """Lock all units in one statement, sorted by lock number: two batches never wait for each other in a ring."""
        numbers = sorted({lock_number(unit) for unit in units})
        await session.execute(self._LOCK, {"purpose": self._purpose, "numbers": numbers})
