"""Two clocks: business time (deadlines, receipt, mails) is machine time plus an offset; machine time never moves.

The offset comes from an append-only file of lines `<machine instant> <offset seconds>`. An offset holds from its
instant on, so every machine instant, also a past one, maps to one business instant.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """Tells both times."""

    def machine_now(self) -> datetime:
        """Return machine time, aware, in UTC."""
        ...

    def business_at(self, machine: datetime) -> datetime:
        """Return the business instant of a machine instant."""
        ...

    def now(self) -> datetime:
        """Return business time, aware, in UTC."""
        ...


class RealClock:
    """Business time is machine time."""

    def machine_now(self) -> datetime:
        """Return machine time, aware, in UTC."""
        return datetime.now(UTC)

    def business_at(self, machine: datetime) -> datetime:
        """Return the instant itself."""
        return machine

    def now(self) -> datetime:
        """Return machine time."""
        return self.machine_now()


@dataclass
class SimulatedClock:
    """Business time by the offsets in a file that `lienthong clock advance` appends to."""

    file: "ClockFile"

    def machine_now(self) -> datetime:
        """Return machine time, aware, in UTC."""
        return datetime.now(UTC)

    def business_at(self, machine: datetime) -> datetime:
        """Return the business instant of a machine instant; before the first line there is no offset."""
        return machine + self.file.offset_at(machine)

    def now(self) -> datetime:
        """Return business time, aware, in UTC."""
        return self.business_at(self.machine_now())


@dataclass
class ClockFile:
    """The append-only file; read again only when it has grown. An incomplete last line does not count yet."""

    path: Path
    _size: int = field(default=-1, init=False)
    _instants: list[datetime] = field(default_factory=list, init=False)
    _offsets: list[timedelta] = field(default_factory=list, init=False)

    def offset_at(self, machine: datetime) -> timedelta:
        """Return the offset that holds at a machine instant; raises ValueError when a line is malformed."""
        self._refresh()
        index = bisect_right(self._instants, machine) - 1
        return self._offsets[index] if index >= 0 else timedelta(0)

    def append(self, offset: timedelta, at: datetime) -> None:
        """Add an offset that holds from a machine instant; raises ValueError when it is not after the last one."""
        self._refresh()
        if self._instants and at <= self._instants[-1]:
            raise ValueError(f"an offset must start after the last one ({self._instants[-1].isoformat()})")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="ascii") as file:
            file.write(f"{at.astimezone(UTC).isoformat()} {offset.total_seconds():.6f}\n")

    def _refresh(self) -> None:
        size = self.path.stat().st_size if self.path.exists() else 0
        if size == self._size:
            return
        text = self.path.read_text(encoding="ascii") if size else ""
        self._instants, self._offsets = [], []
        for line in text[: text.rfind("\n") + 1].splitlines():
            instant, seconds = line.split()
            self._instants.append(datetime.fromisoformat(instant))
            self._offsets.append(timedelta(seconds=float(seconds)))
        self._size = size


def clock_from(path: Path | None, *, simulated: bool) -> Clock:
    """Return the clock that the settings ask for; raises ValueError for a clock file without `simulated`."""
    if path is None:
        return RealClock()
    if not simulated:
        raise ValueError("LIENTHONG_CLOCK is set without LIENTHONG_SIMULATED: business time may not move")
    return SimulatedClock(ClockFile(path))
