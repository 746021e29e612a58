"""Topics `dlq.<service>`: what could not be processed."""

from typing import ClassVar

from pydantic import AwareDatetime, Base64Bytes, Field

from shared.events.base import EventData


class DeadLetterV1(EventData):
    """A message that is stored apart: where it came from, why, and its bytes (base64)."""

    ce_type: ClassVar[str] = "vn.lienthong.dead_letter.v1"

    topic: str
    partition: int
    offset: int
    timestamp: AwareDatetime = Field(description="the message's Kafka timestamp")
    consumer_group: str
    reason: str = Field(description="a code: unreadable_header, not_json, invalid_data, handler_failed, …")
    detail: str
    sha256: str = Field(description="of the value")
    key: Base64Bytes | None = None
    value: Base64Bytes | None = None
    headers: tuple[tuple[str, Base64Bytes | None], ...] = ()
