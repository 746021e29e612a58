"""The data folder: one stack at a time, one kind of clock for good, and nothing left from a killed one."""

import fcntl
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from deploy.embedded.child import end_recorded
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.files import write_atomically
from shared.clock import ClockFile

OWN_FOLDERS = ("postgres", "kafka", "smtp", "objects", "logs", "run")
OWN_FILES = ("addresses.json", "tokens.json", "setup.json", "ports.json", "clock", "clock.kind")

ClockKind = Literal["real", "simulated"]


class FolderLock:
    """Held while a stack uses the folder; the system lets go of it when the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._handle: int | None = None

    def take(self) -> None:
        """Take the lock; raises EmbeddedError when another process holds it."""
        handle = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.pread(handle, 20, 0).decode("ascii", errors="replace").strip() or "?"
            os.close(handle)
            raise EmbeddedError(
                vi=f"Thư mục {self._folder} đang được một lienthong khác dùng (tiến trình {owner}). "
                "Hãy dừng nó, hoặc chọn thư mục khác bằng --data.",
                en=f"The folder {self._folder} is in use by another lienthong (process {owner}). "
                "Stop that one, or choose another folder with --data.",
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        self._handle = handle

    def release(self) -> None:
        """Let go of the lock; the file stays, for removing it would race with somebody who is taking it."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def end_orphans(folder: Path) -> list[str]:
    """Kill what a killed supervisor left running, services first; return the names."""
    records = [*sorted((folder / "run").glob("*.pid")), *sorted(folder.glob("[!r]*/*.pid"))]
    return [record.stem for record in records if end_recorded(record)]


def empty(folder: Path) -> None:
    """Remove what a stack keeps in its folder; what others put there stays. Nothing may run in it any more."""
    for name in OWN_FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in OWN_FILES:
        (folder / name).unlink(missing_ok=True)


def settle_clock(folder: Path, kind: ClockKind, start: datetime) -> Path | None:
    """Return the clock file of a simulated stack, begun at the business instant `start` when it is new; None for real.

    A folder keeps the kind of clock that it began with: business time must not jump between a simulated year and
    today under data that is there. Raises EmbeddedError when another kind is asked for.
    """
    kept = folder / "clock.kind"
    if kept.exists() and (before := kept.read_text(encoding="ascii").strip()) != kind:
        raise EmbeddedError(
            vi=f"Thư mục {folder} đã chạy với --clock {before}; không đổi sang {kind} được. Hãy dùng thư mục khác.",
            en=f"The folder {folder} began with --clock {before} and cannot change to {kind}. Use another folder.",
        )
    clock = folder / "clock"
    if kind == "simulated" and not clock.exists():
        now = datetime.now(UTC)
        ClockFile(clock).append(start - now, now)
    write_atomically(kept, f"{kind}\n", 0o644)
    return clock if kind == "simulated" else None
