"""A whole town to break things in: a stack over sockets, its agencies, one who reads the topics, and the books."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from demo.sample import Sample
from demo.stack import Addresses
from demo.topics import TopicReader
from deploy.embedded.ports import free_port
from deploy.embedded.service_part import ServicePart
from deploy.embedded.stack import DEFAULT_SAMPLE, PROJECT, Stack, Wiring
from shared.clock import ClockFile, SimulatedClock
from tests.parts import make_folder, remove_folder, until
from tests.system.agencies import Agencies, Package
from tests.system.books import imbalances, versions_judged

AT_ONCE = 4
JUDGEMENTS = "lienthong_validate_judgements_total{"
SETTLE_SECONDS_MAX = 90.0
CLOCK_LEAD = timedelta(seconds=1)
"""A new offset holds so much later, so that every process has read it by then."""


@dataclass
class Town:
    """A stack, all agencies of the sample, and one who reads the topics. The books go on over the module's tests."""

    stack: Stack
    sample: Sample
    agencies: Agencies
    reader: TopicReader
    client: httpx.AsyncClient

    async def send(
        self, sending: Sequence[Package], at: Mapping[int, Callable[[], Awaitable[object]]] | None = None
    ) -> None:
        """Send all packages, a few at once; before the package of a number `at` something else is done."""
        at = at or {}
        turn = asyncio.Semaphore(AT_ONCE)
        # The packages of one unit go one after the other, so that its versions have one order.
        by_unit: dict[str, list[int]] = defaultdict(list)
        for number, package in enumerate(sending):
            by_unit[package.unit].append(number)

        async def send_all(numbers: list[int]) -> None:
            for number in numbers:
                async with turn:
                    if number in at:
                        await at[number]()
                    await self.agencies.send(sending[number])

        await asyncio.gather(*(send_all(numbers) for numbers in by_unit.values()))

    @asynccontextmanager
    async def sending(self, packages: Sequence[Package]) -> AsyncIterator[asyncio.Task[None]]:
        """Send packages beside what is done inside; the task ends when all are acknowledged."""
        task = asyncio.create_task(self.send(packages))
        try:
            yield task
        except BaseException:
            task.cancel()
            raise

    def now(self) -> datetime:
        """Return business time."""
        return SimulatedClock(self._clock_file()).now()

    async def move_clock(self, to: datetime) -> None:
        """Let it be an instant (business time), also one that is gone; return when it is."""
        start = datetime.now(UTC) + CLOCK_LEAD
        self._clock_file().append(to - start, start)
        await asyncio.sleep((start - datetime.now(UTC)).total_seconds())

    async def watermark_is_past(self, instant: datetime, seconds: float = 30) -> None:
        """Wait until the least watermark is behind an instant (business time)."""
        await until(lambda: (self.reader.watermark() or instant) > instant, seconds)

    def _clock_file(self) -> ClockFile:
        return ClockFile(Path(self.stack.environment["LIENTHONG_CLOCK"] or ""))

    async def settle(self) -> None:
        """Wait until everything that was sent is judged and the books balance, or see that they do not."""
        wanted = sum(self.agencies.acknowledged.values())
        await until(lambda: self._judged_count() >= wanted, seconds=SETTLE_SECONDS_MAX)
        await self.stack.wait_ready()
        await until(lambda: not self.imbalances(), seconds=30)
        assert self.reader.failure is None

    def imbalances(self) -> list[str]:
        return imbalances(self.agencies.acknowledged, self.agencies.by_kafka, self.reader.facts())

    async def missing(self, name: str) -> frozenset[str]:
        """Return what a service says that it lacks; `http` when it does not answer."""
        part = self.stack.part(name)
        assert isinstance(part, ServicePart)
        return frozenset((await part.missing(self.client) or "").split(", ")) - {""}

    async def judged_by(self, url: str) -> float:
        """Return how many judgements a replica of validate has made."""
        lines = (await self.client.get(f"{url}/metrics")).text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(JUDGEMENTS))

    def _judged_count(self) -> int:
        judged = versions_judged(self.reader.facts())
        return sum(1 for delivery, _ in judged if delivery in self.agencies.acknowledged)


@asynccontextmanager
async def a_town(environment: Mapping[str, str] | None = None, *, smtp_url: str | None = None) -> AsyncIterator[Town]:
    """Start a town in a folder of its own; `environment` is added to that of its services."""
    folder = make_folder()
    sample = Sample.read(DEFAULT_SAMPLE)
    kafka_units = frozenset(code for code, unit in sample.units.items() if unit.kafka_door)
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in (environment or {}).items():
                patch.setenv(name, value)
            async with Stack(folder / "data", smtp_url=smtp_url) as stack, httpx.AsyncClient(timeout=30) as client:
                addresses = Addresses.read(stack.addresses_file)
                reader = TopicReader(addresses.bootstrap_servers, kafka_units)
                await until(lambda: not reader.missing_topics())
                reader.start()
                try:
                    yield Town(stack, sample, Agencies(addresses, kafka_units, client), reader, client)
                finally:
                    reader.stop()
    finally:
        remove_folder(folder)


@asynccontextmanager
async def a_second(
    service: str,
    town: Town,
    environment: Mapping[str, str] | None = None,
    command: Sequence[str] | None = None,
) -> AsyncIterator[ServicePart]:
    """Start another replica of a service, beside the one that the stack looks after."""
    port = free_port(frozenset(town.stack.service_ports.values()))
    replica = ServicePart(
        f"{service}-{port}",  # a name of its own: whoever is recorded under the same one is ended
        port=port,
        command=command or [*Wiring().lienthong, "serve", service],
        environment={**town.stack.environment, **(environment or {})},
        folder=town.stack.data,
        cwd=PROJECT,
    )
    await replica.start()

    async def ready() -> bool:
        return await replica.missing(town.client) is None

    try:
        await until(ready, seconds=60)
        yield replica
    finally:
        await replica.kill()
