"""Starts the stack as a person would, moves its clock, and always stops it."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

COMMAND = (sys.executable, "-m", "services.cli")
ADDRESSES_FILE = "addresses.json"
LOG_FILE = "demo-stack.log"
UP_SECONDS_MAX = 240.0  # the first start on a slow machine fetches the broker, too
STOP_SECONDS_MAX = 30.0
KILL_SECONDS_MAX = 10.0
COMMAND_SECONDS_MAX = 30.0
POLL_SECONDS = 0.05
LOG_TAIL_LINES = 30
SERVICES = ("catalogue", "ingest", "validate", "notify")


class StackError(Exception):
    """The stack did not start, did not obey or did not stop."""


@dataclass(frozen=True)
class Addresses:
    """Where everything is, from `addresses.json`, with the tokens of the sample."""

    bootstrap_servers: str
    mailbox: str
    services: Mapping[str, str]
    unit_tokens: Mapping[str, str]
    role_tokens: Mapping[str, str]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read both files. Raises OSError, KeyError or ValueError when they are not what docs/ says."""
        addresses = json.loads(path.read_text(encoding="utf-8"))
        tokens = json.loads(Path(addresses["tokens"]).read_text(encoding="utf-8"))
        return cls(
            addresses["bootstrap_servers"],
            (addresses["mailbox"] or "").rstrip("/"),
            {service: addresses[service].rstrip("/") for service in SERVICES},
            tokens["units"],
            tokens["roles"],
        )


class Stack:
    """The stack in a data folder of its own, which the stack itself empties at the start.

    Used as a context manager: whatever happens inside, the stack is stopped. `command` is the `lienthong` command, `up`
    what takes the place of `lienthong up --empty`.
    """

    def __init__(self, data: Path, command: Sequence[str] = COMMAND, up: Sequence[str] | None = None) -> None:
        self.data = data
        self._prefix = command
        self._up = up or (*command, "up")
        self._options = () if up else ("--empty",)
        self._process: subprocess.Popen[bytes] | None = None
        self._begun = 0.0

    def __enter__(self) -> Self:
        self.data.mkdir(parents=True, exist_ok=True)
        (self.data / LOG_FILE).unlink(missing_ok=True)
        self.start(*self._options)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, *options: str) -> None:
        """Start the stack in its folder."""
        self._begun = time.time()
        with (self.data / LOG_FILE).open("ab") as log:
            # A group of its own: Ctrl-C at the terminal reaches the demo alone, which then stops the stack in order.
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [*self._up, "--data", str(self.data), *options], stdout=log, stderr=log, start_new_session=True
            )

    @property
    def pid(self) -> int | None:
        """The supervisor's process number, None while it does not run."""
        return self._process.pid if self._process is not None else None

    def kill(self) -> None:
        """Kill the supervisor alone (SIGKILL); everything that it started runs on until it is started again."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def wait_until_up(self, progress: Callable[[float], None]) -> Addresses:
        """Wait for `addresses.json`. Raises StackError with the end of the log when it does not come."""
        path = self.data / ADDRESSES_FILE
        while True:
            self.check()
            if path.exists() and path.stat().st_mtime >= self._begun:  # an older one is a killed stack's
                return Addresses.read(path)
            waited = time.time() - self._begun
            if waited > UP_SECONDS_MAX:
                raise StackError(f"the stack was not up after {UP_SECONDS_MAX:.0f} s\n{self.log_tail()}")
            progress(waited)
            time.sleep(POLL_SECONDS)

    def check(self) -> None:
        """Raise StackError when the stack has ended by itself."""
        if self._process is not None and (code := self._process.poll()) is not None:
            raise StackError(f"the stack ended by itself with status {code}\n{self.log_tail()}")

    def advance_clock(self, to: datetime) -> None:
        """Move business time. Returns once the command is given; the services obey a second later."""
        done = subprocess.run(  # noqa: S603 - our own command
            self._command("clock", "advance", "--data", str(self.data), "--to", to.isoformat()),
            capture_output=True,
            timeout=COMMAND_SECONDS_MAX,
            check=False,
        )
        if done.returncode:
            raise StackError(f"clock advance failed: {done.stderr.decode(errors='replace').strip()}")

    def stop(self) -> None:
        """Stop with SIGINT, as Ctrl-C does. Raises StackError, after killing it, when it does not end."""
        process = self._process
        if process is None:
            return
        self._process = None
        for seconds in (STOP_SECONDS_MAX, KILL_SECONDS_MAX):  # the second Ctrl-C kills what is still there
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
            if seconds == STOP_SECONDS_MAX:
                return
            raise StackError(f"the stack did not stop within {STOP_SECONDS_MAX:.0f} s and was killed")
        process.kill()
        process.wait()
        raise StackError(f"the stack did not stop within {STOP_SECONDS_MAX + KILL_SECONDS_MAX:.0f} s; process killed")

    def hand_over(self) -> subprocess.Popen[bytes] | None:
        """Leave the stack running; return its process."""
        process, self._process = self._process, None
        return process

    def log_tail(self) -> str:
        """Return the last lines that the stack printed."""
        path = self.data / LOG_FILE
        if not path.exists():
            return ""
        return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:])

    def _command(self, *arguments: str) -> list[str]:
        return [*self._prefix, *arguments]


def business_time(address: str, client: httpx.Client) -> datetime:
    """Return the business time that a service goes by."""
    response = client.get(f"{address}/health/ready")
    return datetime.fromisoformat(response.json()["business_time"])
