"""What ingest says of a package over HTTP."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from services.ingest.storage.packages import StoredPackage, StoredSubmission
from shared.delivery_id import DeliveryId
from shared.events.findings import Finding, Verdict
from shared.events.submissions import Channel

PACKAGES = "/v1/packages"


class SubmissionBody(BaseModel):
    """One report of a package: the version that it became, and its latest judgement."""

    delivery_id: DeliveryId
    version: int
    judgement: int | None = Field(description="null while it waits for its judgement")
    verdict: Verdict | None
    findings: tuple[Finding, ...]


class OriginalBody(BaseModel):
    """The bytes as they came."""

    sha256: str
    media_type: str
    url: str


class PackageBody(BaseModel):
    """A package and what became of it."""

    package_id: UUID
    unit: str
    form: str | None
    document_number: str | None
    channel: Channel
    state: str = Field(description="received, judged or rejected")
    received_at: datetime
    release: int
    verdict: Verdict | None = Field(description="the worst verdict of its reports, once all are judged")
    submissions: tuple[SubmissionBody, ...]
    findings: tuple[Finding, ...] = Field(description="of the door, when it was rejected")
    original: OriginalBody


class ExplanationReceipt(BaseModel):
    """The version that an explanation was taken for."""

    package_id: UUID
    delivery_id: DeliveryId
    version: int


def package_body(package: StoredPackage, submissions: Sequence[StoredSubmission]) -> PackageBody:
    """Return what is said of a package."""
    address = f"{PACKAGES}/{package.id}"
    return PackageBody(
        package_id=package.id,
        unit=package.unit,
        form=package.form,
        document_number=package.document_number,
        channel=package.channel,
        state="judged" if package.verdict else package.state.value,
        received_at=package.received_at,
        release=package.release,
        verdict=package.verdict,
        submissions=tuple(
            SubmissionBody(
                delivery_id=each.delivery_id,
                version=each.version,
                judgement=each.judgement,
                verdict=each.verdict,
                findings=each.findings,
            )
            for each in submissions
        ),
        findings=package.findings or (),
        original=OriginalBody(sha256=package.original, media_type=package.media_type, url=f"{address}/original"),
    )
