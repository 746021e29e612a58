"""Who owes what by when, and who is told: as the sample's tables say it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery, the last second in which it is in time, and the instant from which it may be sent."""

    delivery: str
    unit: str
    form: str
    due_at: datetime
    opens_at: datetime

    @property
    def ends_at(self) -> datetime:
        """The first instant that is too late: midnight."""
        return self.due_at + timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Contact:
    """A person of a unit. The responsible one hears of all its forms, a delegate of his own (none listed: all)."""

    id: str
    unit: str
    email: str
    responsible: bool
    forms: tuple[str, ...] = ()
    valid_from: date | None = None
    valid_until: date | None = None

    def hears_of(self, due: Due, day: date) -> bool:
        """Whether this person is told about a delivery on this day."""
        if self.unit != due.unit or (self.valid_from and day < self.valid_from):
            return False
        if self.valid_until and day > self.valid_until:
            return False
        return self.responsible or not self.forms or due.form in self.forms


@dataclass(frozen=True, slots=True)
class Reminder:
    """A reminder so many days before the deadline's day, at this time of the day."""

    days_before: int
    at: time

    @property
    def step(self) -> str:
        """Its name in a mail's header."""
        return f"reminder:{self.days_before}"


@dataclass(frozen=True)
class Timetable:
    """The deliveries that fall due, the people, and the steps of reminding. `zone` is that of the deadlines."""

    dues: Sequence[Due]
    contacts: Sequence[Contact]
    reminders: Sequence[Reminder]
    zone: ZoneInfo

    def reminder_at(self, due: Due, reminder: Reminder) -> datetime:
        """Return the instant at which a reminder fires."""
        day = due.due_at.astimezone(self.zone).date() - timedelta(days=reminder.days_before)
        return datetime.combine(day, reminder.at, self.zone)

    def instants(self) -> Mapping[datetime, frozenset[str]]:
        """Return, in order, the instants of reminders and deadlines, each with the deliveries that it is about."""
        instants: dict[datetime, set[str]] = defaultdict(set)
        for due in self.dues:
            for at in (due.due_at, *(self.reminder_at(due, reminder) for reminder in self.reminders)):
                instants[at].add(due.delivery)
        return {at: frozenset(instants[at]) for at in sorted(instants)}

    def told(self, due: Due, at: datetime) -> list[Contact]:
        """Return who is told about a delivery at an instant."""
        day = at.astimezone(self.zone).date()
        return [contact for contact in self.contacts if contact.hears_of(due, day)]
