"""A process that has lost a task it cannot do without says so, and ends."""

import asyncio
import signal
import subprocess
import sys
import textwrap

import pytest
import structlog

from shared.vital import VitalTasks
from tests.parts import until


class Losses:
    """Counts how often the process was asked to end."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


async def fail() -> None:
    raise ZeroDivisionError


async def return_at_once() -> None:
    return


async def run_for_ever() -> None:
    await asyncio.Event().wait()


async def cancelled_by_a_library() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


@pytest.mark.parametrize("work", [fail, return_at_once, cancelled_by_a_library])
async def test_a_vital_task_that_ends_takes_the_process_along(work: object) -> None:
    losses = Losses()
    tasks = VitalTasks(losses)
    assert callable(work)
    with structlog.testing.capture_logs() as lines:
        tasks.start("the heart", work())
        assert tasks.alive
        await until(lambda: losses.count == 1)
    assert not tasks.alive
    assert [(line["event"], line["log_level"], line["task"]) for line in lines] == [
        ("vital_task_ended", "critical", "the heart")
    ]


async def test_what_runs_once_may_be_done_but_not_fail() -> None:
    losses = Losses()
    tasks = VitalTasks(losses)
    await tasks.start("done", return_at_once(), once=True)
    await asyncio.sleep(0)
    assert (tasks.alive, losses.count) == (True, 0)
    tasks.start("failed", fail(), once=True)
    await until(lambda: losses.count == 1)
    assert not tasks.alive


async def test_at_the_end_tasks_may_end() -> None:
    losses = Losses()
    tasks = VitalTasks(losses)
    tasks.start("one", run_for_ever())
    tasks.expect_end()
    await tasks.cancel(5)
    assert (tasks.alive, losses.count) == (True, 0)


def test_a_real_process_ends_as_by_its_supervisor() -> None:
    """uvicorn closes the service in order, and the exit status is that of SIGTERM."""
    program = textwrap.dedent(
        """
        from contextlib import asynccontextmanager
        import uvicorn
        from fastapi import FastAPI
        from shared.vital import VitalTasks, end_process

        async def fail():
            raise ZeroDivisionError

        @asynccontextmanager
        async def lifespan(_):
            VitalTasks(end_process).start("the heart", fail())
            yield
            print("closed in order", flush=True)

        uvicorn.run(FastAPI(lifespan=lifespan), port=0, log_level="critical")
        """
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGTERM
    assert "closed in order" in done.stdout
