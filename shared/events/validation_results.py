"""Topics `validation-results` and `figures`: verdicts, and the figures they let through."""

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from shared.delivery_id import DeliveryId
from shared.events.base import EventData
from shared.events.cells import CellValue
from shared.events.findings import Finding, Verdict


class ValidationResult(EventData):
    """What both verdict events say: judgement n of one version."""

    delivery_id: DeliveryId
    package_id: UUID
    version: int = Field(ge=1, description="counts from 1 within one delivery")
    judgement: int = Field(ge=1, description="counts from 1 within one version")
    received_at: AwareDatetime
    judged_at: AwareDatetime
    release: int = Field(ge=1, description="catalogue release that judged it")
    verdict: Verdict
    error_count: int = Field(ge=0)
    warning_count: int = Field(ge=0)
    findings: tuple[Finding, ...] = Field(description="errors first; capped, the counts are not")
    not_applicable: tuple[str, ...] = Field(
        default=(), description="`rule: reason` of rules that could not be evaluated"
    )


class ValidationCompletedV1(ValidationResult):
    """The engine's verdict on one version of a report: judgement 1, exactly once a version."""

    ce_type: ClassVar[str] = "vn.lienthong.validation.completed.v1"


class ReassessmentReason(StrEnum):
    """Why a version was judged again."""

    EXPLAINED = "explained"
    RECHECK = "recheck"
    STATISTICIAN = "statistician"


class ValidationReassessedV1(ValidationResult):
    """A later judgement of the same version (n > 1): after an explanation, a re-check, or by a statistician."""

    ce_type: ClassVar[str] = "vn.lienthong.validation.reassessed.v1"

    reason: ReassessmentReason


class FiguresAcceptedV1(EventData):
    """The accepted figures of one delivery; compacted, key = delivery id, a tombstone withdraws them."""

    ce_type: ClassVar[str] = "vn.lienthong.figures.accepted.v1"

    delivery_id: DeliveryId
    version: int = Field(ge=1)
    judgement: int = Field(ge=1)
    release: int = Field(ge=1)
    received_at: AwareDatetime
    cells: tuple[CellValue, ...]
