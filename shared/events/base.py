"""What every event has in common: a frozen body with a CloudEvents type, and the envelope around it."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

TYPE_PREFIX = "vn.lienthong."
SOURCE_PREFIX = "urn:lienthong:"


class EventData(BaseModel):
    """The data of one event type. Frozen; ignores unknown fields, so that writers can move before readers.

    A released model is immutable: fields may be added with a default, never renamed, removed or retyped.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    ce_type: ClassVar[str]


DataT_co = TypeVar("DataT_co", bound=EventData, covariant=True)


@dataclass(frozen=True, slots=True)
class Event(Generic[DataT_co]):
    """A CloudEvent 1.0 with its decoded data.

    `unit` is the Kafka key (the reporting unit's code), `""` on topics that are not keyed by unit.
    `time` is business time; `correlation_id` is the package, `causation_id` the event that led to this one.
    """

    id: str
    source: str
    type: str
    time: datetime
    data: DataT_co
    unit: str = ""
    subject: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
