"""What the HTTP doors answer."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from services.ingest.domain.deliveries import Delivery
from services.ingest.domain.verdicts import merged
from services.ingest.storage.packages import Package, Submission
from shared.delivery_id import DeliveryId
from shared.events.findings import Finding, Verdict
from shared.events.submissions import Channel


class SubmissionStatus(BaseModel):
    """One report of a package; judgement and verdict are null until it is judged."""

    delivery_id: DeliveryId
    version: int
    judgement: int | None = None
    verdict: Verdict | None = None
    findings: tuple[Finding, ...] = ()


class PackageStatus(BaseModel):
    """A package: `received` until all its reports are judged, then `judged`; or `rejected`."""

    package_id: UUID
    state: str = Field(description="received, judged or rejected")
    verdict: Verdict | None = Field(default=None, description="the worst of its reports, once all are judged")
    unit: str
    form: str | None
    document_number: str | None
    channel: Channel
    received_at: datetime
    release: int | None = Field(description="catalogue release at receipt")
    submissions: tuple[SubmissionStatus, ...] = ()
    findings: tuple[Finding, ...] = Field(default=(), description="why it was rejected")
    original: str = Field(description="where the bytes are that were sent")

    @classmethod
    def of(cls, package: Package, submissions: list[Submission]) -> "PackageStatus":
        """Return what is known of a package."""
        verdict = Verdict.REJECTED if package.rejected else merged([each.judged for each in submissions])
        return cls(
            package_id=package.id,
            state="rejected" if package.rejected else "judged" if verdict else "received",
            verdict=verdict,
            unit=package.unit,
            form=package.form,
            document_number=package.document_number,
            channel=package.channel,
            received_at=package.received_at,
            release=package.release,
            submissions=tuple(
                SubmissionStatus(
                    delivery_id=each.delivery,
                    version=each.version,
                    judgement=each.judged.judgement if each.judged else None,
                    verdict=each.judged.verdict if each.judged else None,
                    findings=each.judged.findings if each.judged else (),
                )
                for each in submissions
            ),
            findings=package.findings,
            original=f"{location(package.id)}/original",
        )


class OpenDelivery(BaseModel):
    """A delivery that may be sent; `due_at` null is history."""

    delivery_id: DeliveryId
    form: str
    period: str
    status: str
    due_at: datetime | None
    version: int = Field(description="the last version taken, 0 before the first")

    @classmethod
    def of(cls, delivery: Delivery) -> "OpenDelivery":
        """Return what a sender has to know of a delivery."""
        return cls(
            delivery_id=delivery.id,
            form=delivery.id.form,
            period=str(delivery.id.period),
            status=delivery.id.status.value,
            due_at=delivery.due_at,
            version=delivery.version,
        )


def location(package_id: UUID) -> str:
    """Return a package's address."""
    return f"/v1/packages/{package_id}"
