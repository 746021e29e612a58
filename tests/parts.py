"""Real parts for tests: a broker, databases, a mail server, and waiting for a condition."""

import asyncio
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar, overload
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from deploy.embedded.child import Record, end_recorded
from deploy.embedded.mailbox import Mail
from deploy.embedded.smtp_part import EmbeddedSmtp

T = TypeVar("T")

FOLDER_PREFIX = "lienthong-test-"
OWNER = "owner.record"


class Broker(Protocol):
    """What a test needs of an Apache Kafka."""

    @property
    def bootstrap_servers(self) -> str: ...


class ExternalBroker:
    """A broker that somebody else runs (`LIENTHONG_TEST_BOOTSTRAP_SERVERS`)."""

    def __init__(self, bootstrap_servers: str) -> None:
        self.bootstrap_servers = bootstrap_servers


@overload
async def until(condition: Callable[[], Awaitable[T | None]], seconds: float = ..., every: float = ...) -> T: ...
@overload
async def until(condition: Callable[[], T | None], seconds: float = ..., every: float = ...) -> T: ...
async def until(condition: Callable[[], Any], seconds: float = 10.0, every: float = 0.02) -> Any:
    """Wait until the condition, plain or async, returns something true, and return it; TimeoutError after that."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        value = await result if isinstance(result, Awaitable) else result
        if value:
            return value
        if time.monotonic() > deadline:
            name = getattr(condition, "__qualname__", repr(condition))
            raise TimeoutError(f"not true within {seconds} s: {name}")
        await asyncio.sleep(every)


class Databases:
    """Databases on one server, each test its own."""

    def __init__(self, server_url: str) -> None:
        """`server_url`: any database of the server, as an SQLAlchemy asyncpg URL of somebody who may make databases."""
        self._server_url = server_url
        self._templates: dict[str, str] = {}
        self._made: list[str] = []

    async def fresh(self, template: str = "template1") -> str:
        """Make a database and return its URL."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        await self._execute(f'create database "{name}" template "{template}"')
        self._made.append(name)
        return self._url(name)

    async def prepared(self, name: str, prepare: Callable[[str], Awaitable[object]]) -> str:
        """Make a database like one that `prepare(url)` filled; `prepare` runs once a session for each `name`."""
        if name not in self._templates:
            url = await self.fresh()
            await prepare(url)
            self._templates[name] = urlsplit(url).path[1:]
        template = self._templates[name]
        # A template must have no connections; `prepare` may have left a pool that is only closing.
        await self._execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", template)
        return await self.fresh(template)

    async def drop(self, url: str) -> None:
        """Drop a database, whoever is connected to it."""
        name = urlsplit(url).path[1:]
        await self._execute(f'drop database if exists "{name}" with (force)')
        self._made.remove(name)

    async def drop_all(self) -> None:
        """Drop every database that was made here."""
        for name in list(self._made):
            await self.drop(self._url(name))

    def _url(self, name: str) -> str:
        return urlunsplit(urlsplit(self._server_url)._replace(path=f"/{name}"))

    async def _execute(self, statement: str, *values: str) -> None:
        connection = await asyncpg.connect(self._server_url.replace("+asyncpg", "", 1))
        try:
            await connection.execute(statement, *values)
        finally:
            await connection.close()


class MailServer:
    """The receiving server as a test sees it: its address, and the mails that came since the test began."""

    def __init__(self, server: EmbeddedSmtp) -> None:
        self._server = server
        self._before = set(server.mailbox.ids())

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def host(self) -> str:
        return self._server.host

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def mailbox_url(self) -> str:
        return self._server.mailbox_url

    def mails(self) -> list[Mail]:
        """Return the mails, first come first."""
        mailbox = self._server.mailbox
        return [mailbox.mail(mail_id) for mail_id in mailbox.ids() if mail_id not in self._before]

    async def wait_for(self, count: int, seconds: float = 10.0) -> list[Mail]:
        """Wait until at least `count` mails have come."""
        await until(lambda: len(self.mails()) >= count, seconds)
        return self.mails()


def make_folder() -> Path:
    """Make a folder for parts. Not below pytest's own: that is closed to the account PostgreSQL needs under root.

    First clears what a killed test run left: its processes and its folders.
    """
    for old in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        owner = Record.read(old / OWNER)
        if owner is not None and owner.find() is None:
            remove_folder(old)
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
    Record.of(os.getpid()).write(folder / OWNER)
    return folder


def remove_folder(folder: Path) -> None:
    """End the processes that are recorded below a folder, by their numbers, and remove it."""
    for record in folder.rglob("*.pid"):
        if record.name != "postmaster.pid":  # PostgreSQL's own, in another form
            end_recorded(record)
    shutil.rmtree(folder, ignore_errors=True)
