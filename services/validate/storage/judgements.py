"""Submissions as they were judged, and their judgements."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.validate.storage.keys import is_one_of, key_of
from services.validate.storage.tables import judgements, submissions
from shared.delivery_id import DeliveryId
from shared.events.submissions import SubmissionReceivedV1
from shared.events.validation_results import ValidationCompletedV1, ValidationReassessedV1

Judgement = ValidationReassessedV1 | ValidationCompletedV1
"""The event's data of either kind; the engine's first judgement has no reason."""


@dataclass(frozen=True, slots=True)
class StoredJudgement:
    """A judgement, the rules whose warnings want an explanation, and those explained so far."""

    result: Judgement
    warned: frozenset[str]
    explained: frozenset[str]


async def add_submissions(session: AsyncSession, received: Sequence[SubmissionReceivedV1]) -> None:
    """Store what is being judged."""
    rows = [
        {
            **key_of(each.delivery_id),
            "version": each.version,
            "package_id": each.package_id,
            "body": each.model_dump(mode="json", exclude_none=True),
        }
        for each in received
    ]
    await session.execute(insert(submissions), rows)


async def load_submission(session: AsyncSession, delivery: DeliveryId, version: int) -> SubmissionReceivedV1:
    """Return a version as it was judged; raises NoResultFound when it was not."""
    wanted = select(submissions.c.body).where(is_one_of(submissions, [delivery]), submissions.c.version == version)
    return SubmissionReceivedV1.model_validate((await session.execute(wanted)).scalar_one())


async def add_judgements(session: AsyncSession, made: Sequence[StoredJudgement]) -> None:
    """Store judgements; one with the number of another is our own bug and raises IntegrityError."""
    rows = [
        {
            **key_of(each.result.delivery_id),
            "version": each.result.version,
            "judgement": each.result.judgement,
            "package_id": each.result.package_id,
            "verdict": each.result.verdict.value,
            "result": each.result.model_dump(mode="json", exclude_none=True),
            "warned": sorted(each.warned),
            "explained": sorted(each.explained),
            "judged_at": each.result.judged_at,
        }
        for each in made
    ]
    await session.execute(insert(judgements), rows)


async def latest_judgement(session: AsyncSession, delivery: DeliveryId) -> StoredJudgement | None:
    """Return the last judgement of a delivery's newest version, None when none was judged."""
    wanted = (
        select(judgements)
        .where(is_one_of(judgements, [delivery]))
        .order_by(judgements.c.version.desc(), judgements.c.judgement.desc())
        .limit(1)
    )
    row = (await session.execute(wanted)).one_or_none()
    return None if row is None else _stored(row)


async def judgements_of(session: AsyncSession, delivery: DeliveryId) -> list[StoredJudgement]:
    """Return all judgements of a delivery by version and number."""
    wanted = (
        select(judgements)
        .where(is_one_of(judgements, [delivery]))
        .order_by(judgements.c.version, judgements.c.judgement)
    )
    return [_stored(row) for row in await session.execute(wanted)]


async def judgements_of_package(session: AsyncSession, package_id: UUID) -> list[StoredJudgement]:
    """Return all judgements of a package's reports."""
    wanted = (
        select(judgements)
        .where(judgements.c.package_id == package_id)
        .order_by(judgements.c.unit, judgements.c.form, judgements.c.period, judgements.c.version)
        .order_by(judgements.c.judgement)
    )
    return [_stored(row) for row in await session.execute(wanted)]


def _stored(row: Any) -> StoredJudgement:
    kind = ValidationReassessedV1 if "reason" in row.result else ValidationCompletedV1
    return StoredJudgement(
        result=kind.model_validate(row.result),
        warned=frozenset(row.warned),
        explained=frozenset(row.explained),
    )
