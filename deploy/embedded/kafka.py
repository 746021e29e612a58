"""Apache Kafka, one node in KRaft mode, as a child process on a Java runtime and jars that need no installation."""

import asyncio
import base64
import contextlib
import logging
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.embedded.child import Child, Command, end_recorded
from deploy.embedded.errors import EmbeddedError, ended_early, not_ready
from deploy.embedded.files import tail
from deploy.embedded.jars import fetch_jars
from deploy.embedded.java import find_java
from deploy.embedded.ports import HOST, PortBook

START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 20.0
FORMAT_SECONDS_MAX = 60.0
POLL_SECONDS = 0.1
OFFSETS_PARTITIONS = 8  # a restart reads each of them before the groups in it work again
# Names that differ in one last, consecutive letter have consecutive hashes, so these groups, which nobody joins, lie
# one in each partition of the offsets topic.
PROBE_GROUPS = [f"lienthong.readiness.{chr(ord('a') + number)}" for number in range(OFFSETS_PARTITIONS)]
LOG4J = Path(__file__).parent.parent / "kafka" / "log4j2.properties"


class EmbeddedKafka:
    """A broker in a folder: `data` (its disk), `server.properties`, `ports.json`, `kafka.pid`, `kafka.log`.

    Ports stay the same across restarts. An empty folder is formatted with a fresh cluster id. `properties` are added
    to ours and win over them. `advertised_port` is that of a proxy, to which the broker sends its clients.
    """

    name = "kafka"

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        heap_mb: int = 256,
        properties: Mapping[str, str] | None = None,
        log: Path | None = None,
        *,
        advertised_port: int | None = None,
    ) -> None:
        self.folder = folder.resolve()
        book = PortBook(self.folder / "ports.json")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = book.port("broker", port)
        self._controller_port = book.port("controller")
        self._heap_mb = heap_mb
        self._properties = dict(properties or {})
        if advertised_port is not None:
            self._properties["advertised.listeners"] = f"PLAINTEXT://{HOST}:{advertised_port}"
        self._log = log or self.folder / "kafka.log"
        self._record = self.folder / "kafka.pid"
        self._child: Child | None = None

    @property
    def bootstrap_servers(self) -> str:
        """Return the address that clients are given."""
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Return the broker's process number while it runs."""
        return self._child.pid if self._child is not None else None

    @property
    def alive(self) -> bool:
        """Tell whether the broker's process runs; it need not answer yet."""
        return self._child is not None and self._child.alive

    async def start(self) -> None:
        """Start the broker and return once it answers, its group coordinator included.

        Downloads the jars when they are not there, ends an orphan of an earlier run, formats an empty folder.
        Raises EmbeddedError when there is no Java, no jar, or no answer within a minute.
        """
        java = find_java()
        jars = await asyncio.to_thread(fetch_jars)
        await asyncio.to_thread(end_recorded, self._record)
        properties = self._write_properties()
        if not (self.folder / "data" / "meta.properties").exists():
            await asyncio.to_thread(self._format, java, jars, properties)
        arguments = [*self._java(java, jars), f"-Xmx{self._heap_mb}m", "kafka.Kafka", str(properties)]
        self._child = Child(Command(arguments, log=self._log, cwd=self.folder), self._record)
        self._child.start()
        try:
            await self._wait_until_ready(self._child)
        except BaseException:  # also a cancelled start leaves no process behind
            await self._child.kill()
            raise

    async def stop(self) -> None:
        """Ask the broker to shut down, kill it after 20 s."""
        if self._child is not None:
            await self._child.stop(STOP_SECONDS_MAX)

    async def kill(self) -> None:
        """Kill the broker as a power cut would (SIGKILL)."""
        if self._child is not None:
            await self._child.kill()

    def wipe(self) -> None:
        """Remove the disk of a broker that does not run; the next start formats a new one, with another cluster id."""
        if self.alive:
            raise RuntimeError("the broker runs: kill it before its disk is taken away")
        shutil.rmtree(self.folder / "data")

    async def ended(self) -> int:
        """Wait until the broker's process ends; return its exit code."""
        if self._child is None:
            raise RuntimeError("the broker was not started")
        return await self._child.ended()

    def _java(self, java: Path, jars: Sequence[Path]) -> list[str]:
        # Serial collector and first compiler stage: one small node, where memory and a quick start count.
        return [
            str(java),
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            f"-Dlog4j2.configurationFile={LOG4J}",
            "-cp",
            os.pathsep.join(str(jar) for jar in jars),
        ]

    def _write_properties(self) -> Path:
        controller = f"{HOST}:{self._controller_port}"
        properties = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.bootstrap.servers": controller,
            "listeners": f"PLAINTEXT://{HOST}:{self.port},CONTROLLER://{controller}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self.folder / "data"),
            "auto.create.topics.enable": "false",
            "default.replication.factor": "1",
            "min.insync.replicas": "1",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": str(OFFSETS_PARTITIONS),
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            # After a kill the controller keeps the broker's old session this long before the new process may register.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            "log.cleaner.dedupe.buffer.size": "16777216",  # the default, 128 MB, is half of our heap
            **self._properties,
        }
        path = self.folder / "server.properties"
        path.write_text("".join(f"{key}={_escape(value)}\n" for key, value in properties.items()), encoding="utf-8")
        return path

    def _format(self, java: Path, jars: Sequence[Path], properties: Path) -> None:
        tool = ["kafka.tools.StorageTool", "format", "--standalone", "-t", _cluster_id(), "-c", str(properties)]
        done = subprocess.run(
            [*self._java(java, jars), *tool], capture_output=True, text=True, timeout=FORMAT_SECONDS_MAX, check=False
        )
        if done.returncode != 0:
            raise EmbeddedError(
                vi=f"Không định dạng được thư mục dữ liệu của Kafka: {self.folder}",
                en=f"Kafka's data folder {self.folder} could not be formatted:\n{done.stdout}{done.stderr}",
            )

    async def _wait_until_ready(self, child: Child) -> None:
        deadline = time.monotonic() + START_SECONDS_MAX
        with _quiet("aiokafka"):
            while not await self._answers():
                if child.exit_code is not None:
                    raise ended_early("Apache Kafka", child.exit_code, tail(self._log))
                if time.monotonic() > deadline:
                    raise not_ready("Apache Kafka", START_SECONDS_MAX, tail(self._log))
                await asyncio.sleep(POLL_SECONDS)

    async def _answers(self) -> bool:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap_servers, request_timeout_ms=5_000)
        try:
            await admin.start()
            await admin.describe_cluster()
            # The first request for a coordinator makes its topic; each partition answers once it has been loaded.
            # One group a request: aiokafka 0.14 misreads the second group of an answer.
            answers: list[Any] = [(await admin.describe_consumer_groups([group]))[0] for group in PROBE_GROUPS]
        except (KafkaError, OSError, TimeoutError):
            return False
        finally:
            with contextlib.suppress(KafkaError, OSError):
                await admin.close()
        return all(answer.groups[0][0] == 0 for answer in answers)  # a group's first field is its error code


@contextlib.contextmanager
def _quiet(logger: str) -> Iterator[None]:
    """Keep a library's log still while it is normal that a broker does not answer."""
    log = logging.getLogger(logger)
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)


def _cluster_id() -> str:
    """Draw a cluster id: a UUID in base64url, not beginning with `-`, which the tool would take for an option."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()).startswith("-"):
        pass
    return text


def _escape(value: str) -> str:
    """Escape a value of a Java properties file."""
    return value.replace("\\", "\\\\")
