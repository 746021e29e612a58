"""How events change what notify knows of a delivery."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.notify.domain.delivery import Delivery, after_event
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
from shared.events.submissions import Channel, SubmissionReceivedV1
from tests.builders.mailing import DUE, ID, OPENED

NOON = datetime(2024, 6, 12, 5, tzinfo=UTC)
NEW_DATES = (
    DeadlineExtendedV1(delivery_id=ID, deadline_version=2, due_at=DUE + timedelta(days=5), reason="xin gia hạn"),
    DeadlineRedatedV1(delivery_id=ID, deadline_version=2, due_at=DUE + timedelta(days=5), reason="nghỉ lễ"),
    DeadlineReopenedV1(delivery_id=ID, deadline_version=2, due_at=DUE + timedelta(days=5), reason="cần bản mới"),
)


def opened(version: int = 1, due_at: datetime | None = DUE) -> DeadlineOpenedV1:
    return DeadlineOpenedV1(delivery_id=ID, deadline_version=version, due_at=due_at, due_rule="P+0:D18", release=1)


def met(version: int = 1) -> DeadlineMetV1:
    return DeadlineMetV1(
        delivery_id=ID, deadline_version=version, due_at=DUE, version=1, received_at=NOON, in_time=True
    )


def received(version: int = 1, at: datetime = NOON) -> SubmissionReceivedV1:
    plain: dict[str, Any] = {"delivery_id": ID, "package_id": UUID(int=7), "release": 1, "cells": ()}
    return SubmissionReceivedV1(**plain, version=version, received_at=at, channel=Channel.KAFKA)


def after(*events: EventData, start: Delivery | None = None) -> Delivery:
    delivery = start or Delivery(ID)
    for event in events:
        delivery = after_event(delivery, event, OPENED)
    return delivery


def test_an_opened_delivery_is_awaited() -> None:
    delivery = after(opened())
    assert delivery.opened
    assert delivery.awaited is True
    assert (delivery.due_at, delivery.waiting_from) == (DUE, OPENED)


def test_history_is_open_but_never_announced() -> None:
    history = after(opened(due_at=None))
    assert history.opened
    assert not history.announced
    assert not history.awaited


def test_a_receipt_read_before_its_opening_counts() -> None:
    """The topics are read side by side: `submissions` may be ahead of `deadlines`."""
    assert not after(received(), opened()).awaited
    assert not after(opened(), received()).awaited


@pytest.mark.parametrize("event", NEW_DATES, ids=lambda event: type(event).__name__)
def test_a_new_date_starts_the_ladder_again(event: DeadlineEvent) -> None:
    looked_at = Delivery(ID, 1, DUE, OPENED, reminded_through=NOON)
    delivery = after(event, start=looked_at)
    assert (delivery.deadline_version, delivery.due_at) == (2, DUE + timedelta(days=5))
    assert delivery.reminded_through is None


def test_an_extension_of_what_has_been_received_reminds_nobody() -> None:
    assert not after(opened(), received(), NEW_DATES[0]).awaited


def test_a_reopened_delivery_is_awaited_again_until_a_new_version_comes() -> None:
    before = after(opened(), received(at=OPENED - timedelta(days=1)), met())
    reopened = after(NEW_DATES[2], start=before)
    assert reopened.awaited is True
    assert not after(received(2), start=reopened).awaited


@pytest.mark.parametrize(
    "late", [opened(), met(), DeadlineClosedV1(delivery_id=ID, deadline_version=1, due_at=DUE, reason=ClosedReason.NIL)]
)
def test_an_event_of_an_older_date_changes_nothing(late: DeadlineEvent) -> None:
    """After a loss of the broker old events come again."""
    delivery = after(opened(), NEW_DATES[0])
    assert after(late, start=delivery) == delivery


def test_an_older_version_never_hides_a_newer_one() -> None:
    delivery = after(opened(), received(2, NOON + timedelta(days=1)), received(1, NOON))
    assert delivery.received_version == 2
    assert delivery.received_at == NOON + timedelta(days=1)


def test_closed_and_passed_are_remembered() -> None:
    closed = DeadlineClosedV1(delivery_id=ID, deadline_version=1, due_at=DUE, reason=ClosedReason.EXEMPTED)
    passed = DeadlinePassedV1(delivery_id=ID, deadline_version=1, due_at=DUE, state="open")
    delivery = after(opened(), passed, closed)
    assert delivery.closed is ClosedReason.EXEMPTED
    assert delivery.passed_version == 1
    assert not delivery.awaited
