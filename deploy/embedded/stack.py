"""The whole stack: parts and services as child processes, started in order, watched, restarted, stopped in order."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from deploy.embedded.addresses import Addresses, for_asyncpg
from deploy.embedded.child import Child, Command
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.files import tail
from deploy.embedded.folder import ClockKind, FolderLock, empty, end_orphans, settle_clock
from deploy.embedded.kafka import EmbeddedKafka
from deploy.embedded.part import Part
from deploy.embedded.ports import HOST, PortBook, becomes_free
from deploy.embedded.postgres import EmbeddedPostgres
from deploy.embedded.report import Report, Silence
from deploy.embedded.sample import Sample
from deploy.embedded.service_part import ServicePart
from deploy.embedded.smtp_part import EmbeddedSmtp

PROJECT = Path(__file__).parent.parent.parent
SERVICES = ("catalogue", "ingest", "validate", "notify")
DEFAULT_SAMPLE = PROJECT / "examples" / "khanh-hoa"
DEFAULT_START = datetime.fromisoformat("2024-06-10T07:00:00+07:00")

READY_SECONDS_MAX = 120.0
RESTART_SECONDS_MIN = 0.2
RESTART_SECONDS_MAX = 4.0  # a part that ends again and again is still restarted within 5 s
STABLE_SECONDS = 30.0  # a part that ran this long has its next restart at once
WITHDRAW_SECONDS = 10.0  # a single restart passes; addresses of a stack that is really down are withdrawn
PORT_SECONDS_MAX = 3.0
HEALTH_POLL_SECONDS = 0.25
ANNOUNCE_POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Wiring:
    """How the stack's own program is run; a test puts another one in its place.

    `replicas` names further processes, each with the service that it is one more of: `{"validate-2": "validate"}`.
    `environments` is what one process alone, by its name, finds in its environment besides. `fronts` are the ports of
    proxies that stand before the parts (kafka, postgres, smtp), which everything else then goes through.
    """

    lienthong: Sequence[str] = (sys.executable, "-m", "services.cli")
    services: Sequence[str] = SERVICES
    cwd: Path = PROJECT
    replicas: Mapping[str, str] = field(default_factory=dict)
    environments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    fronts: Mapping[str, int] = field(default_factory=dict)


class Stack:
    """`async with Stack(data=…) as stack:` gives a stack that is ready: see `stack.addresses`.

    `bootstrap_servers`, `database_url` and `smtp_url` put real servers in the place of the embedded ones. `start` is
    the business instant at which a new folder's simulated clock begins. `sample` is loaded into an empty catalogue.
    `begin_empty` removes what an earlier stack kept in the folder, once it is sure that none runs there.
    Raises EmbeddedError when the stack cannot be had.
    """

    def __init__(
        self,
        data: Path,
        *,
        clock: ClockKind = "simulated",
        start: datetime = DEFAULT_START,
        bootstrap_servers: str | None = None,
        database_url: str | None = None,
        smtp_url: str | None = None,
        sample: Path = DEFAULT_SAMPLE,
        begin_empty: bool = False,
        wiring: Wiring | None = None,
        report: Report | None = None,
    ) -> None:
        self.data = data.absolute()
        self.addresses_file = self.data / "addresses.json"
        self.services: list[ServicePart] = []
        self.parts: list[Part] = []
        self._clock_kind = clock
        self._clock_start = start
        self._bootstrap_servers = bootstrap_servers
        self._database_url = for_asyncpg(database_url) if database_url else None
        self._smtp_url = smtp_url
        self._mailbox_url: str | None = None
        self._sample_folder = sample.absolute()
        self._wiring = wiring or Wiring()
        self._report = report or Silence()
        self._begin_empty = begin_empty
        self._lock = FolderLock(self.data)
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._down: set[str] = set()  # ended and not yet started again; parts are back once they answer
        self._announcer: asyncio.Task[None] | None = None
        self._client: httpx.AsyncClient | None = None
        self.addresses: Addresses
        self.service_ports: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start everything and return when all is ready and `addresses.json` is written."""
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock.take()
        try:
            self.addresses_file.unlink(missing_ok=True)
            orphans = await asyncio.to_thread(end_orphans, self.data)
            if orphans:
                listed = ", ".join(orphans)
                self._report.warn(f"Đã dừng tiến trình cũ: {listed}", f"ended what an earlier run left: {listed}")
            if self._begin_empty:
                await asyncio.to_thread(empty, self.data)
            clock = settle_clock(self.data, self._clock_kind, self._clock_start)
            self._client = httpx.AsyncClient(trust_env=False)
            await self._start_parts()
            await self._start_services(clock)
            await self._fill()
        except BaseException:
            await self.stop()
            raise
        self._announcer = asyncio.create_task(self._announce())

    async def stop(self) -> None:
        """Stop services, then mail, broker and database; raises what a watcher failed of."""
        tasks = [task for task in (self._announcer, *self._watchers.values()) if task is not None]
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        self._announcer, self._watchers = None, {}
        self.addresses_file.unlink(missing_ok=True)
        await asyncio.gather(*(service.stop() for service in self.services))
        for part in reversed(self.parts):
            await part.stop()
        self.services, self.parts = [], []
        if self._client is not None:
            await self._client.aclose()
        self._lock.release()
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def kill_all(self) -> None:
        """Kill every process at once (the second Ctrl-C)."""
        await asyncio.gather(*(part.kill() for part in (*self.services, *self.parts)))

    async def failed(self) -> None:
        """Return only by raising: when a task that watches over the stack has failed."""
        tasks = [task for task in (self._announcer, *self._watchers.values()) if task is not None]
        for task in asyncio.as_completed(tasks):
            await task

    @property
    def environment(self) -> Mapping[str, str | None]:
        """What the services find in their environment, for one more replica; None takes a variable away."""
        return self._environment

    def part(self, name: str) -> Part:
        """Return a part or service by name: kafka, postgres, smtp, catalogue, ingest, validate, notify."""
        for part in (*self.parts, *self.services):
            if part.name == name:
                return part
        raise KeyError(name)

    async def kill(self, name: str) -> int:
        """Kill one process (SIGKILL by its number) and return that number; the stack starts it again."""
        return await self._signal(name, signal.SIGKILL)

    async def restart(self, name: str) -> int:
        """Ask one process to end (SIGTERM) and return its number; the stack starts it again."""
        return await self._signal(name, signal.SIGTERM)

    async def hold(self, name: str) -> None:
        """Kill a part and keep it down until `let_go`."""
        watcher = self._watchers.pop(name)
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)
        await self.part(name).kill()

    async def let_go(self, name: str) -> None:
        """Start a part that is held down, and watch over it again."""
        await self.part(name).start()
        self._down.discard(name)
        self._watch(self.part(name))

    async def wait_ready(self, seconds: float = READY_SECONDS_MAX) -> None:
        """Wait until every service says that it is ready; raises EmbeddedError that names what is missing."""
        deadline = time.monotonic() + seconds
        while missing := await self._missing():
            if time.monotonic() > deadline:
                listed = "; ".join(f"{name}: {what}" for name, what in missing.items())
                log = "\n".join(f"--- {name}\n{tail(self._log(name))}" for name in missing)
                raise EmbeddedError(
                    vi=f"Chưa sẵn sàng sau {seconds:.0f} giây: {listed}",
                    en=f"Not ready after {seconds:.0f} seconds: {listed}\n{log}",
                )
            await asyncio.sleep(HEALTH_POLL_SECONDS)

    async def run(self, *arguments: str) -> None:
        """Run `lienthong` with arguments in the stack's environment; raises EmbeddedError when it fails."""
        name = "-".join(arguments[:2]) if arguments[0] in SERVICES else arguments[0]
        log = self._log(name)
        command = Command(
            [*self._wiring.lienthong, *arguments], log=log, cwd=self._wiring.cwd, environment=self._environment
        )
        child = Child(command, self.data / "run" / f"{name}.pid")
        child.start()
        try:
            code = await child.ended()
        finally:
            await child.kill()
        if code != 0:
            asked = "lienthong " + " ".join(arguments)
            raise EmbeddedError(
                vi=f"Lệnh `{asked}` không thành công (mã thoát {code}).",
                en=f"`{asked}` failed (exit code {code}). Its last output, from {log}:\n{tail(log)}",
            )

    async def _start_parts(self) -> None:
        """Start the parts that are not somebody else's, all at once; note each as soon as it may need stopping."""
        logs, fronts = self.data / "logs", self._wiring.fronts
        starting: list[Coroutine[Any, Any, None]] = []
        if self._database_url is None:
            postgres = EmbeddedPostgres(self.data / "postgres", log=logs / "postgres.log")
            self.parts.append(postgres)
            self._database_url = self._before(postgres.name, postgres.port, postgres.url)
            starting.append(self._start_part(postgres, "PostgreSQL"))
        if self._bootstrap_servers is None:
            kafka = EmbeddedKafka(self.data / "kafka", log=logs / "kafka.log", advertised_port=fronts.get("kafka"))
            self.parts.append(kafka)
            self._bootstrap_servers = self._before(kafka.name, kafka.port, kafka.bootstrap_servers)
            starting.append(self._start_part(kafka, "Apache Kafka"))
        if self._smtp_url is None:
            smtp = EmbeddedSmtp(self.data / "smtp", log=logs / "smtp.log")
            self.parts.append(smtp)
            self._smtp_url, self._mailbox_url = self._before(smtp.name, smtp.port, smtp.url), smtp.mailbox_url
            starting.append(self._start_part(smtp, "SMTP"))
        await _all(starting)

    def _before(self, part: str, port: int, address: str) -> str:
        """Return the address of a part, or that of the proxy that stands before it."""
        return address.replace(f":{port}", f":{self._wiring.fronts.get(part, port)}", 1)

    async def _start_part(self, part: Part, title: str) -> None:
        await part.start()
        self._report.say(title, "is up")
        self._watch(part)

    async def _start_services(self, clock: Path | None) -> None:
        book = PortBook(self.data / "ports.json")
        programs = {**{name: name for name in self._wiring.services}, **self._wiring.replicas}
        ports = {name: book.port(name) for name in programs}
        self.service_ports = ports
        urls = {name: f"http://{HOST}:{port}" for name, port in ports.items()}
        for name, port in ports.items():
            if not await becomes_free(port, PORT_SECONDS_MAX):
                raise EmbeddedError(
                    vi=f"Cổng {port} của {name} đang bị chương trình khác chiếm. Hãy dừng chương trình đó.",
                    en=f"Port {port} of {name} is taken by another program. Stop that program.",
                )
        (self.data / "objects").mkdir(exist_ok=True)
        self._environment: dict[str, str | None] = {
            "LIENTHONG_BOOTSTRAP_SERVERS": self._bootstrap_servers,
            "LIENTHONG_DATABASE_URL": self._database_url,
            "LIENTHONG_SMTP_URL": self._smtp_url,
            "LIENTHONG_OBJECTS": str(self.data / "objects"),
            "LIENTHONG_INGEST_URL": urls.get("ingest"),
            "LIENTHONG_CLOCK": str(clock) if clock is not None else None,
            "LIENTHONG_SIMULATED": "1" if clock is not None else None,
            "LIENTHONG_LOG_FORMAT": os.environ.get("LIENTHONG_LOG_FORMAT", "json"),
            "PYTHONUNBUFFERED": "1",
        }
        await self.run("migrate")
        self._report.say("Cơ sở dữ liệu đã cập nhật", "database schemas are up to date")
        for name, port in ports.items():
            command = [*self._wiring.lienthong, "serve", programs[name]]
            service = ServicePart(
                name,
                port=port,
                command=command,
                environment={**self._environment, **self._wiring.environments.get(name, {})},
                folder=self.data,
                cwd=self._wiring.cwd,
            )
            self.services.append(service)
            await service.start()
            self._watch(service)

    async def _fill(self) -> None:
        database_url = self._database_url or ""
        sample = Sample(self.data, self._sample_folder, database_url, self.run)
        if await sample.load():
            self._report.say("Đã nạp danh mục mẫu", "sample catalogue loaded, tokens issued")
        await self.wait_ready()
        self._report.say("Các dịch vụ đã sẵn sàng", "services are ready")
        urls = {service.name: service.url for service in self.services}
        if await sample.send_history(urls.get("ingest", "")):
            self._report.say("Đã gửi số liệu các kỳ trước", "accepted history sent")
            await self.wait_ready()
        self.addresses = Addresses(
            bootstrap_servers=self._bootstrap_servers or "",
            database_url=database_url,
            ingest=urls.get("ingest", ""),
            validate=urls.get("validate", ""),
            notify=urls.get("notify", ""),
            catalogue=urls.get("catalogue", ""),
            mailbox=self._mailbox_url,
            smtp=self._smtp_url or "",
            tokens=str(sample.tokens) if sample.tokens is not None else None,
        )
        self.addresses.write(self.addresses_file)

    def _watch(self, part: Part) -> None:
        self._watchers[part.name] = asyncio.create_task(self._keep_alive(part), name=f"watch {part.name}")

    async def _keep_alive(self, part: Part) -> None:
        """Start a part again whenever it ends; the pause grows while it ends at once each time."""
        pause = RESTART_SECONDS_MIN
        while True:
            since = time.monotonic()
            code = await part.ended()
            self._down.add(part.name)
            if time.monotonic() - since > STABLE_SECONDS:
                pause = RESTART_SECONDS_MIN
            self._report.warn(f"{part.name} đã dừng (mã {code}), đang chạy lại", f"{part.name} ended, starting again")
            await asyncio.sleep(pause)
            pause = min(pause * 2, RESTART_SECONDS_MAX)
            try:
                await part.start()
                self._down.discard(part.name)
            except (EmbeddedError, OSError) as error:
                self._report.warn(f"{part.name} chưa chạy lại được", f"{part.name} did not start: {error}")

    async def _announce(self) -> None:
        """Keep `addresses.json` there while the stack is ready, and take it away while it is down for long."""
        unready_since: float | None = None
        while True:
            if not await self._missing():
                unready_since = None
                if not self.addresses_file.exists():
                    self.addresses.write(self.addresses_file)
            elif unready_since is None:
                unready_since = time.monotonic()
            elif time.monotonic() - unready_since > WITHDRAW_SECONDS:
                self.addresses_file.unlink(missing_ok=True)
            await asyncio.sleep(ANNOUNCE_POLL_SECONDS)

    async def _missing(self) -> dict[str, str]:
        if self._client is None:
            raise RuntimeError("the stack was not started")
        missing = {part.name: "process" for part in self.parts if not part.alive or part.name in self._down}
        client = self._client
        answers = await asyncio.gather(*(service.missing(client) for service in self.services))
        for service, what in zip(self.services, answers, strict=True):
            if what is not None:
                missing[service.name] = what
        return missing

    async def _signal(self, name: str, number: signal.Signals) -> int:
        part = self.part(name)
        pid = part.pid
        if pid is None:
            raise RuntimeError(f"{name} does not run")
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        while part.pid == pid:  # noqa: ASYNC110 - a process sets no event
            await asyncio.sleep(0.01)
        return pid

    def _log(self, name: str) -> Path:
        return self.data / "logs" / f"{name}.log"


async def _all(work: Sequence[Awaitable[None]]) -> None:
    """Await all, cancel the rest when one fails, and raise that one's error alone."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
