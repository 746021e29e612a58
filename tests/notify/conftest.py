"""A migrated database for each test, a scripted mail server, and notify between them."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database import make_engine, migrate
from tests.notify.smtp_scripts import ScriptedSmtp
from tests.notify.world import TwoClocks, World
from tests.parts import Databases

START = datetime(2024, 6, 10, 1, tzinfo=UTC)

MakeWorld = Callable[..., World]


@pytest_asyncio.fixture
async def notify_url(databases: Databases) -> AsyncIterator[str]:
    """A database with notify's schema, for this test alone."""

    async def prepare(url: str) -> None:
        await migrate(["notify"], url)

    url = await databases.prepared("notify", prepare)
    yield url
    await databases.drop(url)


@pytest_asyncio.fixture
async def engine(notify_url: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(notify_url, "notify", pool_size=4)
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture
async def post() -> AsyncIterator[ScriptedSmtp]:
    """A mail server that takes everything until the test says otherwise."""
    async with ScriptedSmtp().listening() as server:
        yield server


@pytest.fixture
def clock() -> TwoClocks:
    """10 June 2024, 08:00 in Vietnam."""
    return TwoClocks(START, datetime.now(UTC))


@pytest.fixture
def make_world(engine: AsyncEngine, clock: TwoClocks, post: ScriptedSmtp) -> MakeWorld:
    """Make notify: `make_world(recheck=…)`."""

    def make(**arguments: Any) -> World:
        return World(engine, clock, post.client(), **arguments)

    return make


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world()
