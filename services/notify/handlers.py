"""Events in: deadlines, what was received and judged, and how far the doors have published."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar

from services.notify.context import Context
from services.notify.domain.delivery import after_event
from services.notify.domain.findings import Verdict, errors_of
from services.notify.domain.steps import Step, passed_step, returned_step
from services.notify.metrics import STEPS
from services.notify.storage.deliveries import load, save
from services.notify.storage.steps import add_returns, add_steps
from services.notify.storage.tables import SERVICE
from shared.bus.handlers import Handlers
from shared.bus.work import Work
from shared.events import findings
from shared.events.base import Event
from shared.events.deadlines import (
    DeadlineClosedV1,
    DeadlineEvent,
    DeadlineExtendedV1,
    DeadlineMetV1,
    DeadlineOpenedV1,
    DeadlinePassedV1,
    DeadlineRedatedV1,
    DeadlineReopenedV1,
)
from shared.events.submissions import SubmissionReceivedV1, WatermarkV1
from shared.events.validation_results import ValidationCompletedV1, ValidationReassessedV1, ValidationResult

handlers: Handlers[Context] = Handlers(SERVICE)

KnownT = TypeVar("KnownT", bound=DeadlineEvent | SubmissionReceivedV1)


async def follow_deadlines(events: Sequence[Event[DeadlineEvent]], work: Work[Context]) -> None:
    """Keep each delivery's date and end up to date; its reminders are planned by a job."""
    await _follow(events, work)


_DATED_OR_ENDED: tuple[type[DeadlineEvent], ...] = (
    DeadlineOpenedV1,
    DeadlineMetV1,
    DeadlineExtendedV1,
    DeadlineRedatedV1,
    DeadlineReopenedV1,
    DeadlineClosedV1,
)
for _data_type in _DATED_OR_ENDED:
    handlers.on(_data_type)(follow_deadlines)


@handlers.on(DeadlinePassedV1)
async def take_passed(events: Sequence[Event[DeadlinePassedV1]], work: Work[Context]) -> None:
    """Tell the unit that a deadline passed without an acceptable version."""
    await _follow(events, work)
    await _add(
        work,
        [
            passed_step(event.data.delivery_id, event.data.deadline_version, event.data.due_at)
            for event in events
            if event.data.due_at is not None
        ],
    )


@handlers.on(SubmissionReceivedV1)
async def take_received(events: Sequence[Event[SubmissionReceivedV1]], work: Work[Context]) -> None:
    """Versions arrived: nobody is reminded of them any more."""
    await _follow(events, work)


@handlers.on(WatermarkV1)
async def take_watermark(events: Sequence[Event[WatermarkV1]], work: Work[Context]) -> None:
    """Note how far the doors have published; reminders before that instant may be told."""
    for event in events:
        partition = work.record_of(event).partition
        await work.parts.watermarks.record(work.session, partition, event, work.parts.inbox)


@handlers.on(ValidationCompletedV1)
async def take_verdicts(events: Sequence[Event[ValidationCompletedV1]], work: Work[Context]) -> None:
    """First judgements: each returned one is told."""
    await _take_judgements(events, work)


@handlers.on(ValidationReassessedV1)
async def take_reassessments(events: Sequence[Event[ValidationReassessedV1]], work: Work[Context]) -> None:
    """Later judgements: each returned one is told as well."""
    await _take_judgements(events, work)


async def _follow(events: Sequence[Event[KnownT]], work: Work[Context]) -> None:
    before = await load(work.session, {event.data.delivery_id for event in events})
    known = dict(before)
    for event in events:
        delivery = event.data.delivery_id
        known[delivery] = after_event(known[delivery], event.data, event.time)
    await save(work.session, [delivery for each, delivery in known.items() if delivery != before[each]])


async def _take_judgements(events: Sequence[Event[ValidationResult]], work: Work[Context]) -> None:
    returned = [event.data for event in events if event.data.verdict is findings.Verdict.RETURNED]
    errors_max = work.context.settings.mistakes_shown_max
    await add_returns(
        work.session,
        [
            (
                result.delivery_id,
                Verdict(
                    version=result.version,
                    judgement=result.judgement,
                    received_at=result.received_at,
                    error_count=result.error_count,
                    errors=errors_of(result.findings, errors_max),
                ),
            )
            for result in returned
        ],
    )
    await _add(
        work,
        [
            returned_step(result.delivery_id, result.version, result.judgement, result.package_id, result.judged_at)
            for result in returned
        ],
    )


async def _add(work: Work[Context], new: Sequence[Step]) -> None:
    """Store steps; they wait a moment for what belongs into the same mail."""
    settled_at = work.context.clock.machine_now() + timedelta(seconds=work.context.settings.settle_seconds)
    if await add_steps(work.session, new, settled_at):
        for step in new:
            STEPS.labels(step.kind.value).inc()
