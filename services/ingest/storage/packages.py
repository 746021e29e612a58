"""Packages, the submissions they were split into, and what became of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.ingest.storage.tables import explanations, packages, submissions
from shared.delivery_id import DeliveryId
from shared.events.agency import Answered, ReportVerdict
from shared.events.findings import Finding, Verdict
from shared.events.submissions import Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """What arrived at once, and whether it was taken."""

    id: UUID
    unit: str
    form: str | None
    document_number: str | None
    channel: Channel
    received_at: datetime
    release: int | None
    original: str
    content_type: str
    sender: str | None
    answers: Answered
    findings: tuple[Finding, ...] = ()

    @property
    def rejected(self) -> bool:
        """Whether it was not taken."""
        return bool(self.findings)


@dataclass(frozen=True, slots=True)
class Submission:
    """One report of a package, and the last judgement on it."""

    delivery: DeliveryId
    version: int
    package_id: UUID
    received_at: datetime
    judged: ReportVerdict | None = None


async def add_package(session: AsyncSession, package: Package) -> None:
    """Store a package."""
    await session.execute(
        insert(packages).values(
            id=package.id,
            unit=package.unit,
            form=package.form,
            document_number=package.document_number,
            channel=package.channel.value,
            state="rejected" if package.rejected else "received",
            received_at=package.received_at,
            release=package.release,
            original=package.original,
            content_type=package.content_type,
            sender=package.sender,
            answers=package.answers.model_dump(mode="json"),
            findings=[finding.model_dump(mode="json", exclude_none=True) for finding in package.findings],
        )
    )


async def add_submissions(session: AsyncSession, added: Sequence[Submission]) -> None:
    """Store the reports of one package, in their order."""
    await session.execute(
        insert(submissions),
        [
            {
                "delivery_id": str(each.delivery),
                "version": each.version,
                "package_id": each.package_id,
                "position": position,
                "received_at": each.received_at,
            }
            for position, each in enumerate(added)
        ],
    )


async def add_explanation(
    session: AsyncSession,
    *,
    explanation_id: UUID,
    submission: Submission,
    at: datetime,
    original: str,
    sender: str | None,
) -> None:
    """Store that a version was explained."""
    await session.execute(
        insert(explanations).values(
            id=explanation_id,
            delivery_id=str(submission.delivery),
            version=submission.version,
            package_id=submission.package_id,
            explained_at=at,
            original=original,
            sender=sender,
        )
    )


async def packages_by_id(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, Package]:
    """Return these packages, as far as they exist."""
    rows = await session.execute(select(packages).where(packages.c.id.in_(list(ids))))
    return {row.id: _package(row) for row in rows}


async def submissions_of(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, list[Submission]]:
    """Return the submissions of these packages, in their order in each."""
    rows = await session.execute(
        select(submissions)
        .where(submissions.c.package_id.in_(list(ids)))
        .order_by(submissions.c.package_id, submissions.c.position)
    )
    found: dict[UUID, list[Submission]] = {}
    for row in rows:
        found.setdefault(row.package_id, []).append(_submission(row))
    return found


async def submission_of(session: AsyncSession, delivery: DeliveryId, version: int | None) -> Submission | None:
    """Return a version of a delivery, the latest when none is said; None when there is no such version."""
    query = select(submissions).where(submissions.c.delivery_id == str(delivery))
    if version is not None:
        query = query.where(submissions.c.version == version)
    row = (await session.execute(query.order_by(submissions.c.version.desc()).limit(1))).one_or_none()
    return _submission(row) if row else None


async def record_verdicts(session: AsyncSession, verdicts: Sequence[ReportVerdict]) -> int:
    """Remember judgements, unless a later one is known; return how many of the versions named there are."""
    known = 0
    statement = (
        update(submissions)
        .where(submissions.c.delivery_id == bindparam("of"), submissions.c.version == bindparam("number"))
        .values(judgement=bindparam("judged"), verdict=bindparam("said"), findings=bindparam("found"))
    )
    for each in verdicts:
        current = await submission_of(session, each.delivery_id, each.version)
        known += current is not None
        if current is None or (current.judged is not None and current.judged.judgement >= each.judgement):
            continue
        await session.execute(
            statement,
            {
                "of": str(each.delivery_id),
                "number": each.version,
                "judged": each.judgement,
                "said": each.verdict.value,
                "found": [finding.model_dump(mode="json", exclude_none=True) for finding in each.findings],
            },
        )
    return known


def _package(row: Any) -> Package:
    return Package(
        id=row.id,
        unit=row.unit,
        form=row.form,
        document_number=row.document_number,
        channel=Channel(row.channel),
        received_at=row.received_at,
        release=row.release,
        original=row.original,
        content_type=row.content_type,
        sender=row.sender,
        answers=Answered.model_validate(row.answers),
        findings=tuple(Finding.model_validate(finding) for finding in row.findings),
    )


def _submission(row: Any) -> Submission:
    delivery = DeliveryId.parse(row.delivery_id)
    judged = (
        None
        if row.judgement is None
        else ReportVerdict(
            delivery_id=delivery,
            version=row.version,
            judgement=row.judgement,
            verdict=Verdict(row.verdict),
            findings=tuple(Finding.model_validate(finding) for finding in row.findings or ()),
        )
    )
    return Submission(delivery, row.version, row.package_id, row.received_at, judged)
