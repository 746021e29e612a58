"""Which steps become one mail, and what names it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

from services.notify.domain.recipients import recipients
from services.notify.domain.steps import Kind, Step
from shared.events.catalogue import ContactV1
from shared.events.notifications import Notice

DELIVERIES_HEADER = "X-Lienthong-Deliveries"


@dataclass(frozen=True, slots=True)
class PlannedMail:
    """A mail to be queued: all steps of one occasion that one contact is told."""

    contact_id: str
    kind: Kind
    occasion: str
    steps: tuple[Step, ...]

    @property
    def notices(self) -> tuple[Notice, ...]:
        """The notices that it carries, sorted."""
        return tuple(Notice(delivery_id=step.delivery, step=step.name) for step in self.steps)


def plan_mails(steps: Iterable[Step], contacts: Sequence[ContactV1], timezone: str) -> tuple[PlannedMail, ...]:
    """Return the mails for these steps of one unit: one for each occasion and contact, each naming sorted steps.

    Recipients are those who are contacts on the step's local day.
    """
    zone = ZoneInfo(timezone)
    merged: dict[tuple[str, str], list[Step]] = defaultdict(list)
    for step in sorted(set(steps)):
        day = step.at.astimezone(zone).date()
        for contact in recipients(contacts, step.delivery.unit, step.delivery.form, day):
            merged[step.occasion, contact.id].append(step)
    return tuple(
        PlannedMail(contact_id, told[0].kind, occasion, tuple(told))
        for (occasion, contact_id), told in sorted(merged.items())
    )


def message_id(contact_id: str, notices: Iterable[Notice], domain: str) -> str:
    """Return the Message-ID of a mail: equal contact and notices give the same one, so a receiver sees a repetition."""
    named = sorted(f"{notice.delivery_id};step={notice.step}" for notice in notices)
    return f"<{uuid5(NAMESPACE_URL, ' '.join([contact_id, *named]))}@{domain}>"


def deliveries_header(notices: Iterable[Notice]) -> str:
    """Return the value of `X-Lienthong-Deliveries`: `<delivery id>;step=<step>, …`, ASCII, foldable after commas."""
    return ", ".join(f"{notice.delivery_id};step={notice.step}" for notice in notices)
