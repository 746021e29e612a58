"""`lienthong clock advance`, as somebody types it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from deploy.embedded.folder import settle_clock
from services.cli import main
from shared.clock import ClockFile

START = datetime(2024, 6, 10, tzinfo=UTC)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder, and nothing about a clock in the environment."""
    monkeypatch.delenv("LIENTHONG_CLOCK", raising=False)
    return tmp_path


def advance(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["clock", "advance", "--data", str(data), *arguments])


def business_time(data: Path) -> datetime:
    later = datetime.now(UTC) + timedelta(seconds=5)  # by then the new offset holds
    return later + ClockFile(data / "clock").offset_at(later)


def test_the_clock_moves_to_an_instant_or_by_hours(data: Path) -> None:
    settle_clock(data, "simulated", START)
    assert advance(data, "--to", "2024-06-18T23:59:59+07:00").exit_code == 0
    there = business_time(data)
    assert timedelta(0) <= there - datetime(2024, 6, 18, 16, 59, 59, tzinfo=UTC) < timedelta(minutes=1)


def test_the_clock_moves_by_hours(data: Path) -> None:
    settle_clock(data, "simulated", START)
    assert advance(data, "--by", "24").exit_code == 0
    assert timedelta(0) <= business_time(data) - START - timedelta(days=1) < timedelta(minutes=1)


def test_real_time_cannot_be_moved(data: Path) -> None:
    settle_clock(data, "real", START)
    refused = advance(data, "--by", "24")
    assert refused.exit_code == 1
    assert "hệ thống chạy theo giờ thật" in refused.stderr
    assert "this stack runs on real time" in refused.stderr
    assert not (data / "clock").exists()


@pytest.mark.parametrize(
    ("arguments", "vi", "en"),
    [
        (("--to", "18/06/2024"), "«18/06/2024» không phải thời điểm", "is no instant in ISO 8601"),
        (("--to", "2024-06-18T10:00:00"), "thêm múi giờ", "add the offset from UTC"),
        (("--by", "1e15"), "không đi được", "lead nowhere"),
        (("--by", "nan"), "không đi được", "lead nowhere"),
        ((), "Cho đúng một", "Give exactly one"),
    ],
)
def test_what_cannot_be_done_is_told_in_both_languages_and_moves_nothing(
    data: Path, arguments: tuple[str, ...], vi: str, en: str
) -> None:
    settle_clock(data, "simulated", START)
    before = (data / "clock").read_bytes()
    refused = advance(data, *arguments)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert vi in refused.stderr
    assert en in refused.stderr
    assert (data / "clock").read_bytes() == before
