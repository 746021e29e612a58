"""A process that is frozen keeps its connections; the database takes its locks away all the same."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.bus.lock_session import LockSession
from shared.bus.retry import is_transient
from shared.database import make_engine
from tests.parts import until

pytestmark = pytest.mark.faults

SOON = 0.3
NEVER = 0.0
HELD = text("select pg_advisory_xact_lock(7, 7)")
FREE = text("select pg_try_advisory_xact_lock(7, 7)")


@pytest_asyncio.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(database_url, "frozen")
    yield engine
    await engine.dispose()


async def slot_is_taken_over(engine: AsyncEngine, idle_seconds_max: float) -> None:
    """Take a slot, fall silent, and wait until another relay has it; raises TimeoutError when it does not get it."""
    async with (
        LockSession.open(engine, "frozen", idle_seconds_max) as silent,
        LockSession.open(engine, "frozen") as other,
    ):
        assert await silent.try_lock([3], 1) == [3]
        assert await other.try_lock([3], 1) == []
        await until(lambda: other.try_lock([3], 1), seconds=2)
        with pytest.raises(DBAPIError) as lost:
            await silent.relay_count()
        assert is_transient(lost.value), "a frozen relay that wakes up begins a new session"


async def test_a_relay_that_is_silent_loses_its_slots(engine: AsyncEngine) -> None:
    await slot_is_taken_over(engine, SOON)


async def test_without_a_limit_it_would_keep_them(engine: AsyncEngine) -> None:
    with pytest.raises(TimeoutError):
        await slot_is_taken_over(engine, NEVER)


async def lock_is_free_again(database_url: str, other: AsyncEngine, idle_seconds: float) -> None:
    """Stand still in a transaction that holds a lock, and wait until another one gets it; raises TimeoutError."""

    async def free() -> bool:
        async with other.begin() as connection:
            return bool(await connection.scalar(FREE))

    engine = make_engine(database_url, "frozen", idle_transaction_seconds=idle_seconds)
    try:
        async with engine.connect() as frozen:
            await frozen.execute(HELD)
            assert not await free()
            await until(free, seconds=2)
            with pytest.raises(DBAPIError) as lost:
                await frozen.execute(text("select 1"))
            assert is_transient(lost.value), "what it was doing is done again"
    finally:
        await engine.dispose()


async def test_a_transaction_that_stands_still_loses_its_locks(database_url: str, engine: AsyncEngine) -> None:
    await lock_is_free_again(database_url, engine, SOON)


async def test_without_a_limit_it_would_hold_up_all_others(database_url: str, engine: AsyncEngine) -> None:
    with pytest.raises(TimeoutError):
        await lock_is_free_again(database_url, engine, NEVER)


@pytest.mark.parametrize(
    ("sqlstate", "passes"),
    [
        ("25006", True),  # read-only: a standby
        ("25P03", True),
        ("42501", True),  # also a file that may not be written
        ("53100", True),  # the disk is full
        ("XX000", True),  # also a file that would grow too large
        ("22012", False),
        ("23505", False),
        ("25P02", False),
        ("42P01", False),
    ],
)
async def test_what_the_database_cannot_do_for_now_is_no_fault_of_a_message(
    engine: AsyncEngine, sqlstate: str, *, passes: bool
) -> None:
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError) as fault:
            await connection.execute(text(f"do $$ begin raise exception using errcode = '{sqlstate}'; end $$"))
    assert is_transient(fault.value) is passes
