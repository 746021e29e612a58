"""Fetch the broker's jars by the coordinates of `deploy/kafka/kafka-jars.lock`, and accept only the sums in it."""

import hashlib
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from deploy.embedded.errors import EmbeddedError

LOCK = Path(__file__).parent.parent / "kafka" / "kafka-jars.lock"
THREADS = 8  # all 46 jars then come in seconds; more would only press the repository
TRIES = 3  # a dropped connection must not end the first start of a newcomer
DOWNLOAD_TIMEOUT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the lock file: Maven coordinates and the SHA-256 of the jar, in hexadecimal."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Return the name in the cache; it bears the sum's beginning, so two locks can share a cache."""
        return f"{self.artifact}-{self.version}-{self.sha256[:12]}.jar"

    def __str__(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"


Download = Callable[[Jar, Path], Path]
"""Downloads one jar below a folder and returns where it lies; raises OSError or RuntimeError when it cannot."""


def read_lock(lock: Path = LOCK) -> list[Jar]:
    """Read a lock file: a line is `group:artifact:version sha256:<64 hex digits>`; `#` starts a comment line."""
    jars = []
    for number, line in enumerate(lock.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        coordinates, _, checksum = line.strip().partition(" sha256:")
        parts = coordinates.split(":")
        if len(parts) != 3 or len(checksum) != 64:
            raise EmbeddedError(vi=f"{lock}: dòng {number} không đọc được.", en=f"{lock}: line {number} is unreadable.")
        jars.append(Jar(group=parts[0], artifact=parts[1], version=parts[2], sha256=checksum))
    return jars


def cache_folder() -> Path:
    """Return the user's cache: `LIENTHONG_CACHE`, or `~/.cache/lienthong`."""
    return Path(os.environ.get("LIENTHONG_CACHE") or Path.home() / ".cache" / "lienthong").expanduser()


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def download_by_jgo(jar: Jar, folder: Path) -> Path:
    """Download one jar with jgo into a Maven repository layout below `folder`.

    Only single artifacts are asked for: jgo's own resolution picks other versions than Maven does.
    """
    from jgo.maven import MavenContext  # noqa: PLC0415 - heavy, and needed on the first start only

    logging.getLogger("jgo").setLevel(logging.ERROR)
    # An empty list of local repositories: what another tool left on the machine is no source of ours.
    context = MavenContext(repo_cache=folder, local_repos=[], timeout=DOWNLOAD_TIMEOUT_SECONDS)
    component = context.project(jar.group, jar.artifact).at_version(jar.version)
    return Path(component.artifact(packaging="jar").resolve())


def fetch_jars(
    lock: Path = LOCK,
    cache: Path | None = None,
    download: Download = download_by_jgo,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Return the paths of all jars of the lock, downloading those that the cache lacks or holds damaged.

    Sums are checked on every call. Several processes may fetch at once: each downloads below a name of its own and
    renames. `progress(done, total)` is called after each jar that had to be fetched.
    Raises EmbeddedError when a jar cannot be had, or its sum is not the lock's.
    """
    folder = (cache or cache_folder()) / "kafka-jars"
    folder.mkdir(parents=True, exist_ok=True)
    jars = read_lock(lock)
    with ThreadPoolExecutor(THREADS) as pool:
        good = list(pool.map(lambda jar: _is_good(folder / jar.file_name, jar), jars))
    missing = [jar for jar, is_there in zip(jars, good, strict=True) if not is_there]
    if missing:
        _fetch(missing, folder, download, progress or progress_line)
    return [folder / jar.file_name for jar in jars]


def progress_line(done: int, total: int) -> None:
    """Write one line that counts, on a terminal in place; elsewhere only its end."""
    text = f"Apache Kafka: {done}/{total} jar"
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{text}" + ("\n" if done == total else ""))
    elif done == total:
        sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _is_good(path: Path, jar: Jar) -> bool:
    return path.is_file() and sha256_of(path) == jar.sha256


def _fetch(jars: Sequence[Jar], folder: Path, download: Download, progress: Callable[[int, int], None]) -> None:
    work = Path(tempfile.mkdtemp(prefix=".fetch-", dir=folder))  # same file system, so that the rename is atomic
    try:
        with ThreadPoolExecutor(THREADS) as pool:
            waiting = [pool.submit(_fetch_one, jar, folder, work / str(n), download) for n, jar in enumerate(jars)]
            for done, future in enumerate(as_completed(waiting), start=1):
                try:
                    future.result()
                except EmbeddedError:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
                progress(done, len(jars))
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _fetch_one(jar: Jar, folder: Path, work: Path, download: Download) -> None:
    cause: Exception | None = None
    for _ in range(TRIES):
        try:
            path = download(jar, work)
        except (OSError, RuntimeError) as error:  # requests' errors are OSErrors; jgo raises RuntimeError for 404
            cause = error
            shutil.rmtree(work, ignore_errors=True)  # jgo takes a half-written file for a whole one
            continue
        found = sha256_of(path)
        if found != jar.sha256:
            raise EmbeddedError(
                vi=f"Tệp {jar} tải về không khớp mã kiểm tra SHA-256: cần {jar.sha256}, nhận được {found}. Tệp bị bỏ.",
                en=f"{jar} does not have the SHA-256 of the lock file: expected {jar.sha256}, got {found}. Dropped it.",
            )
        path.replace(folder / jar.file_name)
        return
    raise EmbeddedError(
        vi=f"Không tải được {jar} từ kho Maven Central sau {TRIES} lần thử: {cause}",
        en=f"Could not download {jar} from Maven Central in {TRIES} tries: {cause}",
    ) from cause
