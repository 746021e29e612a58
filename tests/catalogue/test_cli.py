"""The commands, as somebody types them; they write the database whether or not the service runs."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services.catalogue.cli import app
from tests.builders.catalogue_files import a_file, catalogue_files

ROOT = Path(__file__).parents[2]

Run = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in catalogue_files().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def run(catalogue_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in this process: a process of its own takes seconds to import everything."""
    monkeypatch.setenv("LIENTHONG_DATABASE_URL", catalogue_url)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_works_as_a_process_of_its_own(catalogue_url: str, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from services.catalogue.cli import app; app()", "load", str(folder)],
        cwd=ROOT,
        env={**os.environ, "LIENTHONG_DATABASE_URL": catalogue_url, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Release 1" in done.stdout


def test_loading_makes_a_release_and_loading_again_says_that_nothing_changed(run: Run, folder: Path) -> None:
    first = run("load", folder, "--note", "sample")
    assert first.exit_code == 0, first.stderr
    assert "Release 1" in first.stdout
    again = run("load", folder)
    assert (again.exit_code, again.stdout.splitlines()[-1]) == (0, "Nothing changed.")


def test_faults_are_listed_with_their_place_and_nothing_is_changed(run: Run, folder: Path) -> None:
    (folder / "obligations.csv").write_text(a_file("obligations").replace("P+0:D12", "D12"), encoding="utf-8")
    failed = run("load", folder)
    assert failed.exit_code == 1
    assert "obligations.csv:5 [due_rule]" in failed.stderr
    assert "nothing was changed" in failed.stderr
    (folder / "obligations.csv").write_text(a_file("obligations"), encoding="utf-8")
    assert "Release 1" in run("load", folder).stdout


def test_a_file_saved_in_another_encoding_is_explained(run: Run, folder: Path) -> None:
    (folder / "units.csv").write_bytes("code,name_vi\nX,Sở é\n".encode("utf-16"))
    failed = run("load", folder)
    assert failed.exit_code == 1
    assert "not UTF-8" in failed.stderr


def test_tokens_are_written_for_their_owner_alone_and_kept_on_the_next_run(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    run("load", folder)
    out = tmp_path / "secret" / "tokens.json"
    assert run("tokens", "--out", out).exit_code == 0
    assert out.stat().st_mode & 0o777 == 0o600
    tokens = json.loads(out.read_text("utf-8"))
    assert set(tokens["units"]) == {"CTK", "SO-A", "SO-B"}
    assert set(tokens["roles"]) == {"statistician", "leader", "operator"}
    assert "0 new" in run("tokens", "--out", out).stdout
    assert json.loads(out.read_text("utf-8")) == tokens
    revoked = run("token", "revoke", "--token", tokens["units"]["SO-A"])
    assert "1 tokens revoked" in revoked.stdout
    assert "1 new" in run("tokens", "--out", out).stdout
    assert json.loads(out.read_text("utf-8"))["units"]["SO-A"] != tokens["units"]["SO-A"]


def test_one_token_is_issued_and_printed_once(run: Run) -> None:
    issued = run("token", "issue", "--scope", "unit:SO-A", "--scope", "leader", "--subject", "Mai")
    assert issued.exit_code == 0
    assert len(issued.stdout.strip()) == 64
    assert run("token", "issue", "--scope", "king", "--subject", "Mai").exit_code == 2
    gone = run("token", "revoke", "--subject", "Mai")
    assert (gone.exit_code, run("token", "revoke", "--subject", "Mai").exit_code) == (0, 1)


def test_a_database_that_does_not_answer_is_said_in_one_line(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIENTHONG_DATABASE_URL", "postgresql+asyncpg://nobody@127.0.0.1:1/none")
    failed = run("load", folder)
    assert failed.exit_code == 1
    assert "The database cannot be used" in failed.stderr
    assert "Traceback" not in failed.stderr


@pytest.mark.parametrize(
    ("expires", "vi", "en"),
    [
        ("31/12/2025", "«31/12/2025» không phải thời điểm", "is no instant in ISO 8601"),
        ("2025-12-31T23:59:59", "thêm múi giờ", "add the offset from UTC"),
    ],
)
def test_an_expiry_that_cannot_be_read_is_told_in_both_languages(run: Run, expires: str, vi: str, en: str) -> None:
    refused = run("token", "issue", "--scope", "leader", "--subject", "x", "--expires", expires)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert vi in refused.stderr
    assert en in refused.stderr
