"""Original files, write-once, named by the SHA-256 of their bytes; events refer to them by that name."""

import os
import tempfile
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Protocol

NAME_LENGTH = 64
_FOLDER_DIGITS = 2  # 256 folders: a country's originals of a year are then some thousands of files each


class ObjectStore(Protocol):
    """Keeps bytes for ever under their SHA-256."""

    def put(self, contents: Iterable[bytes]) -> list[str]:
        """Store each; return the names in order. They are on disk when it returns. Raises OSError."""
        ...

    def get(self, name: str) -> bytes | None:
        """Return the bytes of a name, None when there are none. Raises OSError, or ValueError for no name."""
        ...


class FolderStore:
    """A folder of files `ab/abcdef…`. Blocking: call it in a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, contents: Iterable[bytes]) -> list[str]:
        """Write each file beside its place and rename it, so that no half a file ever has a name."""
        names: list[str] = []
        touched: set[Path] = set()
        for content in contents:
            name = sha256(content).hexdigest()
            names.append(name)
            path = self._path(name)
            touched.add(path.parent)  # also of a file that is there: its writer may not have synced the folder yet
            if path.exists():
                continue
            if not path.parent.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                touched.add(self._folder)
            self._write(path, content)
        for folder in touched:
            _sync_folder(folder)
        return names

    def get(self, name: str) -> bytes | None:
        """Return the bytes of a name, None when there are none."""
        path = self._path(name)
        return path.read_bytes() if path.exists() else None

    def written_since(self, at: datetime) -> list[str]:
        """Return the names of what was written at or after a machine instant, in order."""
        if not self._folder.exists():
            return []
        return sorted(
            path.name
            for path in self._folder.glob(f"{'?' * _FOLDER_DIGITS}/{'?' * NAME_LENGTH}")
            if path.stat().st_mtime >= at.timestamp()
        )

    def _path(self, name: str) -> Path:
        if len(name) != NAME_LENGTH or not set(name) <= set("0123456789abcdef"):
            raise ValueError(f"{name!r} is no SHA-256 in hex")
        return self._folder / name[:_FOLDER_DIGITS] / name

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o440)
            Path(temporary).replace(path)
        finally:
            Path(temporary).unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make new names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
