"""What notify knows of one delivery (lần báo cáo), and how each event changes it."""

from dataclasses import dataclass, replace
from datetime import datetime

from shared.delivery_id import DeliveryId
from shared.events.base import EventData
from shared.events.deadlines import (
    ClosedReason,
    DeadlineClosedV1,
    DeadlineEvent,
    DeadlineExtendedV1,
    DeadlineMetV1,
    DeadlineOpenedV1,
    DeadlinePassedV1,
    DeadlineRedatedV1,
    DeadlineReopenedV1,
)
from shared.events.submissions import SubmissionReceivedV1

NOT_OPENED = 0
"""The deadline version of a delivery of which only a submission or a verdict has been read so far."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery as far as notify needs it. Instants are business time.

    `waiting_from` is when the current deadline was set: an earlier reminder was never owed. `reopened_at` is when a
    new version was asked for: what was received before does not count any more. `reminded_through` is the instant up to
    which the reminders of the current deadline were looked at.
    """

    id: DeliveryId
    deadline_version: int = NOT_OPENED
    due_at: datetime | None = None
    waiting_from: datetime | None = None
    reopened_at: datetime | None = None
    received_version: int = 0
    received_at: datetime | None = None
    met: bool = False
    closed: ClosedReason | None = None
    passed_version: int = 0
    reminded_through: datetime | None = None

    @property
    def opened(self) -> bool:
        """Whether its `deadline.opened` (or a later date) has been read."""
        return self.deadline_version > NOT_OPENED

    @property
    def announced(self) -> bool:
        """Whether it has a deadline at all; history has none and nobody is ever told of it."""
        return self.due_at is not None

    @property
    def received(self) -> bool:
        """Whether a version came that counts for the current deadline, whatever its verdict."""
        return self.received_at is not None and (self.reopened_at is None or self.received_at > self.reopened_at)

    @property
    def awaited(self) -> bool:
        """Whether its unit may still be reminded of it."""
        return self.announced and not self.received and not self.met and self.closed is None


def after_event(delivery: Delivery, event: EventData, at: datetime) -> Delivery:
    """Return the delivery as it is after an event of business time `at`.

    Deadline events of an older date than the known one change nothing: they come again after a loss of the broker.
    """
    if isinstance(event, SubmissionReceivedV1):
        return _after_receipt(delivery, event)
    if not isinstance(event, DeadlineEvent) or event.deadline_version < delivery.deadline_version:
        return delivery
    match event:
        case DeadlineReopenedV1():
            changed = replace(_dated(delivery, event, at), met=False, closed=None, reopened_at=at)
        case DeadlineOpenedV1() | DeadlineExtendedV1() | DeadlineRedatedV1():
            changed = _dated(delivery, event, at)
        case DeadlineMetV1():
            changed = replace(delivery, met=True)
        case DeadlineClosedV1():
            changed = replace(delivery, closed=event.reason)
        case DeadlinePassedV1():
            changed = replace(delivery, passed_version=event.deadline_version)
        case _:
            changed = delivery
    return changed


def _after_receipt(delivery: Delivery, event: SubmissionReceivedV1) -> Delivery:
    if event.version <= delivery.received_version:
        return delivery
    return replace(delivery, received_version=event.version, received_at=event.received_at)


def _dated(delivery: Delivery, event: DeadlineEvent, at: datetime) -> Delivery:
    return replace(
        delivery,
        deadline_version=event.deadline_version,
        due_at=event.due_at,
        waiting_from=at,
        reminded_through=None,
    )
