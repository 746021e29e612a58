"""Who will be mailed, when and why, if nothing changes until then."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from services.notify.domain.delivery import Delivery
from services.notify.domain.ladder import Policy, reminders
from services.notify.domain.recipients import recipients
from services.notify.domain.steps import Step, passed_step
from shared.events.catalogue import ContactV1


@dataclass(frozen=True, slots=True)
class Upcoming:
    """One step that lies ahead, and the contacts who will be told it."""

    step: Step
    due_at: datetime
    received: bool
    contacts: tuple[ContactV1, ...]


def upcoming(
    deliveries: Iterable[Delivery], policy: Policy, contacts: Iterable[ContactV1], now: datetime, until: datetime
) -> tuple[Upcoming, ...]:
    """Return the steps from `now` until `until`, earliest first.

    Reminders of what has not been received, and for each deadline the mail on the day passed: that one also comes to
    a report that was received, when no version of it turns out acceptable.
    """
    everybody = tuple(contacts)
    found = []
    for delivery in deliveries:
        if delivery.due_at is None or delivery.met or delivery.closed is not None:
            continue
        steps = list(reminders(delivery, policy)) if delivery.awaited else []
        if delivery.passed_version < delivery.deadline_version:
            steps.append(passed_step(delivery.id, delivery.deadline_version, delivery.due_at))
        found += [
            Upcoming(step, delivery.due_at, delivery.received, _told(step, everybody, policy.timezone))
            for step in steps
            if now <= step.at < until
        ]
    return tuple(sorted(found, key=lambda each: (each.step.at, each.step)))


def _told(step: Step, contacts: tuple[ContactV1, ...], timezone: str) -> tuple[ContactV1, ...]:
    day = step.at.astimezone(ZoneInfo(timezone)).date()
    return recipients(contacts, step.delivery.unit, step.delivery.form, day)
