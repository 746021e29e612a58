"""The broker's jars: only the sums of the lock are accepted, and many may fetch at once."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.embedded.errors import EmbeddedError
from deploy.embedded.jars import LOCK, Jar, fetch_jars, read_lock

CONTENT = {"a": b"first jar", "b": b"second jar"}


def a_lock(folder: Path, content: dict[str, bytes] = CONTENT) -> Path:
    lock = folder / "jars.lock"
    lines = [f"org.example:{name}:1.0 sha256:{hashlib.sha256(data).hexdigest()}" for name, data in content.items()]
    lock.write_text("# two jars\n" + "\n".join(lines) + "\n")
    return lock


class Repository:
    """A repository in memory that counts its downloads."""

    def __init__(self, content: dict[str, bytes]) -> None:
        self.content = content
        self.asked: list[str] = []

    def download(self, jar: Jar, folder: Path) -> Path:
        self.asked.append(jar.artifact)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "download.jar"
        path.write_bytes(self.content[jar.artifact])
        return path


def quiet(done: int, total: int) -> None:
    pass


def test_the_lock_names_every_jar_of_the_broker_with_its_sum() -> None:
    jars = read_lock(LOCK)
    assert len(jars) == 46
    assert {"kafka_2.13", "kafka-clients", "log4j-slf4j-impl"} <= {jar.artifact for jar in jars}


def test_jars_are_fetched_once_and_then_come_from_the_cache(tmp_path: Path) -> None:
    repository = Repository(CONTENT)
    lock = a_lock(tmp_path)
    first = fetch_jars(lock, tmp_path / "cache", repository.download, quiet)
    again = fetch_jars(lock, tmp_path / "cache", repository.download, quiet)
    assert first == again
    assert [path.read_bytes() for path in first] == list(CONTENT.values())
    assert sorted(repository.asked) == ["a", "b"]


def test_a_jar_with_a_wrong_sum_is_refused_and_leaves_nothing_behind(tmp_path: Path) -> None:
    repository = Repository({**CONTENT, "b": b"not what was locked"})
    with pytest.raises(EmbeddedError, match=r"org\.example:b:1\.0 does not have the SHA-256") as caught:
        fetch_jars(a_lock(tmp_path), tmp_path / "cache", repository.download, quiet)
    assert "không khớp" in caught.value.vi
    assert not [path for path in (tmp_path / "cache" / "kafka-jars").iterdir() if path.name.startswith(("b-", "."))]


def test_a_cached_jar_that_was_damaged_is_fetched_again(tmp_path: Path) -> None:
    repository = Repository(CONTENT)
    lock = a_lock(tmp_path)
    damaged, _ = fetch_jars(lock, tmp_path / "cache", repository.download, quiet)
    damaged.write_bytes(b"half")
    fetch_jars(lock, tmp_path / "cache", repository.download, quiet)
    assert damaged.read_bytes() == CONTENT["a"]


def test_a_dropped_connection_is_tried_again(tmp_path: Path) -> None:
    repository = Repository(CONTENT)
    dropped: list[str] = []

    def flaky(jar: Jar, folder: Path) -> Path:
        if jar.artifact not in dropped:
            dropped.append(jar.artifact)
            raise ConnectionError("reset by peer")
        return repository.download(jar, folder)

    assert len(fetch_jars(a_lock(tmp_path), tmp_path / "cache", flaky, quiet)) == 2


def test_a_repository_that_is_away_is_said_in_both_languages(tmp_path: Path) -> None:
    def away(jar: Jar, folder: Path) -> Path:
        raise ConnectionError("no route to host")

    with pytest.raises(EmbeddedError, match="no route to host") as caught:
        fetch_jars(a_lock(tmp_path), tmp_path / "cache", away, quiet)
    assert "Không tải được" in caught.value.vi
    assert "Could not download" in caught.value.en


def test_many_may_fetch_at_once(tmp_path: Path) -> None:
    repository = Repository(CONTENT)
    lock = a_lock(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        fetches = [pool.submit(fetch_jars, lock, tmp_path / "cache", repository.download, quiet) for _ in range(4)]
        results = [fetch.result() for fetch in fetches]
    assert all(result == results[0] for result in results)
    assert [path.read_bytes() for path in results[0]] == list(CONTENT.values())
    assert len(list((tmp_path / "cache" / "kafka-jars").iterdir())) == 2
