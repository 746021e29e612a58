"""`lienthong dlq`, as an operator types it: processes of their own, on ingest's database."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.cli import main
from shared.bus.replay import Replayer
from tests.builders.catalogue_files import UNIT
from tests.ingest.test_replay import answers, put_aside
from tests.ingest.world import Message, World, a_message

ROOT = Path(__file__).parent.parent.parent
NOWHERE = "postgresql+asyncpg://nobody@127.0.0.1:1/none"

Run = Callable[..., Result]


@pytest.fixture
def run(ingest_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in this process: one of its own takes two seconds to import. Not within a running loop."""
    monkeypatch.setenv("LIENTHONG_DATABASE_URL", ingest_url)
    return lambda *arguments: CliRunner().invoke(main, ["dlq", *map(str, arguments)])


def as_process(url: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", "dlq", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "LIENTHONG_DATABASE_URL": url, "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done


async def replay_marked(world: World) -> None:
    replayer = Replayer(world.units_of_work, world.app.state.bus.consumers)
    while await replayer.replay_next():
        pass


async def test_an_operator_finds_a_dead_letter_looks_at_it_and_has_it_replayed(world: World, ingest_url: str) -> None:
    record = await put_aside(world, a_message())
    listed = as_process(ingest_url, "list", "--service", "ingest", "--unit", UNIT)
    assert listed.returncode == 0
    assert f"agency.{UNIT}.submissions/0@{record.offset}" in listed.stdout
    assert "ZeroDivisionError: a bad release" in listed.stdout
    assert "1 thư chết · 1 dead letters" in listed.stdout
    shown = as_process(ingest_url, "show", "ingest", 1)
    assert shown.returncode == 0
    for expected in ("ce_id: m-1", '"document_number": "12/BC"', "lỗi của hệ thống", "handler failed", "put aside"):
        assert expected in shown.stdout
    asked = as_process(ingest_url, "replay", "ingest", 1)
    assert (asked.returncode, asked.stderr) == (0, "")
    assert "yêu cầu ingest phát lại 1 thư" in asked.stdout
    assert "ingest is asked to replay 1 dead letters: 1" in asked.stdout
    await replay_marked(world)
    assert await answers(world) == ["package.received"]
    again = as_process(ingest_url, "replay", "ingest", 1)
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout.strip() == "ingest 1: đã phát lại, đã xử lý · replayed and handled"
    assert await answers(world) == ["package.received"]
    assert as_process(ingest_url, "list", "--service", "ingest").stdout.strip() == "0 thư chết · 0 dead letters"


def test_without_a_database_it_says_so_and_nothing_else(tmp_path: Path) -> None:
    for arguments in (("list",), ("show", "ingest", 1), ("replay", "ingest", "--all")):
        failed = as_process(NOWHERE, *arguments)
        assert (failed.returncode, failed.stdout) == (1, "")
        assert "Không dùng được cơ sở dữ liệu" in failed.stderr
        assert "The database cannot be used" in failed.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "vi", "en"),
    [
        (("show", "ingest", 7), 1, "không có thư chết số 7", "has no dead letter 7"),
        (("replay", "ingest", 7), 1, "không có thư chết: 7", "has no such dead letters: 7"),
        (("replay", "ingest", "--all"), 1, "Không có thư chết nào", "no dead letter to replay"),
        (("replay", "ingest"), 2, "Cho số thư chết", "Give numbers"),
        (("replay", "ingest", "--all", "--unit", UNIT), 2, "riêng --all", "--all alone"),
        (("replay", "ingset", 1), 2, "Không có dịch vụ «ingset»", "no service “ingset”"),
        (("list", "--reason", "tired"), 2, "Không có lý do «tired»", "no reason “tired”"),
        (("list", "--since", "today"), 2, "«today» không phải thời điểm", "is no instant"),
        (("show", "ingest", 2**70), 1, "Không dùng được", "cannot be used"),
    ],
)
def test_what_cannot_be_done_is_told_in_both_languages(
    run: Run, arguments: tuple[str, ...], code: int, vi: str, en: str
) -> None:
    refused = run(*arguments)
    assert (refused.exit_code, refused.stdout) == (code, "")
    assert vi in refused.stderr
    assert en in refused.stderr


async def test_letters_are_replayed_by_reason_and_what_fails_again_is_told(
    world: World, run: Run, ingest_url: str
) -> None:
    torn = a_message()
    await world.publish(Message(torn.headers, b'{"\x1b[31m'))
    await put_aside(world, a_message(event_id="m-2"))
    assert "phát lại 1 thư: 1\n" in (await asyncio.to_thread(run, "replay", "ingest", "--reason", "not_json")).stdout
    await replay_marked(world)
    listed = (await asyncio.to_thread(run, "list", "--service", "ingest")).stdout
    assert "not_json" in listed
    assert "×2" in listed, "it failed twice"
    assert "\x1b" not in (await asyncio.to_thread(run, "show", "ingest", 1)).stdout, (
        "a sender does not colour the operator's terminal"
    )
    waited = await asyncio.to_thread(run, "replay", "ingest", 1, 2, "--wait", 0.3)
    assert waited.exit_code == 1, "no service runs here"
    assert "0/2 thư đã xong · 0/2 dead letters are done" in waited.stdout
    await replay_marked(world)
    assert "replayed and handled" in (await asyncio.to_thread(run, "list", "--service", "ingest", "--done")).stdout
