"""Fixtures of real parts, each started when a test first asks for it.

`LIENTHONG_TEST_BOOTSTRAP_SERVERS` and `LIENTHONG_TEST_DATABASE_URL` put servers that run already in their place.
"""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import settings

from deploy.embedded.kafka import EmbeddedKafka
from deploy.embedded.postgres import EmbeddedPostgres
from deploy.embedded.smtp_part import EmbeddedSmtp
from tests.parts import Broker, Databases, ExternalBroker, MailServer, make_folder, remove_folder

# How long one example takes on a busy machine says nothing about the code.
settings.register_profile("lienthong", deadline=None)
settings.load_profile("lienthong")


@pytest.fixture(scope="session")
def parts_folder() -> Iterator[Path]:
    """The folder of the session's parts; what still runs in it at the end is killed by its number."""
    folder = make_folder()
    yield folder
    remove_folder(folder)


@pytest.fixture
def own_folder() -> Iterator[Path]:
    """A folder for parts of one test alone."""
    folder = make_folder()
    yield folder
    remove_folder(folder)


@pytest_asyncio.fixture(scope="session")
async def kafka(parts_folder: Path) -> AsyncIterator[Broker]:
    """The session's broker: `kafka.bootstrap_servers`. Tests share it, so they name their topics and groups apart."""
    if external := os.environ.get("LIENTHONG_TEST_BOOTSTRAP_SERVERS"):
        yield ExternalBroker(external)
        return
    broker = EmbeddedKafka(parts_folder / "kafka")
    await broker.start()
    yield broker
    await broker.stop()


@pytest_asyncio.fixture
async def own_kafka(own_folder: Path) -> AsyncIterator[EmbeddedKafka]:
    """A broker for this test alone, which may kill, stop and start it."""
    broker = EmbeddedKafka(own_folder / "kafka")
    await broker.start()
    yield broker
    await broker.kill()


@pytest_asyncio.fixture(scope="session")
async def postgres_url(parts_folder: Path) -> AsyncIterator[str]:
    """The session's PostgreSQL server: the URL of a database in it that tests leave empty."""
    if external := os.environ.get("LIENTHONG_TEST_DATABASE_URL"):
        yield external
        return
    server = EmbeddedPostgres(parts_folder / "postgres")
    await server.start()
    yield server.url
    await server.stop()


@pytest_asyncio.fixture
async def own_postgres(own_folder: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A PostgreSQL server for this test alone, which may kill, stop and start it."""
    server = EmbeddedPostgres(own_folder / "postgres")
    await server.start()
    yield server
    await server.kill()


@pytest_asyncio.fixture(scope="session")
async def databases(postgres_url: str) -> AsyncIterator[Databases]:
    """Makes databases: `await databases.fresh()`, or `prepared(name, prepare)` from a template made once a session."""
    made = Databases(postgres_url)
    yield made
    await made.drop_all()


@pytest_asyncio.fixture
async def database_url(databases: Databases) -> AsyncIterator[str]:
    """An empty database for this test alone, dropped afterwards."""
    url = await databases.fresh()
    yield url
    await databases.drop(url)


@pytest_asyncio.fixture(scope="session")
async def smtp_server(parts_folder: Path) -> AsyncIterator[EmbeddedSmtp]:
    """The session's mail server."""
    server = EmbeddedSmtp(parts_folder / "smtp")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def smtp(smtp_server: EmbeddedSmtp) -> MailServer:
    """The mail server with the mails of this test alone: `smtp.url`, `smtp.mails()`, `await smtp.wait_for(2)`."""
    return MailServer(smtp_server)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """CI skips nothing: a skipped test fails the run there; elsewhere the summary says what was skipped and why."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
