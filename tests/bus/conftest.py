"""A small service on real Kafka and PostgreSQL, with topics of its own for each test."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
import structlog

from shared.bus.topic_admin import ensure_topics
from tests.bus.counter import Counter, create_schema, make_counter
from tests.bus.events import topic_table
from tests.parts import Broker, Databases

MakeCounter = Callable[..., Awaitable[Counter]]


@pytest.fixture(scope="session", autouse=True)
def _plain_tracebacks() -> None:
    """The pretty ones with all variables take a second each."""
    renderer = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[structlog.stdlib.add_log_level, renderer], cache_logger_on_first_use=False)


@pytest.fixture
def prefix() -> str:
    """What the names of a test's topics and groups begin with."""
    return f"test-{uuid.uuid4().hex[:8]}"


@pytest_asyncio.fixture
async def counter_database(databases: Databases) -> AsyncIterator[str]:
    """A database with the service's tables."""
    url = await databases.prepared("bus-counter", create_schema)
    yield url
    await databases.drop(url)


@pytest_asyncio.fixture
async def counter(kafka: Broker, counter_database: str, prefix: str) -> AsyncIterator[MakeCounter]:
    """Make and start the service: `await counter(change=…, started=False)`; stopped after the test."""
    made: list[Counter] = []

    async def make(*, started: bool = True, **arguments: Any) -> Counter:
        each = make_counter(kafka.bootstrap_servers, counter_database, prefix, **arguments)
        made.append(each)
        if started:
            each.bus.start()
            await each.bus.wait_ready()
        return each

    await ensure_topics(kafka.bootstrap_servers, topic_table(prefix).topics_of("counter"))
    yield make
    for each in made:
        await each.stop()
