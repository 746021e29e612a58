"""A migrated database for each test, and validate on it."""

from collections.abc import AsyncIterator

import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database import make_engine, migrate
from tests.parts import Databases
from tests.validate.world import World


@pytest_asyncio.fixture
async def validate_url(databases: Databases) -> AsyncIterator[str]:
    """A database with validate's schema, for this test alone."""

    async def prepare(url: str) -> None:
        await migrate(["validate"], url)

    url = await databases.prepared("validate", prepare)
    yield url
    await databases.drop(url)


@pytest_asyncio.fixture
async def engine(validate_url: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(validate_url, "validate", pool_size=4)
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture
async def world(engine: AsyncEngine) -> World:
    """Validate without a catalogue yet."""
    return World(engine)
