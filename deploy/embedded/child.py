"""A child process in a group of its own, known on disk, so that a later start can find and end it."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from deploy.embedded.account import as_user
from deploy.embedded.files import write_atomically

POLL_SECONDS = 0.05  # how soon an ended child is noticed
COMMAND_LINE_POLL_SECONDS = 0.001
SAME_START_SECONDS = 0.05  # two readings of one process's start may differ in the last digits
LOG_BYTES_MAX = 20_000_000  # at a start a longer log is put aside, once
MARK = "LIENTHONG_CHILD"  # variable in a child's environment
KILL_SECONDS = 10.0  # how long the system may take to end a killed process (disk waits)


@dataclass(frozen=True, slots=True)
class Command:
    """What to run: arguments, folder, environment, log file, and on whose account (None: our own).

    `environment` is added to ours; None takes a variable away.
    """

    arguments: Sequence[str]
    log: Path
    cwd: Path | None = None
    environment: Mapping[str, str | None] = field(default_factory=dict)
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM


@dataclass(frozen=True, slots=True)
class Record:
    """Who a process was: a number alone may belong to somebody else by now."""

    pid: int
    started_at: float
    command: tuple[str, ...]

    @classmethod
    def of(cls, pid: int) -> "Record":
        """Describe a running process; raises psutil.NoSuchProcess."""
        process = psutil.Process(pid)
        return cls(pid, process.create_time(), tuple(process.cmdline()))

    @classmethod
    def read(cls, path: Path) -> "Record | None":
        """Read a record file; None when there is none or it cannot be understood."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            return cls(int(data["pid"]), float(data["started_at"]), tuple(data["command"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def write(self, path: Path) -> None:
        """Write the record file."""
        data = {"pid": self.pid, "started_at": self.started_at, "command": self.command}
        write_atomically(path, json.dumps(data) + "\n")

    def find(self) -> psutil.Process | None:
        """Return the process if it still runs and is the one recorded: same number, start and command line."""
        try:
            process = psutil.Process(self.pid)
            same = (
                abs(process.create_time() - self.started_at) < SAME_START_SECONDS
                and tuple(process.cmdline()) == self.command
                and process.status() != psutil.STATUS_ZOMBIE
            )
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return None
        return process if same else None


@dataclass(frozen=True, slots=True)
class Intent:
    """Written before a process starts: a supervisor killed right after the start has not written its number yet.

    The process carries `mark` in its environment.
    """

    mark: str

    @classmethod
    def read(cls, path: Path) -> "Intent | None":
        """Read an intent file; None when there is none, or a whole record is there."""
        try:
            return cls(str(json.loads(path.read_text(encoding="utf-8"))["mark"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def write(self, path: Path) -> None:
        """Write the intent in the place of the record to come."""
        write_atomically(path, json.dumps({"mark": self.mark}) + "\n")

    def find(self) -> psutil.Process | None:
        """Return the process that carries the mark and leads its group; its own children carry it, too."""
        process: psutil.Process
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self.mark and os.getpgid(process.pid) == process.pid:
                    return process
            except (psutil.Error, OSError):  # gone meanwhile, or somebody else's
                continue
        return None


def kill_group(pid: int) -> None:
    """Kill the process group that `pid` leads; nothing happens when it is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def wait_until_gone(processes: Sequence[psutil.Process]) -> None:
    """Wait until killed processes are gone; raises TimeoutError after 10 s.

    Not psutil's own wait, which would take a child's exit code away from whoever started it.
    """
    deadline = time.monotonic() + KILL_SECONDS
    while any(is_there(process) for process in processes):
        if time.monotonic() > deadline:
            raise TimeoutError(f"still there after a kill: {processes}")
        time.sleep(POLL_SECONDS)


def is_there(process: psutil.Process) -> bool:
    """Tell whether a process runs; a dead one that nobody has collected does not count."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def end_recorded(path: Path) -> bool:
    """Kill the process of a record file, and its group, if it still runs; return whether it did."""
    known = Record.read(path) or Intent.read(path)
    process = known.find() if known is not None else None
    if process is not None:
        kill_group(process.pid)
        wait_until_gone([process])
    path.unlink(missing_ok=True)
    return process is not None


class Child:
    """One process at a time: start, watch, stop; `record` names it on disk while it runs."""

    def __init__(self, command: Command, record: Path) -> None:
        self.command = command
        self._record = record
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Return the number of the running process."""
        return self._process.pid if self._process is not None and self.alive else None

    @property
    def alive(self) -> bool:
        """Tell whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Return how the last process ended (negative: by that signal), None while it runs or before the first."""
        return self._process.poll() if self._process is not None else None

    def start(self) -> int:
        """Start the process, ending a recorded orphan first; return its number. Raises OSError when it cannot run."""
        if self.alive:
            raise RuntimeError("the child runs already")
        end_recorded(self._record)
        command = self.command
        command.log.parent.mkdir(parents=True, exist_ok=True)
        self._record.parent.mkdir(parents=True, exist_ok=True)
        if command.log.exists() and command.log.stat().st_size > LOG_BYTES_MAX:
            command.log.replace(command.log.with_suffix(".log.1"))
        intent = Intent(secrets.token_hex(16))
        intent.write(self._record)
        environment = {**os.environ, **command.environment, MARK: intent.mark}
        with command.log.open("ab") as log:
            self._process = subprocess.Popen(
                list(command.arguments),
                cwd=command.cwd,
                env={name: value for name, value in environment.items() if value is not None},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C at the terminal is the supervisor's to handle, in its order
                **as_user(command.user),
            )
        self._write_record(self._process)
        return self._process.pid

    def _write_record(self, process: subprocess.Popen[bytes]) -> None:
        """Record the process, once its command line can be read: that comes a moment after the start has succeeded."""
        while process.poll() is None:  # ended already: whoever waits for it will see
            with contextlib.suppress(psutil.NoSuchProcess):
                record = Record.of(process.pid)
                if record.command:
                    record.write(self._record)
                    return
            time.sleep(COMMAND_LINE_POLL_SECONDS)

    async def ended(self) -> int:
        """Wait until the process ends and return its exit code."""
        while (code := self.exit_code) is None:  # noqa: ASYNC110 - a process sets no event
            await asyncio.sleep(POLL_SECONDS)
        return code

    async def stop(self, grace_seconds: float) -> None:
        """Ask the process to end by its stop signal, kill its group after the grace."""
        if self._process is None:
            return
        if self.alive:
            self._process.send_signal(self.command.stop_signal)
            deadline = time.monotonic() + grace_seconds
            while self.alive and time.monotonic() < deadline:  # noqa: ASYNC110 - a process sets no event
                await asyncio.sleep(POLL_SECONDS)
        await self.kill()

    async def kill(self) -> None:
        """Kill the process and its group by number, and wait until it is gone."""
        if self._process is None:
            return
        kill_group(self._process.pid)
        async with asyncio.timeout(KILL_SECONDS):
            await self.ended()
        self._record.unlink(missing_ok=True)
