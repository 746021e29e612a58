"""The office's mail server, in moods that a test chooses."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from email.utils import getaddresses

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.notify.smtp_scripts import HOST, ScriptedSmtp

Notice = tuple[str, str, str]
"""Whom a mail tells what: address, delivery, step."""


@dataclass
class Post(ScriptedSmtp):
    """Listens on one port all its life. `answer` is given to every mail; `silent`: nobody gets an answer to a mail."""

    answer: str = ""
    silent: bool = False
    _open: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def open(self) -> None:
        await self._open.enter_async_context(self.listening(self.port))

    async def close(self) -> None:
        await self._open.aclose()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.silent:
            await asyncio.Event().wait()  # until the other side goes
        return self.answer or await super().handle_DATA(server, session, envelope)

    @property
    def told(self) -> Counter[Notice]:
        """How often whom was told what."""
        told: Counter[Notice] = Counter()
        for mail in self.taken:
            for _, address in getaddresses([str(mail["To"])]):
                for named in str(mail["X-Lienthong-Deliveries"]).split(", "):
                    delivery, _, step = named.partition(";step=")
                    told[address, delivery, step] += 1
        return told


Mood = Callable[[Post], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def gone(post: Post) -> AsyncIterator[None]:
    """Nobody listens."""
    await post.close()
    try:
        yield
    finally:
        await post.open()


@asynccontextmanager
async def mute(post: Post) -> AsyncIterator[None]:
    """Whoever connects is never greeted."""

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the other side goes
        writer.close()

    await post.close()
    server = await asyncio.start_server(hear, HOST, post.port)
    try:
        yield
    finally:
        server.close()
        await post.open()


@asynccontextmanager
async def mute_after_data(post: Post) -> AsyncIterator[None]:
    """A whole mail is handed over, and nothing is said."""
    post.silent = True
    try:
        yield
    finally:
        post.silent = False


@asynccontextmanager
async def busy(post: Post) -> AsyncIterator[None]:
    """Every mail is refused for the moment."""
    post.answer = "451 4.3.0 Later"
    try:
        yield
    finally:
        post.answer = ""


@asynccontextmanager
async def broken(post: Post) -> AsyncIterator[None]:
    """Every mail is refused for good, though nothing is wrong with it."""
    post.answer = "554 5.3.0 Nothing for nobody"
    try:
        yield
    finally:
        post.answer = ""


MOODS: tuple[Mood, ...] = (gone, busy, broken, mute, mute_after_data)
