"""A process that reaches an armed place breaks there; one that does not arm anything pays nothing."""

import asyncio
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from shared.failpoints import FAILPOINTS, HIT, VARIABLE, Action
from tests.parts import until

PROJECT = Path(__file__).parent.parent.parent
REACH = 'import asyncio\nfrom shared.failpoints import reach\nasyncio.run(reach("here"))\nprint("beyond")'


def reaching(folder: Path | None) -> subprocess.Popen[str]:
    """Start a process that reaches the place `here`, then prints a word."""
    environment = {} if folder is None else {VARIABLE: str(folder)}
    return subprocess.Popen(
        [sys.executable, "-c", REACH], env=environment, cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )


def test_a_process_that_reaches_a_place_armed_to_kill_is_killed_once(tmp_path: Path) -> None:
    (tmp_path / "here").write_text(Action.KILL)
    first = reaching(tmp_path)
    assert first.communicate()[0] == ""
    assert first.returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir()] == [f"here{HIT}"]
    second = reaching(tmp_path)
    assert second.communicate()[0] == "beyond\n"


async def test_a_process_that_is_frozen_or_held_at_a_place_goes_on_when_it_is_let_go(tmp_path: Path) -> None:
    (tmp_path / "here").write_text(Action.STOP)
    process = reaching(tmp_path)
    await until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
    process.send_signal(signal.SIGCONT)
    assert (await asyncio.to_thread(process.communicate))[0] == "beyond\n"
    (tmp_path / f"here{HIT}").unlink()
    (tmp_path / "here").write_text(Action.HOLD)
    process = reaching(tmp_path)
    await until((tmp_path / f"here{HIT}").exists)
    assert process.poll() is None
    (tmp_path / f"here{HIT}").unlink()
    assert (await asyncio.to_thread(process.communicate))[0] == "beyond\n"


@pytest.mark.parametrize("variable", ["unset", "set"])
def test_nothing_happens_where_nothing_is_armed(tmp_path: Path, variable: str) -> None:
    (tmp_path / "elsewhere").write_text(Action.KILL)
    process = reaching(tmp_path if variable == "set" else None)
    assert process.communicate()[0] == "beyond\n"
    assert (tmp_path / "elsewhere").exists()


def test_each_place_is_in_the_code_once_and_listed() -> None:
    code = "".join(
        path.read_text("utf-8") for folder in ("services", "shared") for path in (PROJECT / folder).rglob("*.py")
    )
    assert sorted(re.findall(r'await reach\("([a-z_.]+)"\)', code)) == sorted(FAILPOINTS)
