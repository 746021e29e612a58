"""Topic `notifications`: who was told what, by contact id; no address travels here."""

from typing import ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.delivery_id import DeliveryId
from shared.events.base import EventData


class Notice(BaseModel):
    """One step of one delivery that a mail names."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    delivery_id: DeliveryId
    step: str = Field(description="`reminder:<days before>`, `passed`, `returned:<version>.<judgement>`")


class NotificationEvent(EventData):
    """What every notification event says."""

    message_id: str
    contact_id: str
    notices: tuple[Notice, ...] = Field(min_length=1)
    at: AwareDatetime


class NotificationSentV1(NotificationEvent):
    """The mail server took the mail."""

    ce_type: ClassVar[str] = "vn.lienthong.notification.sent.v1"


class NotificationFailedV1(NotificationEvent):
    """The mail server refused the mail for good."""

    ce_type: ClassVar[str] = "vn.lienthong.notification.failed.v1"

    reason: str


class NotificationSuppressedV1(NotificationEvent):
    """Nothing was sent, because it was no longer true at the moment of sending."""

    ce_type: ClassVar[str] = "vn.lienthong.notification.suppressed.v1"

    reason: str
