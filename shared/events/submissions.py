"""Topic `submissions`: what arrived for a delivery, and how far the doors have published."""

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.delivery_id import DeliveryId
from shared.events.base import EventData
from shared.events.cells import CellValue


class Channel(StrEnum):
    """The door that a package came through."""

    KAFKA = "kafka"
    HTTP_JSON = "http_json"
    HTTP_EXCEL = "http_excel"


class Explanation(BaseModel):
    """A unit's explanation (giải trình) of the warnings of one rule."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    rule: str = Field(min_length=1, max_length=128)
    text: str = Field(min_length=1, max_length=4000)


class SentAs(BaseModel):
    """What the sender called what came: source and id of its event with the offset in its topic, or `http` and its key.

    All null where a request had no idempotency key. By it the doors know again what comes twice, also after ingest's
    database had to be restored from a copy.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    source: str | None = None
    id: str | None = None
    offset: int | None = None


class SubmissionReceivedV1(EventData):
    """One arrival for one delivery. Lists every cell of the form, missing ones too."""

    ce_type: ClassVar[str] = "vn.lienthong.submission.received.v1"

    delivery_id: DeliveryId
    package_id: UUID
    version: int = Field(ge=1, description="counts from 1 within one delivery")
    received_at: AwareDatetime = Field(description="business time at the door; catalogue alone judges late or in time")
    release: int = Field(ge=1, description="catalogue release at receipt; validate waits for at least this one")
    channel: Channel
    document_number: str | None = None
    original: str | None = Field(default=None, description="SHA-256 of the original bytes in the object store")
    sent_as: SentAs | None = None
    cells: tuple[CellValue, ...]
    explanations: tuple[Explanation, ...] = ()


class SubmissionExplainedV1(EventData):
    """An explanation that came after a version was judged `needs_explanation`."""

    ce_type: ClassVar[str] = "vn.lienthong.submission.explained.v1"

    delivery_id: DeliveryId
    package_id: UUID
    version: int = Field(ge=1)
    explained_at: AwareDatetime
    explanations: tuple[Explanation, ...] = Field(min_length=1)
    original: str | None = Field(default=None, description="SHA-256 of the original bytes in the object store")
    sent_as: SentAs | None = None


class WatermarkV1(EventData):
    """Everything that any door received up to `at` has been published before this, on this partition."""

    ce_type: ClassVar[str] = "vn.lienthong.watermark.v1"

    at: AwareDatetime = Field(description="business time")
    after: str | None = Field(description="id of the last event before it on its partition; None when there is none")
