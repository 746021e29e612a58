"""Events in: what was received is judged, what was explained is judged again."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog

from services.validate import metrics
from services.validate.domain.judge import Assessment, assess
from services.validate.domain.verdict import decide
from services.validate.known import AcceptedNow
from services.validate.state import ValidateState
from services.validate.storage.judgements import (
    Judgement,
    StoredJudgement,
    add_judgements,
    add_submissions,
    latest_judgement,
    load_submission,
)
from services.validate.storage.tables import SERVICE
from shared.bus.cloudevents import deterministic_id
from shared.bus.handlers import Handlers
from shared.bus.work import Work
from shared.events.base import Event
from shared.events.findings import Verdict
from shared.events.submissions import SubmissionExplainedV1, SubmissionReceivedV1
from shared.events.validation_results import (
    ReassessmentReason,
    ValidationCompletedV1,
    ValidationReassessedV1,
)

ENGINE_JUDGEMENT = 1

log = structlog.get_logger(__name__)
handlers: Handlers[ValidateState] = Handlers(SERVICE)


@handlers.on(SubmissionReceivedV1)
async def judge_submissions(events: Sequence[Event[SubmissionReceivedV1]], work: Work[ValidateState]) -> None:
    """Judge versions in arrival order, each seeing the figures that were accepted before it, also in this run.

    Waits for the newest release that a submission was received under, with the batch's units locked, for no longer
    than `release_wait_seconds_max`, and then raises UnavailableError: the batch is rolled back and tried again as
    long as it takes, with nothing locked between two tries.
    """
    book = await work.context.book_for(max(event.data.release for event in events))
    accepted = await AcceptedNow.load(work.session, book, [event.data.delivery_id for event in events])
    made = []
    for event in events:
        submission = event.data
        explained = frozenset(explanation.rule for explanation in submission.explanations)
        assessment = assess(
            book,
            submission.delivery_id,
            submission.cells,
            accepted.references(submission.delivery_id),
            explained=explained,
            findings_max=work.context.settings.findings_max,
        )
        result = _completed(submission, assessment, book.release, work.now)
        made.append(StoredJudgement(result, assessment.warned, explained & assessment.warned))
        _publish(result, event, work)
        if result.verdict.acceptable:
            accepted.take(submission, result, event, work)
        _count(assessment)
        _observe_delay(event, work)
        # A batch of large reports takes seconds: heartbeats, health and other requests have their turn in between.
        await asyncio.sleep(0)
    await add_submissions(work.session, [event.data for event in events])
    await add_judgements(work.session, made)
    await accepted.store(work)


@handlers.on(SubmissionExplainedV1)
async def judge_explained(events: Sequence[Event[SubmissionExplainedV1]], work: Work[ValidateState]) -> None:
    """Judge versions again by what was found before and has been explained now.

    The rules are not run anew: an explanation answers the findings that its author was shown, and nothing that
    somebody else has sent since may turn it into a return.
    """
    for event in events:
        explanation = event.data
        latest = await latest_judgement(work.session, explanation.delivery_id)
        if (
            latest is None
            or latest.result.version != explanation.version
            or latest.result.verdict is not Verdict.NEEDS_EXPLANATION
        ):
            metrics.IGNORED_EXPLANATIONS.inc()
            log.info("explanation_ignored", delivery=str(explanation.delivery_id), version=explanation.version)
            continue
        await _judge_again(event, latest, work)


async def _judge_again(event: Event[SubmissionExplainedV1], latest: StoredJudgement, work: Work[ValidateState]) -> None:
    delivery = event.data.delivery_id
    explained = latest.explained | ({each.rule for each in event.data.explanations} & latest.warned)
    verdict = decide(has_errors=latest.result.error_count > 0, warned=latest.warned, justified=explained)
    again = latest.result.model_dump() | {
        "judgement": latest.result.judgement + 1,
        "judged_at": work.now,
        "verdict": verdict,
        "reason": ReassessmentReason.EXPLAINED,
    }
    result = ValidationReassessedV1.model_validate(again)
    await add_judgements(work.session, [StoredJudgement(result, latest.warned, explained)])
    _publish(result, event, work)
    metrics.JUDGEMENTS.labels(verdict.value, ReassessmentReason.EXPLAINED.value).inc()
    if verdict.acceptable:
        submission = await load_submission(work.session, delivery, result.version)
        accepted = await AcceptedNow.load(work.session, None, [delivery])
        accepted.take(submission, result, event, work)
        await accepted.store(work)


def _publish(result: Judgement, cause: Event[Any], work: Work[ValidateState]) -> None:
    """Publish a judgement; equal judgements have equal ids, so that no reader ever takes one in twice."""
    delivery = result.delivery_id
    event_id = deterministic_id(SERVICE, "judgement", str(delivery), str(result.version), str(result.judgement))
    work.publish(result, unit=delivery.unit, subject=str(delivery), cause=cause, event_id=event_id)
    log.info(
        "verdict_recorded",
        delivery=str(delivery),
        version=result.version,
        judgement=result.judgement,
        verdict=result.verdict.value,
        errors=result.error_count,
        warnings=result.warning_count,
        release=result.release,
        correlation_id=cause.correlation_id,
        causation_id=cause.id,
    )


def _completed(
    submission: SubmissionReceivedV1, assessment: Assessment, release: int, now: datetime
) -> ValidationCompletedV1:
    return ValidationCompletedV1(
        delivery_id=submission.delivery_id,
        package_id=submission.package_id,
        version=submission.version,
        judgement=ENGINE_JUDGEMENT,
        received_at=submission.received_at,
        judged_at=now,
        release=release,
        verdict=assessment.verdict,
        error_count=assessment.error_count,
        warning_count=assessment.warning_count,
        findings=assessment.findings,
        not_applicable=assessment.not_applicable,
    )


def _count(assessment: Assessment) -> None:
    metrics.JUDGEMENTS.labels(assessment.verdict.value, "engine").inc()
    metrics.FINDINGS.labels("error").inc(assessment.error_count)
    metrics.FINDINGS.labels("warning").inc(assessment.warning_count)
    for state, count in assessment.states.items():
        metrics.RULES.labels(state.value).inc(count)
    for reason, count in assessment.reasons.items():
        metrics.NOT_APPLICABLE.labels(reason.value).inc(count)


def _observe_delay(event: Event[Any], work: Work[ValidateState]) -> None:
    """Measure in machine time: business time may jump between receipt and verdict."""
    try:
        sent_seconds = work.record_of(event).timestamp / 1000
    except LookupError:
        return  # it was not consumed just now, so its age says nothing
    metrics.VERDICT_SECONDS.observe(max(0.0, work.context.clock.machine_now().timestamp() - sent_seconds))
