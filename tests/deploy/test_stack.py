"""The supervisor on stand-ins for the services: order, restarts, one stack a folder, nothing left behind."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import pytest_asyncio

from deploy.embedded.child import is_there
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.part import Part
from deploy.embedded.stack import SERVICES, Stack, Wiring
from shared.clock import ClockFile
from tests.parts import Broker, MailServer, until

FAKE = Wiring(lienthong=(sys.executable, "-m", "tests.deploy.fake_lienthong"))
START = datetime.fromisoformat("2024-06-10T08:00:00+07:00")
RESTART_SECONDS_MAX = 5.0

MakeStack = Callable[..., Stack]


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    (tmp_path / "sample" / "history").mkdir(parents=True)
    (tmp_path / "sample" / "units.csv").write_text("code\n")
    return tmp_path / "sample"


@pytest.fixture
def diary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    path = tmp_path / "diary"
    monkeypatch.setenv("FAKE_DIARY", str(path))
    return lambda: path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def servers(kafka: Broker, database_url: str, smtp: MailServer) -> dict[str, str]:
    """Servers that run already; the supervisor takes them as somebody else's."""
    return {"bootstrap_servers": kafka.bootstrap_servers, "database_url": database_url, "smtp_url": smtp.url}


@pytest_asyncio.fixture
async def a_stack(own_folder: Path, sample: Path, diary: object, servers: dict[str, str]) -> AsyncIterator[MakeStack]:
    """Makes stacks in one folder."""
    made = []

    def make(**options: Any) -> Stack:
        given = {**servers, "sample": sample, "wiring": FAKE}
        stack = Stack(own_folder / "data", **{**given, **options})
        made.append(stack)
        return stack

    yield make
    for stack in made:
        await stack.stop()


async def health(url: str) -> dict[str, Any]:
    async with httpx.AsyncClient() as client:
        answer: dict[str, Any] = (await client.get(f"{url}/health/ready")).json()
        return answer


async def pid_behind(url: str) -> int | None:
    try:
        return int((await health(url))["pid"])
    except httpx.HTTPError:
        return None


async def test_a_new_folder_is_set_up_in_order_and_its_addresses_written_last(
    a_stack: MakeStack, diary: Callable[[], list[str]]
) -> None:
    async with a_stack() as stack:
        written = json.loads(stack.addresses_file.read_text())
        assert sorted(written) == sorted([*SERVICES, "bootstrap_servers", "database_url", "mailbox", "smtp", "tokens"])
        assert stack.addresses_file.stat().st_mode & 0o777 == 0o600
        assert written["tokens"] == str(stack.data / "tokens.json")
        for name in SERVICES:
            assert await pid_behind(written[name]) == stack.part(name).pid
        steps = [line for line in diary() if not line.startswith("serve")]
        assert [" ".join(step.split()[:2]) for step in steps] == [
            "migrate",
            "catalogue load",
            "catalogue tokens",
            "ingest history",
        ]
        assert sorted(line for line in diary() if line.startswith("serve")) == sorted(f"serve {n}" for n in SERVICES)
    assert not stack.addresses_file.exists()


async def test_a_second_start_neither_loads_again_nor_moves(a_stack: MakeStack, diary: Callable[[], list[str]]) -> None:
    async with a_stack() as first:
        before = first.addresses
    count = len(diary())
    async with a_stack() as second:
        assert second.addresses == before
    assert sorted(line.split()[0] for line in diary()[count:]) == ["migrate", "serve", "serve", "serve", "serve"]


async def test_a_step_that_failed_is_taken_up_again_and_those_before_it_are_not(
    a_stack: MakeStack, diary: Callable[[], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails = tmp_path / "fails"
    fails.write_text("catalogue tokens")
    monkeypatch.setenv("FAKE_FAILS", str(fails))
    with pytest.raises(EmbeddedError, match="catalogue tokens") as caught:
        await a_stack().start()
    assert "không thành công" in caught.value.vi
    assert "asked to fail" in caught.value.en
    async with a_stack() as stack:
        assert stack.addresses.tokens is not None
    assert sum(line.startswith("catalogue load") for line in diary()) == 1
    assert sum(line.startswith("ingest history") for line in diary()) == 1


async def test_a_catalogue_that_is_somebody_elses_is_left_alone(
    a_stack: MakeStack, diary: Callable[[], list[str]], own_folder: Path
) -> None:
    async with a_stack():
        pass
    (own_folder / "data" / "setup.json").unlink()  # a new folder on a database with a catalogue in it
    (own_folder / "data" / "tokens.json").unlink()
    count = len(diary())
    async with a_stack() as stack:
        assert stack.addresses.tokens is None
    assert not [line for line in diary()[count:] if line.startswith(("catalogue", "ingest"))]


@pytest.mark.parametrize("name", ["ingest", "validate"])
async def test_a_killed_service_is_back_within_five_seconds_at_the_same_address(a_stack: MakeStack, name: str) -> None:
    async with a_stack() as stack:
        url = getattr(stack.addresses, name)
        killed = await stack.kill(name)
        began = time.monotonic()
        pid = await until(lambda: pid_behind(url), RESTART_SECONDS_MAX)
        assert pid != killed
        assert time.monotonic() - began < RESTART_SECONDS_MAX
        await stack.wait_ready(10)
        assert stack.addresses_file.exists()


async def test_a_service_that_is_held_down_stays_down_until_it_is_let_go(a_stack: MakeStack) -> None:
    """The negative control of the restart: with no watcher, the same wait runs out."""
    async with a_stack() as stack:
        await stack.hold("ingest")
        with pytest.raises(TimeoutError):
            await until(lambda: pid_behind(stack.addresses.ingest), seconds=1.5)
        await stack.let_go("ingest")
        assert await until(lambda: pid_behind(stack.addresses.ingest), RESTART_SECONDS_MAX)


async def test_a_stack_can_begin_empty_and_leaves_alone_what_others_keep_there(
    a_stack: MakeStack, diary: Callable[[], list[str]], own_folder: Path
) -> None:
    async with a_stack() as stack:
        (stack.data / "objects" / "old").write_text("old")
        (stack.data / "notes.txt").write_text("somebody's")
        with pytest.raises(EmbeddedError, match="in use"):  # never under a stack that runs
            await a_stack(begin_empty=True).start()
    async with a_stack(begin_empty=True) as stack:
        assert (stack.data / "notes.txt").read_text() == "somebody's"
        assert not (stack.data / "objects" / "old").exists()


async def test_a_port_that_another_program_took_is_named(a_stack: MakeStack) -> None:
    async with a_stack() as stack:
        port = stack.service_ports["ingest"]
    thief = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", port)
    try:
        with pytest.raises(EmbeddedError, match=f"Port {port} of ingest is taken"):
            await a_stack().start()
    finally:
        thief.close()


async def test_two_stacks_on_one_folder_are_refused_in_both_languages(a_stack: MakeStack) -> None:
    async with a_stack() as stack:
        with pytest.raises(EmbeddedError, match="in use by another lienthong") as caught:
            await a_stack().start()
        assert "đang được một lienthong khác dùng" in caught.value.vi
        assert stack.addresses_file.exists()
        assert await pid_behind(stack.addresses.ingest)


async def test_a_simulated_clock_begins_where_it_is_told_and_is_handed_to_the_services(a_stack: MakeStack) -> None:
    async with a_stack(start=START) as stack:
        clock = Path((await health(stack.addresses.ingest))["clock"])
        now = datetime.now(START.tzinfo)
        business = now + ClockFile(clock).offset_at(now)
        assert START <= business < START + timedelta(minutes=5)


async def test_a_real_clock_gives_the_services_no_clock_file(
    a_stack: MakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIENTHONG_CLOCK", "/left/by/somebody")
    async with a_stack(clock="real") as stack:
        assert (await health(stack.addresses.ingest))["clock"] is None


async def test_a_folder_keeps_its_kind_of_clock(a_stack: MakeStack) -> None:
    async with a_stack():
        pass
    with pytest.raises(EmbeddedError, match="began with --clock simulated"):
        await a_stack(clock="real").start()


PROGRAM = """
import asyncio, json, sys
from pathlib import Path
from rich.console import Console
from deploy.embedded.report import ConsoleReport
from deploy.embedded.part import Part
from deploy.embedded.stack import Stack, Wiring
from deploy.embedded.supervisor import supervise
data, sample, servers = sys.argv[1:]
report = ConsoleReport(Console())
wiring = Wiring(lienthong=(sys.executable, "-m", "tests.deploy.fake_lienthong"))
stack = Stack(Path(data), sample=Path(sample), wiring=wiring, report=report, **json.loads(servers))
asyncio.run(supervise(stack, report))
"""


def run_in_a_process(stack: Stack, sample: Path, servers: dict[str, str]) -> subprocess.Popen[bytes]:
    """Run the same stack from another process, as `lienthong up` does."""
    arguments = [str(stack.data), str(sample), json.dumps(servers)]
    return subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments], stdout=subprocess.PIPE)


def started_anew(part: Part, killed: int) -> bool:
    return part.pid not in (None, killed)


def records_left(stack: Stack) -> list[Path]:
    return list(stack.data.glob("*/*.pid"))


def children_of(stack: Stack) -> list[psutil.Process]:
    records = [json.loads(path.read_text()) for path in (stack.data / "run").glob("*.pid")]
    return [psutil.Process(record["pid"]) for record in records]


async def test_a_killed_supervisor_leaves_orphans_that_the_next_start_ends(
    a_stack: MakeStack, sample: Path, servers: dict[str, str]
) -> None:
    stack = a_stack()
    supervisor = run_in_a_process(stack, sample, servers)
    try:
        await until(stack.addresses_file.exists, seconds=30)
    finally:
        supervisor.kill()
        supervisor.communicate()
    orphans = children_of(stack)
    assert len(orphans) == len(SERVICES)
    assert all(is_there(orphan) for orphan in orphans)  # the control: without the next start they would stay
    await stack.start()
    assert not [orphan for orphan in orphans if is_there(orphan)]
    assert await pid_behind(stack.addresses.ingest) == stack.part("ingest").pid


async def test_all_parts_killed_at_once_come_back(a_stack: MakeStack) -> None:
    async with a_stack() as stack:
        killed = {name: stack.part(name).pid for name in SERVICES}
        for pid in killed.values():
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
        await until(lambda: all(stack.part(name).pid not in (None, pid) for name, pid in killed.items()), 5)
        await stack.wait_ready(20)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_the_stack_and_leaves_nothing(
    a_stack: MakeStack, sample: Path, servers: dict[str, str], number: signal.Signals
) -> None:
    stack = a_stack()
    supervisor = run_in_a_process(stack, sample, servers)
    await until(stack.addresses_file.exists, seconds=30)
    children = children_of(stack)
    supervisor.send_signal(number)
    output, _ = await asyncio.to_thread(supervisor.communicate, timeout=30)
    assert supervisor.returncode == 0
    assert "Đã dừng" in output.decode()
    assert not stack.addresses_file.exists()
    assert not [child for child in children if is_there(child)]
    assert not records_left(stack)


async def test_a_signal_while_starting_stops_what_had_started(
    a_stack: MakeStack, sample: Path, servers: dict[str, str]
) -> None:
    stack = a_stack()
    supervisor = run_in_a_process(stack, sample, servers)
    await until((stack.data / "run").exists, seconds=30)
    supervisor.send_signal(signal.SIGTERM)
    await asyncio.to_thread(supervisor.communicate, timeout=30)
    assert supervisor.returncode == 0
    assert not records_left(stack)


async def test_the_embedded_parts_come_back_too(own_folder: Path, sample: Path, diary: object) -> None:
    async with Stack(own_folder / "data", sample=sample, wiring=FAKE) as stack:
        assert stack.addresses.mailbox is not None
        for name in ("smtp", "postgres", "kafka"):
            part, killed = stack.part(name), await stack.kill(name)
            await until(partial(started_anew, part, killed), RESTART_SECONDS_MAX)
            await stack.wait_ready(20)
    assert not records_left(stack)
