"""The office's mail server, over SMTP (RFC 5321) with aiosmtplib."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Literal, Protocol, cast
from urllib.parse import parse_qs, unquote, urlsplit

from aiosmtplib import (
    SMTP,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)

from shared.problems import UnavailableError

PERMANENT_CODE_MIN = 500
SERVICE_CLOSING = 421
SMTP_PORT, SMTPS_PORT = 25, 465

StartTls = Literal["auto", "required", "never"]


class MailServerAwayError(UnavailableError):
    """The server cannot be reached, or refuses to talk to us at all: nothing is wrong with the mail."""


class MailRefusedError(Exception):
    """The server did not take one mail. `permanent` is False when it may take it later.

    `connection_lost`: the connection cannot be used any more, and whether the mail arrived is not known.
    """

    def __init__(self, reason: str, *, permanent: bool, connection_lost: bool = False) -> None:
        super().__init__(reason)
        self.permanent = permanent
        self.connection_lost = connection_lost


class Connection(Protocol):
    """A conversation with the mail server."""

    async def send(self, sender: str, recipient: str, message: bytes) -> None:
        """Hand one mail over; return once the server has taken it. Raises MailRefusedError."""
        ...


class MailServer(Protocol):
    """Where mails go."""

    def connect(self) -> AbstractAsyncContextManager[Connection]:
        """Open a conversation; raises MailServerAwayError."""
        ...


@dataclass(frozen=True, slots=True)
class SmtpAddress:
    """A parsed `smtp://` or `smtps://` URL; `?starttls=auto|required|never`, credentials always go encrypted."""

    host: str
    port: int
    tls: bool
    start_tls: StartTls
    username: str | None = None
    password: str | None = None

    @classmethod
    def parse(cls, url: str) -> "SmtpAddress":
        """Read the URL; raises ValueError when it is none, or would send a password in the clear."""
        parts = urlsplit(url)
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
            raise ValueError("LIENTHONG_SMTP_URL must be smtp://host:port or smtps://user:password@host:port")
        tls = parts.scheme == "smtps"
        chosen = parse_qs(parts.query).get("starttls", ["required" if parts.username else "auto"])[0]
        if chosen not in {"auto", "required", "never"}:
            raise ValueError("starttls in LIENTHONG_SMTP_URL must be auto, required or never")
        if parts.username and not tls and chosen != "required":
            raise ValueError("LIENTHONG_SMTP_URL has a password: use smtps://, or starttls=required")
        return cls(
            host=parts.hostname,
            port=parts.port or (SMTPS_PORT if tls else SMTP_PORT),
            tls=tls,
            start_tls=cast("StartTls", chosen),
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )


class SmtpServer:
    """A real server. STARTTLS is used where it is offered, unless the address says otherwise.

    `timeout_seconds` holds for one mail, and for each step of connecting.
    """

    def __init__(self, address: SmtpAddress, timeout_seconds: float) -> None:
        self._address = address
        self._timeout_seconds = timeout_seconds

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        """Open a conversation; raises MailServerAwayError."""
        address = self._address
        client = SMTP(
            hostname=address.host,
            port=address.port,
            use_tls=address.tls,
            start_tls={"auto": None, "required": True, "never": False}[address.start_tls] if not address.tls else False,
            username=address.username,
            password=address.password,
            timeout=self._timeout_seconds,
        )
        try:
            await client.connect()
        except (SMTPException, OSError, ValueError) as error:
            client.close()
            raise MailServerAwayError(f"{address.host}:{address.port}: {type(error).__name__}: {error}") from error
        try:
            yield SmtpConnection(client, self._timeout_seconds)
        finally:
            await _leave(client)


class SmtpConnection:
    """A conversation over one connection."""

    def __init__(self, client: SMTP, timeout_seconds: float) -> None:
        self._client = client
        self._timeout_seconds = timeout_seconds

    async def send(self, sender: str, recipient: str, message: bytes) -> None:
        """Hand one mail over; return once the server has answered 250."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._client.sendmail(sender, [recipient], message)
        except SMTPRecipientsRefused as error:
            raise _refused(error.recipients[0]) from error
        except SMTPSenderRefused as error:
            # Our own setting is wrong, not the mail: it is tried again, and somebody sees the alarm.
            raise MailRefusedError(f"{error.code} {error.message}", permanent=False) from error
        except SMTPResponseException as error:
            raise _refused(error) from error
        except (SMTPNotSupported, UnicodeError) as error:
            raise MailRefusedError(f"{type(error).__name__}: {error}", permanent=True) from error
        except (SMTPException, OSError) as error:
            raise MailRefusedError(f"{type(error).__name__}: {error}", permanent=False, connection_lost=True) from error


def _refused(error: SMTPResponseException) -> MailRefusedError:
    return MailRefusedError(
        f"{error.code} {error.message}",
        permanent=error.code >= PERMANENT_CODE_MIN,
        connection_lost=error.code == SERVICE_CLOSING,
    )


async def _leave(client: SMTP) -> None:
    """Say goodbye when there is still somebody to say it to; what was sent does not depend on it."""
    try:
        if client.is_connected:
            await client.quit()
    except (SMTPException, OSError):
        client.close()
