"""The options of `lienthong up`."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from deploy.embedded.addresses import for_asyncpg
from deploy.embedded.cli import up
from deploy.embedded.report import without_password

app = typer.Typer()
app.command()(up)


@pytest.mark.parametrize(
    ("start", "vi", "en"),
    [
        ("2024-06-10T08:00:00", "thêm múi giờ", "add the offset"),
        ("10/06/2024", "«10/06/2024» không phải thời điểm", "is no instant"),
    ],
)
def test_a_start_that_cannot_be_read_is_refused_in_both_languages(tmp_path: Path, start: str, vi: str, en: str) -> None:
    result = CliRunner().invoke(app, ["--data", str(tmp_path / "data"), "--start", start])
    assert result.exit_code == 2
    assert vi in result.output
    assert en in result.output
    assert not (tmp_path / "data").exists()


def test_the_addresses_of_real_servers_come_from_the_environment_too() -> None:
    text = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    for variable in ("LIENTHONG_BOOTSTRAP_SERVERS", "LIENTHONG_DATABASE_URL", "LIENTHONG_SMTP_URL"):
        assert variable in text


@pytest.mark.parametrize("url", ["postgresql://u:p@db/x", "postgres://u:p@db/x", "postgresql+asyncpg://u:p@db/x"])
def test_any_usual_database_address_is_taken(url: str) -> None:
    assert for_asyncpg(url) == "postgresql+asyncpg://u:p@db/x"


def test_a_password_is_not_shown_at_the_terminal() -> None:
    assert without_password("postgresql+asyncpg://u:secret@db:5/x") == "postgresql+asyncpg://u:…@db:5/x"
    assert without_password("smtp://mail:25") == "smtp://mail:25"
