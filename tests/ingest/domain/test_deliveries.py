"""Which deliveries may be sent: by the deadline events, whatever their order of repetition."""

from datetime import UTC, datetime, timedelta
from typing import Any

from services.ingest.domain.deliveries import Delivery, moved
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
from tests.ingest.domain.packages import MONTH

AT = datetime(2024, 5, 19, tzinfo=UTC)
DUE = datetime(2024, 6, 18, 16, 59, 59, tzinfo=UTC)


def facts(due_at: datetime | None = DUE, version: int = 1) -> dict[str, Any]:
    return {"delivery_id": MONTH, "deadline_version": version, "due_at": due_at}


def after(*events: DeadlineEvent) -> Delivery | None:
    delivery = None
    for number, event in enumerate(events):
        delivery = moved(delivery, event, AT + timedelta(hours=number))
    return delivery


OPENED = DeadlineOpenedV1(**facts(), due_rule="P+0:D18", release=1)


def test_nothing_may_be_sent_before_it_is_opened() -> None:
    assert after(DeadlinePassedV1(**facts(), state="open")) is None
    assert after(DeadlineExtendedV1(**facts(), reason="…")) is None


def test_an_opened_delivery_may_be_sent_and_history_too() -> None:
    opened = after(OPENED)
    assert opened == Delivery(MONTH, AT, DUE, 1)
    assert opened.open
    history = after(DeadlineOpenedV1(**facts(None), due_rule="P+0:D18", release=1))
    assert history is not None
    assert history.open
    assert history.due_at is None


def test_late_and_corrected_reports_are_taken() -> None:
    passed = DeadlinePassedV1(**facts(), state="open")
    met = DeadlineMetV1(**facts(), version=1, received_at=DUE, in_time=True)
    for event in (passed, met):
        delivery = after(OPENED, event)
        assert delivery is not None
        assert delivery.open


def test_a_closed_delivery_may_not_be_sent_until_it_is_reopened() -> None:
    closed = DeadlineClosedV1(**facts(), reason=ClosedReason.SUPERSEDED)
    delivery = after(OPENED, closed)
    assert delivery is not None
    assert (delivery.open, delivery.closed, delivery.closed_at) == (
        False,
        ClosedReason.SUPERSEDED,
        AT + timedelta(hours=1),
    )
    later = DUE + timedelta(days=5)
    reopened = after(OPENED, closed, DeadlineReopenedV1(**facts(later, 2), reason="…"))
    assert reopened == Delivery(MONTH, AT, later, 2)


def test_a_new_date_is_kept() -> None:
    later = DUE + timedelta(days=5)
    for event in (DeadlineExtendedV1(**facts(later, 2), reason="…"), DeadlineRedatedV1(**facts(later, 2), reason="…")):
        delivery = after(OPENED, event)
        assert delivery is not None
        assert (delivery.due_at, delivery.deadline_version) == (later, 2)


def test_versions_survive_every_deadline_event() -> None:
    numbered = Delivery(MONTH, AT, DUE, 1, version=3)
    for event in (
        OPENED,
        DeadlineClosedV1(**facts(), reason=ClosedReason.NIL),
        DeadlineReopenedV1(**facts(DUE, 2), reason="…"),
        DeadlineExtendedV1(**facts(DUE, 2), reason="…"),
    ):
        delivery = moved(numbered, event, AT)
        assert delivery is not None
        assert delivery.version == 3
