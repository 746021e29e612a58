"""A mail server that receives everything and keeps it.

`python -m deploy.embedded.smtp --folder … --port … --http-port …`. A mail is on disk before its sender reads 250, so a
kill at any moment loses nothing that was taken.
"""

import argparse
import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session
from starlette.applications import Starlette

from deploy.embedded.mailbox import Mailbox
from deploy.embedded.mailbox_page import mailbox_app
from deploy.embedded.ports import HOST

MAIL_BYTES_MAX = 25_000_000


class Keeper:
    """aiosmtpd's handler: stores a mail, then acknowledges it."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: ARG002, N802 - aiosmtpd's
        """Answer 250 once the mail is on disk, 451 when it cannot be written."""
        content = envelope.original_content or b""
        try:
            mail_id = await asyncio.to_thread(self._mailbox.add, content, envelope.mail_from or "", envelope.rcpt_tos)
        except OSError as error:
            return f"451 4.3.0 Could not store the mail: {error.strerror}"
        return f"250 2.0.0 Stored as {mail_id}"


async def listen(mailbox: Mailbox, port: int) -> asyncio.Server:
    """Listen for SMTP on the local address."""
    keeper = Keeper(mailbox)

    def protocol() -> SMTP:
        return SMTP(keeper, data_size_limit=MAIL_BYTES_MAX, enable_SMTPUTF8=True, hostname="lienthong.local")

    return await asyncio.get_running_loop().create_server(protocol, HOST, port)


def main() -> None:
    """Serve SMTP and the mailbox page until SIGTERM."""
    parser = argparse.ArgumentParser(description="Receive mails, keep them, show them.")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True, help="SMTP port")
    parser.add_argument("--http-port", type=int, required=True, help="port of the mailbox page")
    options = parser.parse_args()
    mailbox = Mailbox(options.folder)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with await listen(mailbox, options.port):
            yield

    # uvicorn re-raises the signal when it has shut down, so everything that must end lies within the lifespan.
    uvicorn.run(
        mailbox_app(mailbox, lifespan),
        host=HOST,
        port=options.http_port,
        log_level="warning",
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main()
