"""The ladder of reminders before a deadline: which instants there are, and which one is to be told now."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Self
from zoneinfo import ZoneInfo

from services.notify.domain.delivery import Delivery
from services.notify.domain.steps import Step, reminder_step
from shared.events.catalogue import CalendarV1


@dataclass(frozen=True, slots=True)
class Policy:
    """When to remind: (days before the deadline's day, time of the day) in one time zone, each number of days once."""

    timezone: str
    rungs: tuple[tuple[int, time], ...] = ()

    @classmethod
    def of(cls, calendar: CalendarV1) -> Self:
        """Return the policy of a calendar; of two rungs with the same number of days the first one holds."""
        rungs: dict[int, time] = {}
        for rung in calendar.reminders:
            rungs.setdefault(rung.days_before, rung.at)
        return cls(calendar.timezone, tuple(sorted(rungs.items(), reverse=True)))

    @property
    def fingerprint(self) -> str:
        """A short text that changes when the policy does."""
        return " ".join([self.timezone, *(f"{days}@{at.isoformat()}" for days, at in self.rungs)])


def reminders(delivery: Delivery, policy: Policy) -> tuple[Step, ...]:
    """Return the reminders of the current deadline, earliest first.

    The instant is the deadline's local day minus so many days, at the rung's time. Instants that were gone when the
    date was set are left out, and those that are not before the deadline.
    """
    if delivery.due_at is None or delivery.waiting_from is None:
        return ()
    steps = (
        reminder_step(
            delivery.id, delivery.deadline_version, days, _instant(delivery.due_at, days, at, policy.timezone)
        )
        for days, at in policy.rungs
    )
    return _by_instant(step for step in steps if delivery.waiting_from < step.at < delivery.due_at)


def reminder_due(delivery: Delivery, policy: Policy, watermark: datetime) -> Step | None:
    """Return the reminder to tell now that everything received up to `watermark` is known, or None.

    After an outage only the latest overdue one is told, and none once the deadline itself is gone.
    """
    if not delivery.awaited or delivery.due_at is None or watermark >= delivery.due_at:
        return None
    overdue = [step for step in _ahead(delivery, policy) if step.at < watermark]
    return overdue[-1] if overdue else None


def next_reminder(delivery: Delivery, policy: Policy) -> Step | None:
    """Return the earliest reminder that has not been looked at yet, or None."""
    return next(iter(_ahead(delivery, policy)), None) if delivery.awaited else None


def _ahead(delivery: Delivery, policy: Policy) -> tuple[Step, ...]:
    through = delivery.reminded_through
    # A watermark at an instant is not past it, so that reminder still lies ahead.
    return tuple(step for step in reminders(delivery, policy) if through is None or step.at >= through)


def _instant(due_at: datetime, days_before: int, at: time, timezone: str) -> datetime:
    zone = ZoneInfo(timezone)
    day = due_at.astimezone(zone).date() - timedelta(days=days_before)
    return datetime.combine(day, at.replace(tzinfo=None), zone).astimezone(ZoneInfo("UTC"))


def _by_instant(steps: Iterable[Step]) -> tuple[Step, ...]:
    return tuple(sorted(steps, key=lambda step: step.at))
