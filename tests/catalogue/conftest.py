"""A migrated database for each test, and the catalogue on it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database import make_engine, migrate
from tests.catalogue.world import SetClock, World
from tests.parts import Databases

START = datetime(2024, 6, 10, 1, tzinfo=UTC)


@pytest_asyncio.fixture
async def catalogue_url(databases: Databases) -> AsyncIterator[str]:
    """A database with the catalogue's schema, for this test alone."""

    async def prepare(url: str) -> None:
        await migrate(["catalogue"], url)

    url = await databases.prepared("catalogue", prepare)
    yield url
    await databases.drop(url)


@pytest_asyncio.fixture
async def engine(catalogue_url: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(catalogue_url, "catalogue", pool_size=4)
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture
async def world(engine: AsyncEngine) -> World:
    """The catalogue at 10 June 2024, 08:00 in Vietnam, with nothing loaded."""
    return World(engine, SetClock(START))
