"""Originals are written once, whole, and on disk before anybody hears of them."""

import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.objects import FolderStore


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=200), max_size=6))
def test_what_is_put_is_found_under_its_sha256(tmp_path: Path, contents: list[bytes]) -> None:
    store = FolderStore(tmp_path)
    names = store.put(contents)
    assert names == [sha256(content).hexdigest() for content in contents]
    assert [store.get(name) for name in names] == contents


def test_the_same_bytes_are_one_file_that_nobody_changes(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "new" / "folder")
    (name,) = store.put([b"figures"])
    (path,) = (each for each in tmp_path.rglob("*") if each.is_file())
    before = path.stat()
    assert store.put([b"figures", b"figures"]) == [name, name]
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == [path]
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert not stat.S_IMODE(before.st_mode) & 0o222


def test_many_writers_of_the_same_bytes_leave_one_whole_file(tmp_path: Path) -> None:
    store, content = FolderStore(tmp_path), b"x" * 100_000
    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(lambda _: store.put([content])[0], range(40)))
    assert len(names) == 1
    assert store.get(names.pop()) == content
    assert len([each for each in tmp_path.rglob("*") if each.is_file()]) == 1


def test_what_is_not_there_is_none_and_what_is_no_name_is_an_error(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    assert store.get("0" * 64) is None
    for name in ("", "../../etc/passwd", "0" * 63, "Z" * 64):
        with pytest.raises(ValueError, match="no SHA-256"):
            store.get(name)


Where = tuple[object, str]


class Crash(Exception):  # noqa: N818 -- not an error of ours
    """The power fails here."""


def fail_at(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
    def crash(*_: object, **__: object) -> None:
        raise Crash

    monkeypatch.setattr(owner, name, crash)


def named_after_a_crash(store: FolderStore, folder: Path, monkeypatch: pytest.MonkeyPatch, where: Where) -> list[Path]:
    """Return the files that have a name after the power failed in the middle of a write."""
    with monkeypatch.context() as broken:
        fail_at(broken, *where)
        with pytest.raises(Crash):
            store.put([b"whole"])
    return [each for each in folder.rglob("*") if each.is_file()]


@pytest.mark.parametrize("where", [(os, "fsync"), (Path, "replace"), (Path, "chmod")], ids=lambda where: where[1])
def test_no_half_a_file_ever_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: Where) -> None:
    store = FolderStore(tmp_path)
    assert named_after_a_crash(store, tmp_path, monkeypatch, where) == []
    (again,) = store.put([b"whole"])
    assert store.get(again) == b"whole"


class HastyStore(FolderStore):
    """Writes at the place itself."""

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        with path.open("wb", buffering=0) as file:
            file.write(content[: len(content) // 2])
            os.fsync(file.fileno())
            file.write(content[len(content) // 2 :])


def test_written_at_its_place_half_a_file_would_pass_for_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: without the temporary file and the renaming the check above goes red."""
    store = HastyStore(tmp_path)
    (half,) = named_after_a_crash(store, tmp_path, monkeypatch, (os, "fsync"))
    assert store.put([b"whole"]) == [half.name]
    assert store.get(half.name) != b"whole"


def watched(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Write down, in order, what is synced and what is renamed."""
    steps: list[str] = []
    sync, replace = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        steps.append("sync " + ("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"))
        sync(descriptor)

    def rename(path: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", rename)
    return lambda: steps


def test_bytes_then_name_then_folder_are_on_disk_before_put_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = watched(monkeypatch)
    FolderStore(tmp_path).put([b"figures"])
    assert steps() == ["sync file", "rename", "sync folder", "sync folder"]  # the folder is new: its parent too


def test_a_file_that_is_there_is_only_believed_with_its_folder_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its writer may be another process that has renamed it but not yet synced the folder."""
    FolderStore(tmp_path).put([b"figures"])
    steps = watched(monkeypatch)
    FolderStore(tmp_path).put([b"figures"])
    assert steps() == ["sync folder"]
