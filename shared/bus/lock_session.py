"""The one database session of a relay: it holds the locks of its slots, and everything about them goes through it.

So a relay that has lost its session, and with it its locks, can neither read nor mark another row.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Executable, Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.bus.locks import lock_number
from shared.problems import UnavailableError

QUERY_SECONDS_MAX = 10.0
IDLE_SECONDS_MAX = 10.0
"""A relay asks ten times a second. One that is silent so long is frozen: others must have its slots."""

# A peer that has vanished without a word must not keep its locks for the two hours that systems wait by default; and
# for a process that is frozen its system goes on answering.
_KEEPALIVE = text(
    "SELECT set_config('tcp_keepalives_idle', '5', false), set_config('tcp_keepalives_interval', '2', false),"
    " set_config('tcp_keepalives_count', '3', false), set_config('idle_session_timeout', :idle_ms, false)"
)
_APPEAR = text("SELECT pg_advisory_lock_shared(:presence, 0)")
_PRESENT = text(
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND objid = 0"
    " AND classid::bigint = :presence AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_TRY_LOCK = text("SELECT slot FROM unnest(CAST(:slots AS int[])) AS slot WHERE pg_try_advisory_lock(:purpose, slot)")
_UNLOCK = text("SELECT pg_advisory_unlock(:purpose, :slot)")


class LockSession:
    """One connection in autocommit, used by one statement at a time, and never again after a failure."""

    def __init__(self, connection: AsyncConnection, service: str) -> None:
        self._connection = connection
        self._mutex = asyncio.Lock()
        self._lost = False
        self._purpose = lock_number(f"{service}/relay")
        self._presence = lock_number(f"{service}/relay-presence")

    @classmethod
    @asynccontextmanager
    async def open(
        cls, engine: AsyncEngine, service: str, idle_seconds_max: float = IDLE_SECONDS_MAX
    ) -> AsyncIterator["LockSession"]:
        """Open the session and make this relay count as present; at the end all its locks are free.

        The database ends it when it is silent for `idle_seconds_max`; 0: never.
        """
        connection = await engine.connect()
        try:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            session = cls(connection, service)
            await session.execute(_KEEPALIVE, {"idle_ms": str(round(idle_seconds_max * 1000))})
            await session.execute(_APPEAR, {"presence": session._presence})
            yield session
        finally:
            await connection.invalidate()  # back in the pool it would keep the locks
            await connection.close()

    async def execute(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Sequence[Row[Any]]:
        """Run one statement and return its rows; raises UnavailableError once the session is lost, for good.

        SQLAlchemy would connect again for the next statement; but the locks went with the old connection.
        """
        async with self._mutex:
            if self._lost:
                raise UnavailableError("the relay's session is lost")
            self._lost = True  # also when this is cancelled halfway: nobody knows then what the connection is doing
            async with asyncio.timeout(QUERY_SECONDS_MAX):
                result = await self._connection.execute(statement, parameters)
                rows = result.all() if result.returns_rows else ()
            self._lost = False
            return rows

    async def relay_count(self) -> int:
        """Return how many relays of this service are present, this one included."""
        unsigned = self._presence & 0xFFFFFFFF  # pg_locks shows the number as an oid
        return int((await self.execute(_PRESENT, {"presence": unsigned}))[0][0])

    async def try_lock(self, slots: Collection[int], count: int) -> list[int]:
        """Take up to `count` of these slots, as far as they are free; return those taken."""
        taken: list[int] = []
        for slot in slots:
            if len(taken) == count:
                break
            rows = await self.execute(_TRY_LOCK, {"purpose": self._purpose, "slots": [slot]})
            taken.extend(row[0] for row in rows)
        return taken

    async def unlock(self, slot: int) -> None:
        """Give a slot back."""
        await self.execute(_UNLOCK, {"purpose": self._purpose, "slot": slot})
