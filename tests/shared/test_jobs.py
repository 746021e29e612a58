"""The runner of jobs: again and again, through a broken world, until stopped; a fault of ours ends the process."""

import asyncio
import uuid

import pytest
from prometheus_client import Counter

from shared.bus.retry import StoppedError
from shared.jobs import JobRunner
from shared.problems import UnavailableError
from tests.parts import until


@pytest.fixture
def failures() -> Counter:
    return Counter(f"test_{uuid.uuid4().hex}", "Runs of a job that a broken world ended", ["job"])


def failed(failures: Counter, job: str) -> float:
    return float(failures.labels(job)._value.get())


async def test_a_job_runs_again_and_again_until_stopped(failures: Counter) -> None:
    runs: list[int] = []

    async def job() -> None:
        runs.append(len(runs))

    runner = JobRunner(failures)
    runner.repeat("tick", job, 0.001)
    await until(lambda: len(runs) > 5)
    await runner.stop()
    count = len(runs)
    await asyncio.sleep(0.01)
    assert len(runs) == count
    assert runner.alive
    assert failed(failures, "tick") == 0


async def test_a_broken_world_is_waited_for_and_counted(failures: Counter) -> None:
    answers = iter([UnavailableError("away"), ConnectionRefusedError(), None])
    done = asyncio.Event()

    async def job() -> None:
        answer = next(answers, None)
        if answer is not None:
            raise answer
        done.set()

    runner = JobRunner(failures)
    runner.repeat("tick", job, 60)
    await asyncio.wait_for(done.wait(), 5)
    assert failed(failures, "tick") == 2
    assert runner.alive
    await runner.stop()


async def test_a_fault_of_ours_ends_the_process(failures: Counter) -> None:
    lost = asyncio.Event()

    async def job() -> None:
        raise ZeroDivisionError

    runner = JobRunner(failures, lost.set)
    runner.repeat("tick", job, 60)
    await asyncio.wait_for(lost.wait(), 5)
    assert not runner.alive
    await runner.stop()


async def test_a_job_waits_for_what_it_needs_and_stops_while_it_waits(failures: Counter) -> None:
    ready, ran = asyncio.Event(), asyncio.Event()

    async def job() -> None:
        ran.set()

    async def never() -> None:
        await asyncio.Event().wait()

    runner = JobRunner(failures)
    runner.repeat("after", job, 60, after=ready.wait)
    runner.once("never", job, after=never)
    await asyncio.sleep(0.01)
    assert not ran.is_set()
    ready.set()
    await asyncio.wait_for(ran.wait(), 5)
    await runner.stop(5)
    assert runner.alive


async def test_what_a_job_waits_for_may_not_fail_in_silence(failures: Counter) -> None:
    lost = asyncio.Event()

    async def fail() -> None:
        raise ZeroDivisionError

    runner = JobRunner(failures, lost.set)
    runner.repeat("tick", fail, 60, after=fail)
    await asyncio.wait_for(lost.wait(), 5)
    await runner.stop()


async def test_a_job_that_is_awaited_ends_with_the_service(failures: Counter) -> None:
    tried = asyncio.Event()

    async def job() -> None:
        tried.set()
        raise UnavailableError("away")

    runner = JobRunner(failures)
    waiting = asyncio.create_task(runner.until_done("publish", job))
    await tried.wait()
    await runner.stop()
    with pytest.raises(StoppedError):
        await waiting
