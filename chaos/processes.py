"""The processes of a running stack, known by the records that it keeps in its folder; ended, stopped and let on."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil

from chaos.plan import PARTS
from deploy.embedded.child import Record


class Processes:
    """Signals by number, never by name: a number that belongs to somebody else by now is left alone."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._stopped: list[psutil.Process] = []

    def find(self, name: str) -> psutil.Process | None:
        """Return a part or a service that runs, None while it does not."""
        record = Record.read(self._path(name))
        return record.find() if record is not None else None

    def kill(self, *names: str) -> int:
        """Kill processes, all at once as far as that goes; return how many there were."""
        found = [process for name in names if (process := self.find(name)) is not None]
        for process in found:
            _send(process, signal.SIGKILL)
        return len(found)

    def end(self, name: str) -> bool:
        """Ask a process to end, as an operator would; return whether it was there."""
        process = self.find(name)
        if process is None:
            return False
        # PostgreSQL's fast shutdown; at SIGTERM it would wait for its clients, which never go.
        _send(process, signal.SIGINT if name == "postgres" else signal.SIGTERM)
        return True

    def stop(self, name: str) -> list[psutil.Process]:
        """Stop a process and its children where they are; return them, for `let_on`."""
        process = self.find(name)
        if process is None:
            return []
        found = [process]
        with contextlib.suppress(psutil.NoSuchProcess):
            found += process.children(recursive=True)
        self._stopped += found
        for each in found:
            _send(each, signal.SIGSTOP)
        return found

    def note_stopped(self, name: str) -> list[psutil.Process]:
        """Know that a process has stopped itself."""
        process = self.find(name)
        found = [process] if process is not None else []
        self._stopped += found
        return found

    @contextlib.contextmanager
    def held(self, pid: int | None) -> Iterator[None]:
        """Stop a child of ours, such as the supervisor, for the time being."""
        if pid is None:
            yield
            return
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def let_on(self, processes: list[psutil.Process]) -> None:
        """Let stopped processes go on; those that were killed meanwhile are gone."""
        for process in processes:
            _send(process, signal.SIGCONT)

    def let_all_on(self) -> None:
        """Let everything go on that was ever stopped here."""
        self.let_on(self._stopped)
        self._stopped.clear()

    def _path(self, name: str) -> Path:
        return self._data / (name if name in PARTS else "run") / f"{name}.pid"


def _send(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)
