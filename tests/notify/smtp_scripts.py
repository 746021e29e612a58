"""A real SMTP server that answers as a test says, and mail servers that fail in ways of their own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from aiosmtpd.smtp import SMTP, Envelope, Session

from services.notify.mail_server import Connection, MailServer, SmtpAddress, SmtpServer

HOST = "127.0.0.1"


@dataclass
class ScriptedSmtp:
    """Takes mails into memory; gives `answers` first, one a mail, then 250. `sender_answer` refuses at MAIL FROM."""

    answers: list[str] = field(default_factory=list)
    sender_answer: str = ""
    taken: list[EmailMessage] = field(default_factory=list)
    asked: int = 0
    port: int = 0
    on_data: Callable[[], None] = lambda: None

    async def handle_MAIL(  # noqa: N802 -- aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Sequence[str]
    ) -> str:
        if self.sender_answer:
            self.asked += 1
            return self.sender_answer
        envelope.mail_from = address
        return "250 2.1.0 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.asked += 1
        self.on_data()
        if self.answers:
            return self.answers.pop(0)
        message = message_from_bytes(envelope.original_content or b"", policy=default)
        assert isinstance(message, EmailMessage)
        self.taken.append(message)
        return "250 2.0.0 OK"

    @property
    def message_ids(self) -> list[str]:
        return [str(message["Message-ID"]) for message in self.taken]

    @property
    def named(self) -> list[str]:
        """What the mails name, in order of arrival."""
        return [part for mail in self.taken for part in str(mail["X-Lienthong-Deliveries"]).split(", ")]

    @asynccontextmanager
    async def listening(self, port: int = 0) -> AsyncIterator["ScriptedSmtp"]:
        server = await asyncio.get_running_loop().create_server(
            lambda: SMTP(self, hostname="scripted.example"), HOST, port
        )
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await server.wait_closed()

    def client(self, timeout_seconds: float = 5) -> SmtpServer:
        return SmtpServer(SmtpAddress.parse(f"smtp://{HOST}:{self.port}"), timeout_seconds)


class ProcessKilledError(Exception):
    """Stands for a kill: nothing after it is done."""


@dataclass
class KilledAfterSending:
    """Hands a mail over, and dies before anybody hears of it."""

    server: MailServer

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        async with self.server.connect() as connection:
            yield _Killed(connection)


@dataclass
class _Killed:
    connection: Connection

    async def send(self, sender: str, recipient: str, message: bytes) -> None:
        await self.connection.send(sender, recipient, message)
        raise ProcessKilledError
