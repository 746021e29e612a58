"""Topic `deadlines`: the life of a delivery's deadline. Exactly one event a (delivery, deadline_version, type)."""

from enum import StrEnum
from typing import ClassVar

from pydantic import AwareDatetime, Field

from shared.delivery_id import DeliveryId
from shared.events.base import EventData


class DeadlineEvent(EventData):
    """What every deadline event says."""

    delivery_id: DeliveryId
    deadline_version: int = Field(ge=1, description="counts every new date of this delivery")
    due_at: AwareDatetime | None = Field(description="null: history, never announced and never late")


class DeadlineOpenedV1(DeadlineEvent):
    """The delivery may be sent from now on."""

    ce_type: ClassVar[str] = "vn.lienthong.deadline.opened.v1"

    due_rule: str
    release: int = Field(ge=1)


class DeadlinePassedV1(DeadlineEvent):
    """The deadline passed, the watermark too, and no acceptable version had been received."""

    ce_type: ClassVar[str] = "vn.lienthong.deadline.passed.v1"

    state: str = Field(description="state of the delivery at the deadline: open, returned or needs_explanation")


class DeadlineMetV1(DeadlineEvent):
    """The first acceptable version: in time or late by when that version was received."""

    ce_type: ClassVar[str] = "vn.lienthong.deadline.met.v1"

    version: int = Field(ge=1)
    received_at: AwareDatetime
    in_time: bool


class DeadlineExtendedV1(DeadlineEvent):
    """The office granted more time (gia hạn)."""

    ce_type: ClassVar[str] = "vn.lienthong.deadline.extended.v1"

    reason: str
    document_number: str | None = None


class DeadlineRedatedV1(DeadlineEvent):
    """The date moved because the calendar of holidays changed."""

    ce_type: ClassVar[str] = "vn.lienthong.deadline.redated.v1"

    reason: str


class DeadlineReopenedV1(DeadlineEvent):
    """A closed or met delivery wants a new version."""

    ce_type: ClassVar[str] = "vn.lienthong.deadline.reopened.v1"

    reason: str


class ClosedReason(StrEnum):
    """Why a delivery is closed without a report."""

    NIL = "closed_nil"
    EXEMPTED = "exempted"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"


class DeadlineClosedV1(DeadlineEvent):
    """No report is expected any more."""

    ce_type: ClassVar[str] = "vn.lienthong.deadline.closed.v1"

    reason: ClosedReason
