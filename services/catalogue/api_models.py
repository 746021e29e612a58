"""What the API answers and takes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from services.catalogue.domain.delivery import State
from shared.delivery_id import DeliveryId, Status

PAGE_MAX, PAGE = 1000, 100


def _whole_second(instant: datetime) -> datetime:
    return instant.replace(microsecond=0)


WholeSecond = Annotated[AwareDatetime, AfterValidator(_whole_second)]
"""A deadline names the last second in time."""


class DeliveryQuery(BaseModel):
    """Which deliveries to list; what is left out does not matter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: str | None = None
    form: str | None = None
    period: str | None = None
    status: Status | None = None
    state: State | None = None
    due_before: AwareDatetime | None = None
    history: bool | None = Field(default=None, description="true: only history; false: only what has a date")
    cursor: str | None = Field(default=None, description="`next` of the page before")
    limit: int = Field(default=PAGE, ge=1, le=PAGE_MAX)


class WorkbookQuery(BaseModel):
    """Which deliveries of one unit a workbook is for; without any, what the unit owes next."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: str | None = None
    delivery: list[str] = Field(default_factory=list, description="ids; may be repeated")
    period: list[str] = Field(default_factory=list, description="with `unit` and `status`, pair by pair")
    status: list[Status] = Field(default_factory=list)


class DeliveryBody(BaseModel):
    """One expected report and what has become of it. Instants are business time in UTC."""

    model_config = ConfigDict(frozen=True)

    id: DeliveryId
    unit: str
    form: str
    period: str
    status: str
    state: str
    due_at: AwareDatetime | None = Field(description="null: history, never due")
    opens_at: AwareDatetime
    opened_at: AwareDatetime | None
    passed_at: AwareDatetime | None = Field(description="when the catalogue saw that the deadline had passed unmet")
    deadline_version: int
    due_rule: str
    extended: bool
    release: int
    met_version: int | None
    met_received_at: AwareDatetime | None


class VersionBody(BaseModel):
    """One version that was received."""

    model_config = ConfigDict(frozen=True)

    version: int
    received_at: AwareDatetime
    judgement: int = Field(description="the highest judgement so far, 0: none yet")
    verdict: str | None


class ExtensionBody(BaseModel):
    """More time that was granted."""

    model_config = ConfigDict(frozen=True)

    deadline_version: int
    due_at: AwareDatetime
    before: AwareDatetime | None
    reason: str
    document_number: str | None
    granted_by: str
    granted_at: AwareDatetime


class DeliveryDetail(DeliveryBody):
    """A delivery with its versions and extensions."""

    versions: tuple[VersionBody, ...]
    extensions: tuple[ExtensionBody, ...]


class DeliveryPage(BaseModel):
    """Some deliveries; `next` is the cursor of the following page, null at the end."""

    model_config = ConfigDict(frozen=True)

    items: tuple[DeliveryBody, ...]
    next: str | None


class ExtensionRequest(BaseModel):
    """A written decision to grant more time (gia hạn)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    due_at: WholeSecond = Field(description="the new deadline, the last second in time: 23:59:59 is the end of a day")
    reason: str = Field(min_length=1, max_length=2000)
    document_number: str | None = Field(default=None, max_length=64)


def delivery_body(row: Mapping[str, Any]) -> DeliveryBody:
    """Return what the API says of a stored delivery."""
    return DeliveryBody.model_validate(_with_id(row))


def delivery_detail(row: Mapping[str, Any]) -> DeliveryDetail:
    """Return what the API says of a stored delivery with its versions and extensions."""
    return DeliveryDetail.model_validate(_with_id(row))


def _with_id(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "id": DeliveryId.of(row["unit"], row["form"], row["period"], row["status"])}
