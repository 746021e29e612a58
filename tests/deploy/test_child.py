"""A child process is known on disk, from before it starts until it is gone."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from deploy.embedded.child import MARK, Child, Command, Intent, Record, end_recorded, is_there
from deploy.embedded.ports import HIGHEST, LOWEST, PortBook, free_port, is_free
from tests.parts import until

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)",
]
FAMILY = [
    sys.executable,
    "-c",
    """if True:
    import subprocess, sys, time
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print(child.pid, flush=True)
    time.sleep(600)""",
]


def a_child(folder: Path, arguments: list[str] = SLEEP, environment: dict[str, str | None] | None = None) -> Child:
    command = Command(arguments, log=folder / "child.log", environment=environment or {})
    return Child(command, folder / "child.pid")


async def printed(folder: Path) -> str:
    log = folder / "child.log"
    return await until(lambda: log.read_text().strip() if log.exists() else "")


async def test_a_child_that_ignores_the_request_to_end_is_killed(tmp_path: Path) -> None:
    child = a_child(tmp_path, STUBBORN)
    child.start()
    await printed(tmp_path)
    await child.stop(grace_seconds=0.2)
    assert not child.alive
    assert not (tmp_path / "child.pid").exists()


async def test_grandchildren_end_with_the_child(tmp_path: Path) -> None:
    child = a_child(tmp_path, FAMILY)
    child.start()
    grandchild = psutil.Process(int(await printed(tmp_path)))
    await child.kill()
    await until(lambda: not is_there(grandchild))


async def test_a_recorded_child_is_ended_by_somebody_who_reads_the_record(tmp_path: Path) -> None:
    child = a_child(tmp_path)
    child.start()
    assert end_recorded(tmp_path / "child.pid")
    assert await child.ended() < 0
    assert not end_recorded(tmp_path / "child.pid")


async def test_a_supervisor_killed_before_it_wrote_the_number_leaves_enough_to_find_the_child(tmp_path: Path) -> None:
    record = tmp_path / "child.pid"
    Intent("a-mark-of-this-test").write(record)
    environment = {**os.environ, MARK: "a-mark-of-this-test"}
    process = subprocess.Popen(SLEEP, env=environment, start_new_session=True)  # noqa: ASYNC220 - returns at once
    await until(lambda: psutil.Process(process.pid).environ())  # empty for a moment while the program is loaded
    assert end_recorded(record)
    assert process.wait(10) < 0


async def test_a_record_of_another_start_or_command_finds_nobody(tmp_path: Path) -> None:
    child = a_child(tmp_path)
    pid = child.start()
    record = Record.of(pid)
    try:
        assert record.find() is not None
        assert Record(pid, record.started_at + 10, record.command).find() is None
        assert Record(pid, record.started_at, (*record.command, "--other")).find() is None
    finally:
        await child.kill()
    assert record.find() is None


async def test_a_variable_can_be_given_and_taken_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INHERITED", "1")
    show = [sys.executable, "-c", "import os; print(os.environ.get('INHERITED'), os.environ.get('GIVEN'))"]
    child = a_child(tmp_path, show, {"INHERITED": None, "GIVEN": "2"})
    child.start()
    assert await child.ended() == 0
    assert (tmp_path / "child.log").read_text().strip() == "None 2"
    await child.kill()


def test_ports_are_drawn_once_and_kept(tmp_path: Path) -> None:
    book = PortBook(tmp_path / "ports.json")
    drawn = {name: book.port(name) for name in ("ingest", "validate", "notify")}
    assert len(set(drawn.values())) == 3
    again = PortBook(tmp_path / "ports.json")
    assert {name: again.port(name) for name in drawn} == drawn


def test_drawn_ports_lie_below_those_of_outgoing_connections() -> None:
    assert all(LOWEST <= free_port() <= HIGHEST < 32_768 for _ in range(20))


def test_a_drawn_port_is_free_and_none_that_was_drawn_before() -> None:
    port = free_port()
    assert is_free(port)
    assert free_port(frozenset({port})) != port


async def test_the_command_line_is_on_record_as_soon_as_the_child_has_started(tmp_path: Path) -> None:
    for _ in range(20):  # read too early, it is empty now and then
        child = a_child(tmp_path)
        child.start()
        record = Record.read(tmp_path / "child.pid")
        await child.kill()
        assert record is not None
        assert list(record.command) == SLEEP
