from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.clock import ClockFile, RealClock, SimulatedClock, clock_from

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_an_offset_holds_from_its_instant_so_a_past_append_time_keeps_its_business_time(tmp_path: Path) -> None:
    clock = SimulatedClock(ClockFile(tmp_path / "clock"))
    clock.file.append(timedelta(days=-100), START)
    clock.file.append(timedelta(days=-90), START + timedelta(minutes=5))
    assert clock.business_at(START - timedelta(seconds=1)) == START - timedelta(seconds=1)
    assert clock.business_at(START) == START - timedelta(days=100)
    assert clock.business_at(START + timedelta(minutes=4)) == START + timedelta(minutes=4) - timedelta(days=100)
    assert clock.business_at(START + timedelta(minutes=5)) == START + timedelta(minutes=5) - timedelta(days=90)


def test_another_process_sees_a_new_line_and_not_half_of_one(tmp_path: Path) -> None:
    path = tmp_path / "clock"
    writer, reader = ClockFile(path), SimulatedClock(ClockFile(path))
    writer.append(timedelta(seconds=10), START)
    assert reader.business_at(START) == START + timedelta(seconds=10)
    with path.open("a") as file:
        file.write("2026-01-01T00:10:00+00:00 9")
    assert reader.business_at(START + timedelta(hours=1)) == START + timedelta(hours=1, seconds=10)
    with path.open("a") as file:
        file.write("9.5\n")
    assert reader.business_at(START + timedelta(hours=1)) == START + timedelta(hours=1, seconds=99.5)


def test_an_offset_cannot_start_before_the_last_one(tmp_path: Path) -> None:
    file = ClockFile(tmp_path / "clock")
    file.append(timedelta(0), START)
    with pytest.raises(ValueError, match="after the last one"):
        file.append(timedelta(1), START)


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=20).map(sorted))
def test_business_time_never_runs_back_while_offsets_only_grow(
    tmp_path_factory: pytest.TempPathFactory, offsets: list[int]
) -> None:
    file = ClockFile(tmp_path_factory.mktemp("clock") / "clock")
    for minute, offset in enumerate(offsets):
        file.append(timedelta(seconds=offset), START + timedelta(minutes=minute))
    clock = SimulatedClock(file)
    instants = [clock.business_at(START + timedelta(seconds=20 * step)) for step in range(3 * len(offsets) + 3)]
    assert instants == sorted(instants)


def test_business_time_may_not_move_unless_the_stack_is_simulated(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="LIENTHONG_SIMULATED"):
        clock_from(tmp_path / "clock", simulated=False)
    assert isinstance(clock_from(None, simulated=True), RealClock)
    assert isinstance(clock_from(tmp_path / "clock", simulated=True), SimulatedClock)
