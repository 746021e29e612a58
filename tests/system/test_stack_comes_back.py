"""`lienthong up` as a person runs it, with the real services and the sample: killed, started again, stopped.

Every part meets a SIGKILL: with the supervisor, or, as an orphan of it, at the next start.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import pytest_asyncio

from demo.sample import Sample
from demo.stack import Addresses
from demo.wire import encoded, package_json
from deploy.embedded.child import is_there
from deploy.embedded.stack import DEFAULT_SAMPLE, DEFAULT_START, SERVICES
from tests.parts import until
from tests.system.agencies import Package, packages

pytestmark = pytest.mark.faults

UP_SECONDS_MAX = 240.0  # on a machine that does much else, too
STOP_SECONDS_MAX = 30.0
PARTS = ("kafka", "postgres", "smtp")


class Up:
    """One run of `lienthong up` in a data folder."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.addresses_file = data / "addresses.json"
        self.addresses_file.unlink(missing_ok=True)  # a killed stack leaves it: the next one writes its own
        with (data.parent / "up.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services.cli", "up", "--data", str(data)], stdout=log, stderr=log
            )

    async def ready(self) -> dict[str, Any]:
        """Wait until it is up; return what `addresses.json` says."""

        def written() -> bool:
            assert self.process.poll() is None, (self.data.parent / "up.log").read_text("utf-8")
            return self.addresses_file.exists()

        await until(written, UP_SECONDS_MAX)
        found: dict[str, Any] = json.loads(self.addresses_file.read_text("utf-8"))
        return found

    def family(self) -> list[psutil.Process]:
        """Return all processes below the supervisor."""
        found: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return found

    def recorded(self) -> set[int]:
        """Return the numbers of the parts and services that the folder names."""
        files = [*self.data.glob("run/*.pid"), *(self.data / part / f"{part}.pid" for part in PARTS)]
        return {json.loads(path.read_text("utf-8"))["pid"] for path in files if path.exists()}

    def kill(self) -> None:
        """Kill the supervisor alone."""
        self.process.kill()
        self.process.wait()


@pytest_asyncio.fixture
async def up(own_folder: Path) -> AsyncIterator[Callable[[], Up]]:
    """Starts `lienthong up` on one folder, again and again; what a failed test leaves is ended with the folder."""
    runs: list[Up] = []

    def start() -> Up:
        runs.append(Up(own_folder / "data"))
        return runs[-1]

    yield start
    for run in runs:
        if run.process.poll() is None:
            run.kill()


async def posted(addresses: Addresses, package: Package) -> str:
    """Post a package and return the path at which its verdict is read."""
    async with httpx.AsyncClient() as client:
        answer = await client.post(
            f"{addresses.services['ingest']}/v1/packages",
            content=encoded(package_json(package.body, numbers=False)),
            headers={**bearer(addresses, package.unit), "Content-Type": "application/json"},
        )
    assert answer.status_code == 202, answer.text
    return f"/v1/packages/{answer.json()['package_id']}"


async def verdict_of(addresses: Addresses, unit: str, path: str) -> str | None:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{addresses.services['ingest']}{path}", headers=bearer(addresses, unit))
    assert answer.status_code == 200, answer.text
    verdict: str | None = answer.json().get("verdict")
    return verdict


async def releases(addresses: Addresses) -> dict[str, int]:
    """Return the catalogue release that each service has."""
    async with httpx.AsyncClient() as client:
        return {
            name: (await client.get(f"{addresses.services[name]}/health/ready")).json()["catalogue_release"]
            for name in SERVICES
        }


def bearer(addresses: Addresses, unit: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {addresses.unit_tokens[unit]}"}


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.timeout(900)
async def test_a_killed_stack_comes_back_with_all_it_had_and_stops_without_a_trace(up: Callable[[], Up]) -> None:
    first = up()
    written = await first.ready()
    addresses = Addresses.read(first.addresses_file)
    assert mode(first.addresses_file) == mode(Path(written["tokens"])) == 0o600
    package = packages(Sample.read(DEFAULT_SAMPLE), 1, open_at=DEFAULT_START)[0]
    path = await posted(addresses, package)
    assert await until(lambda: verdict_of(addresses, package.unit, path), 30) == "accepted"

    everything, recorded = first.family(), first.recorded()
    assert len(recorded) == len(PARTS) + len(SERVICES)
    orphans = [process for process in everything if process.pid in recorded][::2]
    first.kill()
    for process in everything:
        if process not in orphans and is_there(process):
            os.kill(process.pid, signal.SIGKILL)
    assert all(is_there(orphan) for orphan in orphans), "the control: a killed supervisor takes nobody along"
    second = up()
    assert await second.ready() == written, "the same addresses and tokens"
    assert not [process for process in everything if is_there(process)]
    assert await verdict_of(addresses, package.unit, path) == "accepted"
    assert await releases(addresses) == dict.fromkeys(SERVICES, 1), "the sample was not loaded again"

    everything = second.family()
    assert second.recorded() <= {process.pid for process in everything}
    second.process.send_signal(signal.SIGINT)
    assert await asyncio.to_thread(second.process.wait, STOP_SECONDS_MAX) == 0
    assert not [process for process in everything if is_there(process)]
    assert not second.recorded()
    assert not second.addresses_file.exists()
