"""What ingest knows of a delivery: whether it may be sent, by the deadline events."""

from dataclasses import dataclass, replace
from datetime import datetime

from shared.delivery_id import DeliveryId
from shared.events.deadlines import (
    ClosedReason,
    DeadlineClosedV1,
    DeadlineEvent,
    DeadlineExtendedV1,
    DeadlineOpenedV1,
    DeadlineRedatedV1,
    DeadlineReopenedV1,
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One expected report at the door. `closed` says why and `closed_at` when it was closed, None while it is open.

    `due_at` None is history: never late. `version` is the last version taken, 0 before the first.
    """

    id: DeliveryId
    opened_at: datetime
    due_at: datetime | None
    deadline_version: int
    closed: ClosedReason | None = None
    closed_at: datetime | None = None
    version: int = 0

    @property
    def open(self) -> bool:
        """Whether a report may be sent."""
        return self.closed is None


def moved(delivery: Delivery | None, event: DeadlineEvent, at: datetime) -> Delivery | None:
    """Return the delivery after a deadline event of business time `at`; None while it has not been opened.

    Passed and met close nothing: a late report is taken, and so is a correction. An event of an older date, which comes
    late when it is replayed, undoes nothing.
    """
    if delivery is not None and event.deadline_version < delivery.deadline_version:
        return delivery
    match event:
        case DeadlineOpenedV1() if delivery is None:
            return Delivery(event.delivery_id, at, event.due_at, event.deadline_version)
        case DeadlineClosedV1():
            delivery = delivery or Delivery(event.delivery_id, at, event.due_at, event.deadline_version)
            return replace(delivery, closed=event.reason, closed_at=at)
        case DeadlineReopenedV1():
            delivery = delivery or Delivery(event.delivery_id, at, event.due_at, event.deadline_version)
            return replace(
                delivery, closed=None, closed_at=None, due_at=event.due_at, deadline_version=event.deadline_version
            )
        case DeadlineOpenedV1() | DeadlineExtendedV1() | DeadlineRedatedV1() if delivery is not None:
            return replace(delivery, due_at=event.due_at, deadline_version=event.deadline_version)
        case _:
            return delivery
