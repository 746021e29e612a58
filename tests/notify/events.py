"""Events that notify reads, valid by default."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from shared.delivery_id import DeliveryId
from shared.events.deadlines import (
    ClosedReason,
    DeadlineClosedV1,
    DeadlineExtendedV1,
    DeadlineMetV1,
    DeadlineOpenedV1,
    DeadlinePassedV1,
)
from shared.events.findings import Finding, Verdict
from shared.events.submissions import Channel, SubmissionReceivedV1
from shared.events.validation_results import ReassessmentReason, ValidationCompletedV1, ValidationReassessedV1
from tests.notify.outside import a_finding
from tests.notify.world import MONTH, PACKAGE

DUE = datetime(2024, 6, 18, 16, 59, 59, tzinfo=UTC)
REMIND_AT = datetime(2024, 6, 16, 1, tzinfo=UTC)


def opened(delivery: DeliveryId = MONTH, due_at: datetime | None = DUE) -> DeadlineOpenedV1:
    return DeadlineOpenedV1(delivery_id=delivery, deadline_version=1, due_at=due_at, due_rule="P+0:D18", release=1)


def extended(delivery: DeliveryId = MONTH, *, deadline_version: int = 2, due_at: datetime) -> DeadlineExtendedV1:
    return DeadlineExtendedV1(delivery_id=delivery, deadline_version=deadline_version, due_at=due_at, reason="bão")


def passed(delivery: DeliveryId = MONTH, *, deadline_version: int = 1, due_at: datetime = DUE) -> DeadlinePassedV1:
    return DeadlinePassedV1(delivery_id=delivery, deadline_version=deadline_version, due_at=due_at, state="open")


def met(delivery: DeliveryId = MONTH, at: datetime = DUE - timedelta(days=3)) -> DeadlineMetV1:
    return DeadlineMetV1(
        delivery_id=delivery, deadline_version=1, due_at=DUE, version=1, received_at=at, in_time=at <= DUE
    )


def closed(delivery: DeliveryId = MONTH, reason: ClosedReason = ClosedReason.EXEMPTED) -> DeadlineClosedV1:
    return DeadlineClosedV1(delivery_id=delivery, deadline_version=1, due_at=DUE, reason=reason)


def received(delivery: DeliveryId = MONTH, *, version: int = 1, at: datetime) -> SubmissionReceivedV1:
    return SubmissionReceivedV1(
        delivery_id=delivery,
        package_id=PACKAGE,
        version=version,
        received_at=at,
        release=1,
        channel=Channel.HTTP_JSON,
        cells=(),
    )


def judged(
    delivery: DeliveryId = MONTH,
    verdict: Verdict = Verdict.RETURNED,
    *,
    version: int = 1,
    judgement: int = 1,
    package: UUID = PACKAGE,
    findings: tuple[Finding, ...] | None = None,
) -> ValidationCompletedV1 | ValidationReassessedV1:
    found = (a_finding(),) if findings is None else findings
    common: dict[str, Any] = {
        "delivery_id": delivery,
        "package_id": package,
        "version": version,
        "judgement": judgement,
        "received_at": DUE - timedelta(days=4),
        "judged_at": DUE - timedelta(days=4),
        "release": 1,
        "verdict": verdict,
        "error_count": len(found),
        "warning_count": 0,
        "findings": found,
    }
    if judgement == 1:
        return ValidationCompletedV1(**common)
    return ValidationReassessedV1(**common, reason=ReassessmentReason.EXPLAINED)
