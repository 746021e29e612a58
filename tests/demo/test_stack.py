"""The stack is started in an emptied folder, watched, and always stopped."""

import os
import signal
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest

from demo import stack as module
from demo.stack import Addresses, Stack, StackError

PATIENCE_SECONDS = 20.0
UP = """
import json, pathlib, signal, sys, time
data = pathlib.Path(sys.argv[sys.argv.index("--data") + 1])
if sys.argv[1] == "clock":
    (data / "clock").write_text(sys.argv[-1])
    sys.exit(0)
(data / "arguments").write_text(" ".join(sys.argv[1:]))
def stop(*_):
    (data / "stopped").touch()
    sys.exit(0)
signal.signal(signal.SIGINT, stop)
tokens = data / "tokens.json"
tokens.write_text(json.dumps({"units": {"A": "secret"}, "roles": {"statistician": "s"}}))
services = dict.fromkeys(("ingest", "validate", "notify", "catalogue", "mailbox"), "http://127.0.0.1:1/")
(data / "new").write_text(json.dumps({"bootstrap_servers": "b:1", "tokens": str(tokens), **services}))
(data / "new").rename(data / "addresses.json")
while True:
    time.sleep(0.05)
"""
DEAD = "import sys; print('no Java here'); sys.exit(3)"
STUBBORN = UP.replace("signal.signal(signal.SIGINT, stop)", "signal.signal(signal.SIGINT, signal.SIG_IGN)")


def command(script: str) -> Sequence[str]:
    return (sys.executable, "-c", script)


def ignore(_: float) -> None:
    """Nobody watches."""


def test_it_begins_empty_and_is_stopped_in_order(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "addresses.json").write_text("what a killed stack left")
    os.utime(data / "addresses.json", (0, 0))
    with Stack(data, command(UP)) as stack:
        addresses = stack.wait_until_up(ignore)
        assert (data / "arguments").read_text() == f"up --data {data} --empty"
        assert addresses == Addresses(
            "b:1",
            "http://127.0.0.1:1",
            dict.fromkeys(("catalogue", "ingest", "validate", "notify"), "http://127.0.0.1:1"),
            {"A": "secret"},
            {"statistician": "s"},
        )
        stack.advance_clock(datetime.fromisoformat("2024-06-12T09:00:00+07:00"))
        assert (data / "clock").read_text() == "2024-06-12T09:00:00+07:00"
    assert (data / "stopped").exists()


def test_it_is_stopped_also_when_something_breaks(tmp_path: Path) -> None:
    def play() -> None:
        with Stack(tmp_path / "data", command(UP)) as stack:
            stack.wait_until_up(ignore)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play()
    assert (tmp_path / "data" / "stopped").exists()


def test_a_stack_that_does_not_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"(?s)status 3.*no Java here"), Stack(tmp_path / "d", command(DEAD)) as stack:
        stack.wait_until_up(ignore)


def test_a_stack_that_does_not_stop_is_killed_and_that_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS_MAX", 0.3)
    monkeypatch.setattr(module, "KILL_SECONDS_MAX", 0.4)
    data = tmp_path / "data"
    with pytest.raises(StackError, match="process killed"), Stack(data, command(STUBBORN)) as stack:
        stack.wait_until_up(ignore)


def test_a_refused_move_of_the_clock_is_an_error(tmp_path: Path) -> None:
    refusing = UP.replace('(data / "clock").write_text(sys.argv[-1])\n    sys.exit(0)', 'sys.exit("real time")')
    with Stack(tmp_path / "data", command(refusing)) as stack:
        stack.wait_until_up(ignore)
        with pytest.raises(StackError, match="real time"):
            stack.advance_clock(datetime.fromisoformat("2024-06-12T09:00:00+07:00"))


def test_a_stack_that_is_kept_goes_on(tmp_path: Path) -> None:
    with Stack(tmp_path / "data", command(UP)) as stack:
        stack.wait_until_up(ignore)
        process = stack.hand_over()
    assert process is not None
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.wait(PATIENCE_SECONDS)
    assert (tmp_path / "data" / "stopped").exists()
