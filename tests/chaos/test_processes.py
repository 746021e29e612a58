"""Processes are broken by their number and record, and places by their files, whoever reaches them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from chaos.failpoints import Failpoints
from chaos.processes import Processes
from deploy.embedded.child import Record
from shared.failpoints import FAILPOINTS, VARIABLE, Action
from tests.parts import until

PLACE = FAILPOINTS[0]
REACHES = f"""
import asyncio
from shared.failpoints import reach
async def main():
    while True:
        await reach({PLACE!r})
        await asyncio.sleep(0.01)
asyncio.run(main())
"""


@pytest.fixture
def failpoints(tmp_path: Path) -> Failpoints:
    made = Failpoints(tmp_path / "failpoints")
    made.make()
    return made


@pytest.fixture
def process(tmp_path: Path, failpoints: Failpoints) -> Iterator[subprocess.Popen[bytes]]:
    """A process that the stack would call `ingest`."""
    environment = {**os.environ, **failpoints.environments()["ingest"]}
    with subprocess.Popen([sys.executable, "-c", REACHES], env=environment) as running:
        (tmp_path / "run").mkdir()
        Record.of(running.pid).write(tmp_path / "run" / "ingest.pid")
        yield running
        running.kill()


async def test_who_reaches_an_armed_place_is_killed(process: subprocess.Popen[bytes], failpoints: Failpoints) -> None:
    failpoints.arm("ingest", PLACE, Action.KILL)
    assert await until(process.poll) == -signal.SIGKILL
    assert failpoints.was_hit("ingest", PLACE)
    failpoints.disarm("ingest", PLACE)
    assert not failpoints.was_hit("ingest", PLACE)


async def test_a_place_that_is_armed_for_another_process_hurts_nobody(
    process: subprocess.Popen[bytes], failpoints: Failpoints
) -> None:
    failpoints.arm("ingest-2", PLACE, Action.KILL)
    with pytest.raises(TimeoutError):
        await until(process.poll, seconds=1)


async def test_a_stopped_process_stands_until_it_is_let_on(process: subprocess.Popen[bytes], tmp_path: Path) -> None:
    processes, seen = Processes(tmp_path), psutil.Process(process.pid)
    stopped = processes.stop("ingest")
    await until(lambda: seen.status() == psutil.STATUS_STOPPED)
    processes.let_on(stopped)
    await until(lambda: seen.status() != psutil.STATUS_STOPPED)
    processes.stop("ingest")
    processes.let_all_on()
    await until(lambda: seen.status() != psutil.STATUS_STOPPED)


async def test_a_number_that_belongs_to_somebody_else_by_now_is_left_alone(
    process: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    record = Record.of(process.pid)
    Record(record.pid, record.started_at - 100, record.command).write(tmp_path / "run" / "ingest.pid")
    assert Processes(tmp_path).kill("ingest") == 0
    assert process.poll() is None


def test_each_process_has_a_folder_of_its_own(failpoints: Failpoints) -> None:
    folders = [environment[VARIABLE] for environment in failpoints.environments().values()]
    assert len(set(folders)) == len(folders)
    assert all(Path(folder).is_dir() for folder in folders)
