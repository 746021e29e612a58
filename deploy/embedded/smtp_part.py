"""The embedded mail server as a child process."""

import asyncio
import sys
import time
from pathlib import Path

from deploy.embedded.child import Child, Command
from deploy.embedded.errors import ended_early, not_ready
from deploy.embedded.files import tail
from deploy.embedded.mailbox import Mailbox
from deploy.embedded.ports import HOST, PortBook

PROJECT = Path(__file__).parent.parent.parent
START_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 5.0
POLL_SECONDS = 0.05


class EmbeddedSmtp:
    """A receiving mail server in a folder: `mails` (one .eml each), `ports.json`, `smtp.pid`, `smtp.log`."""

    name = "smtp"

    def __init__(self, folder: Path, log: Path | None = None) -> None:
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        book = PortBook(self.folder / "ports.json")
        self.port = book.port("smtp")
        self.http_port = book.port("mailbox")
        self.mailbox = Mailbox(self.folder / "mails")
        self._log = log or self.folder / "smtp.log"
        arguments = ["--folder", str(self.mailbox.folder), "--port", str(self.port), "--http-port", str(self.http_port)]
        command = [sys.executable, "-m", "deploy.embedded.smtp", *arguments]
        self._child = Child(Command(command, log=self._log, cwd=PROJECT), self.folder / "smtp.pid")

    @property
    def host(self) -> str:
        """Return the address that the server listens on."""
        return HOST

    @property
    def url(self) -> str:
        """Return the server's address for those who send."""
        return f"smtp://{HOST}:{self.port}"

    @property
    def mailbox_url(self) -> str:
        """Return the address of the mailbox page."""
        return f"http://{HOST}:{self.http_port}"

    @property
    def pid(self) -> int | None:
        """Return the process number while it runs."""
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Tell whether the process runs; it need not answer yet."""
        return self._child.alive

    async def start(self) -> None:
        """Start the server and return once both doors are open; raises EmbeddedError when they do not open in 30 s."""
        self._child.start()
        try:
            await self._wait_until_ready()
        except BaseException:  # also a cancelled start leaves no process behind
            await self._child.kill()
            raise

    async def stop(self) -> None:
        """Stop the server, kill it after 5 s."""
        await self._child.stop(STOP_SECONDS_MAX)

    async def kill(self) -> None:
        """Kill the server (SIGKILL)."""
        await self._child.kill()

    async def ended(self) -> int:
        """Wait until the process ends; return its exit code."""
        return await self._child.ended()

    async def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS_MAX
        while not (await _opens(self.port) and await _opens(self.http_port)):
            if self._child.exit_code is not None:
                raise ended_early("SMTP", self._child.exit_code, tail(self._log))
            if time.monotonic() > deadline:
                raise not_ready("SMTP", START_SECONDS_MAX, tail(self._log))
            await asyncio.sleep(POLL_SECONDS)


async def _opens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    return True
