"""The last look before a mail leaves."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.notify.domain.delivery import Delivery
from services.notify.domain.recheck import Untrue, recheck
from services.notify.domain.steps import passed_step, reminder_step, returned_step
from shared.events.deadlines import ClosedReason
from tests.builders.mailing import DUE, ID, a_delivery

NOW = datetime(2024, 6, 15, 2, tzinfo=UTC)
REMINDER = reminder_step(ID, 1, 3, datetime(2024, 6, 15, 1, tzinfo=UTC))
PASSED = passed_step(ID, 1, DUE)
RETURNED = returned_step(ID, 1, 1, UUID(int=7), NOW)
RECEIVED = a_delivery(received_version=1, received_at=NOW)


def test_a_reminder_of_what_is_awaited_is_true() -> None:
    assert recheck(REMINDER, a_delivery(), NOW) is None


@pytest.mark.parametrize(
    ("delivery", "now", "why"),
    [
        (RECEIVED, NOW, Untrue.RECEIVED),
        (a_delivery(met=True, received_version=1, received_at=NOW), NOW, Untrue.MET),
        (a_delivery(closed=ClosedReason.NIL), NOW, Untrue.CLOSED),
        (a_delivery(closed=ClosedReason.EXEMPTED), NOW, Untrue.CLOSED),
        (a_delivery(deadline_version=2, due_at=DUE + timedelta(days=3)), NOW, Untrue.REDATED),
        (a_delivery(), DUE, Untrue.DEADLINE_GONE),
    ],
)
def test_a_reminder_is_not_sent_once_it_is_untrue(delivery: Delivery, now: datetime, why: Untrue) -> None:
    assert recheck(REMINDER, delivery, now) is why


def test_a_passed_deadline_is_told_also_when_the_report_came_late() -> None:
    assert recheck(PASSED, a_delivery(), DUE + timedelta(minutes=1)) is None
    late = a_delivery(received_version=1, received_at=DUE + timedelta(minutes=1), met=True)
    assert recheck(PASSED, late, DUE + timedelta(minutes=2)) is None


def test_a_passed_deadline_is_not_told_after_a_new_date_or_an_exemption() -> None:
    assert recheck(PASSED, a_delivery(deadline_version=2), DUE) is Untrue.REDATED
    assert recheck(PASSED, a_delivery(closed=ClosedReason.EXEMPTED), DUE) is Untrue.CLOSED


def test_each_returned_judgement_is_told_whatever_came_after_it() -> None:
    for delivery in (a_delivery(), RECEIVED, a_delivery(met=True), a_delivery(closed=ClosedReason.SUPERSEDED)):
        assert recheck(RETURNED, delivery, NOW) is None
