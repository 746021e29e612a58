"""Events in: what was received, judged and explained, and how far the doors have published."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from services.catalogue.deadlines import Fact, take
from services.catalogue.domain.delivery import explained, judged, received
from services.catalogue.storage.tables import SERVICE
from shared.bus.handlers import Handlers
from shared.bus.work import Work
from shared.events.base import Event
from shared.events.submissions import SubmissionExplainedV1, SubmissionReceivedV1, WatermarkV1
from shared.events.validation_results import ValidationCompletedV1, ValidationReassessedV1, ValidationResult

handlers: Handlers[Any] = Handlers(SERVICE)


@handlers.on(SubmissionReceivedV1)
async def record_received(events: Sequence[Event[SubmissionReceivedV1]], work: Work[Any]) -> None:
    """Versions arrived at a door."""
    await take(
        work,
        [
            Fact(
                event.data.delivery_id,
                partial(received, number=event.data.version, received_at=event.data.received_at),
                event,
            )
            for event in events
        ],
    )


@handlers.on(SubmissionExplainedV1)
async def record_explained(events: Sequence[Event[SubmissionExplainedV1]], work: Work[Any]) -> None:
    """Explanations arrived: a deadline is not called passed before they are judged."""
    await take(
        work,
        [
            Fact(
                event.data.delivery_id,
                partial(explained, number=event.data.version, explained_at=event.data.explained_at),
                event,
            )
            for event in events
        ],
    )


@handlers.on(WatermarkV1)
async def record_watermark(events: Sequence[Event[WatermarkV1]], work: Work[Any]) -> None:
    """Note how far the doors have published; the sweeper then tells which deadlines passed."""
    for event in events:
        partition = work.record_of(event).partition
        await work.parts.watermarks.record(work.session, partition, event, work.parts.inbox)


@handlers.on(ValidationCompletedV1)
async def record_verdicts(events: Sequence[Event[ValidationCompletedV1]], work: Work[Any]) -> None:
    """First judgements of versions."""
    await take(work, [_judgement(event.data, event) for event in events])


@handlers.on(ValidationReassessedV1)
async def record_reassessments(events: Sequence[Event[ValidationReassessedV1]], work: Work[Any]) -> None:
    """Later judgements: after an explanation, a re-check, or by a statistician."""
    await take(work, [_judgement(event.data, event) for event in events])


def _judgement(result: ValidationResult, event: Event[Any]) -> Fact:
    learn = partial(
        judged,
        number=result.version,
        judgement=result.judgement,
        verdict=result.verdict,
        received_at=result.received_at,
    )
    return Fact(result.delivery_id, learn, event)
