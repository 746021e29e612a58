"""Where business time stands while the planter sends: between reminders and deadlines, never near one. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from demo.timetable import Due, Timetable

STAND_AFTER_MAX = timedelta(hours=9)  # a deadline at 23:59:59 is passed by the next morning


@dataclass(frozen=True, slots=True)
class Stand:
    """An instant of business time, and the reminders and deadlines that are passed on the way there."""

    number: int
    at: datetime
    passes: tuple[datetime, ...]


def stands(timetable: Timetable, start: datetime) -> list[Stand]:
    """Return the stands, the first one at the start.

    Each move passes as many instants as it can without passing two of the same delivery: there must be time to send
    between a reminder and its deadline.
    """
    instants = {at: about for at, about in timetable.instants().items() if at > start}
    groups: list[list[datetime]] = []
    about_so_far: frozenset[str] = frozenset()
    for at, about in instants.items():
        if not groups or about_so_far & about:
            groups.append([])
            about_so_far = frozenset()
        groups[-1].append(at)
        about_so_far |= about
    found = [Stand(0, start, ())]
    for number, group in enumerate(groups, 1):
        following = groups[number][0] if number < len(groups) else None
        after = STAND_AFTER_MAX if following is None else min(STAND_AFTER_MAX, (following - group[-1]) / 2)
        found.append(Stand(number, group[-1] + after, tuple(group)))
    return found


@dataclass(frozen=True, slots=True)
class Chances:
    """The stands at which a package may be sent: before its reminder, between reminder and deadline, too late."""

    unreminded: tuple[int, ...]
    reminded: tuple[int, ...]
    late: tuple[int, ...]

    @property
    def in_time(self) -> tuple[int, ...]:
        """All stands before the deadline."""
        return self.unreminded + self.reminded

    def after(self, stand: int) -> "Chances":
        """Return the chances that come later than a stand."""
        return self._where(lambda number: number > stand)

    def until(self, stand: int) -> "Chances":
        """Return the chances up to a stand, that one included."""
        return self._where(lambda number: number <= stand)

    def _where(self, holds: Callable[[int], bool]) -> "Chances":
        kept = (tuple(filter(holds, numbers)) for numbers in (self.unreminded, self.reminded, self.late))
        return Chances(*kept)


def chances(dues: Iterable[Due], timetable: Timetable, at: Sequence[Stand]) -> Chances:
    """Return when a package with these deliveries may be sent."""
    owed = list(dues)
    opens_at = max(due.opens_at for due in owed)
    due_at = min(due.due_at for due in owed)
    first = min((timetable.reminder_at(due, step) for due in owed for step in timetable.reminders), default=due_at)
    open_stands = [stand for stand in at if stand.at >= opens_at]
    return Chances(
        tuple(stand.number for stand in open_stands if stand.at < first),
        tuple(stand.number for stand in open_stands if first <= stand.at < due_at),
        tuple(stand.number for stand in open_stands if stand.at > due_at),
    )
