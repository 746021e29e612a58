"""Topics `agency.<unit>.…`: what an agency's system publishes, and the answers it reads."""

from decimal import Decimal
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.delivery_id import DeliveryId, Status
from shared.events.base import EventData
from shared.events.cells import VALUE_COLUMN
from shared.events.findings import Finding, Verdict
from shared.events.submissions import Explanation
from shared.periods import Period

ReportedValue = Annotated[
    Decimal | str | None,
    Field(
        description='a JSON number or a decimal in a string; null or absent: missing; "-": none; "...": not collected'
    ),
]


class Observation(BaseModel):
    """One cell as the agency writes it. A dimension left out means its total."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    indicator: str = Field(min_length=1, max_length=64)
    dimensions: dict[str, str] = Field(default_factory=dict)
    column: str = VALUE_COLUMN
    value: ReportedValue = None


class Report(BaseModel):
    """The report for one delivery in a package."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    period: Period
    status: Status
    observations: tuple[Observation, ...] = Field(max_length=20_000)
    explanations: tuple[Explanation, ...] = ()


class PackageV1(EventData):
    """What arrives at once, through Kafka and as the body of `POST /v1/packages`: one form, one or several reports.

    The unit is never in it: it comes from the channel.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ce_type: ClassVar[str] = "vn.lienthong.package.v1"

    form: str = Field(min_length=1, max_length=64)
    document_number: str | None = Field(default=None, max_length=64)
    on_behalf_of: str | None = Field(default=None, description="a unit code; needs a mandate in the catalogue")
    reports: tuple[Report, ...] = Field(min_length=1, max_length=12)


class ExplanationV1(EventData):
    """Explains the warnings of a version judged `needs_explanation`; also the body of `POST /v1/explanations`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ce_type: ClassVar[str] = "vn.lienthong.explanation.v1"

    form: str = Field(min_length=1, max_length=64)
    period: Period
    status: Status
    version: int | None = Field(
        default=None, ge=1, description="the version that is explained; the latest when left out"
    )
    explanations: tuple[Explanation, ...] = Field(min_length=1, max_length=100)


class Answered(BaseModel):
    """The event that an answer answers; `source` and `id` are null where they could not be read."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    source: str | None = None
    id: str | None = None
    offset: int | None = Field(default=None, description="in `agency.<unit>.submissions`")


class Receipt(BaseModel):
    """One report of a package, taken as a version of its delivery."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    delivery_id: DeliveryId
    version: int = Field(ge=1)


class PackageReceivedV1(EventData):
    """The package is on disk: it will not be lost, and a verdict will follow."""

    ce_type: ClassVar[str] = "vn.lienthong.package.received.v1"

    package_id: UUID
    answers: Answered
    received_at: AwareDatetime
    submissions: tuple[Receipt, ...]


class PackageRejectedV1(EventData):
    """The package was not taken; the findings say what is wrong and how to mend it."""

    ce_type: ClassVar[str] = "vn.lienthong.package.rejected.v1"

    package_id: UUID | None
    answers: Answered
    received_at: AwareDatetime
    findings: tuple[Finding, ...] = Field(min_length=1)


class ReportVerdict(BaseModel):
    """The verdict on one report of a package."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    delivery_id: DeliveryId
    version: int = Field(ge=1)
    judgement: int = Field(ge=1)
    verdict: Verdict
    findings: tuple[Finding, ...] = ()


class AgencyVerdictV1(EventData):
    """The merged answer to a package: the worst verdict of its reports, and each one's findings."""

    ce_type: ClassVar[str] = "vn.lienthong.verdict.v1"

    package_id: UUID
    answers: Answered
    verdict: Verdict
    reports: tuple[ReportVerdict, ...] = Field(min_length=1)
