"""Events in: what agencies publish (group `ingest.packages`), deadlines and verdicts (group `ingest.events`)."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import ClassVar
from uuid import UUID

from pydantic import ConfigDict

from services.ingest import metrics
from services.ingest.bad_messages import REASONS_IN_VIETNAMESE
from services.ingest.domain.deliveries import moved
from services.ingest.domain.findings import Door, finding
from services.ingest.domain.incoming import Incoming, incoming_of
from services.ingest.domain.schema import read_body
from services.ingest.domain.verdicts import merged
from services.ingest.door import Arrival, Found, digest_of, take
from services.ingest.explaining import explain
from services.ingest.state import IngestState
from services.ingest.storage.arrivals import door_key
from services.ingest.storage.deliveries import deliveries_by_id, save_deliveries
from services.ingest.storage.packages import packages_by_id, record_verdicts, submissions_of
from services.ingest.storage.sources import advance_progress
from services.ingest.storage.tables import SERVICE
from shared.bus.cloudevents import UnknownType, deterministic_id
from shared.bus.errors import BadMessageError
from shared.bus.handlers import Handlers
from shared.bus.partitions import UNITLESS
from shared.bus.records import Record
from shared.bus.work import Work
from shared.delivery_id import DeliveryId
from shared.events.agency import (
    AgencyVerdictV1,
    Answered,
    ExplanationV1,
    PackageRejectedV1,
    PackageV1,
    ReportVerdict,
)
from shared.events.base import Event, EventData
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
from shared.events.submissions import Channel
from shared.events.validation_results import ValidationCompletedV1, ValidationReassessedV1, ValidationResult
from shared.text import Text


class AnyPackage(EventData):
    """A package as any JSON object: what does not fit its form is the sender's to mend, so it gets findings."""

    model_config = ConfigDict(frozen=True, extra="allow")
    ce_type: ClassVar[str] = PackageV1.ce_type


class AnyExplanation(EventData):
    """An explanation as any JSON object."""

    model_config = ConfigDict(frozen=True, extra="allow")
    ce_type: ClassVar[str] = ExplanationV1.ce_type


packages: Handlers[IngestState] = Handlers(SERVICE)
events: Handlers[IngestState] = Handlers(SERVICE)


@packages.on(AnyPackage)
async def take_packages(run: Sequence[Event[AnyPackage]], work: Work[IngestState]) -> None:
    """Take a run of packages in arrival order; each is taken or rejected by itself."""
    for event, arrival in zip(run, await _arrivals(run, work), strict=True):
        body = work.record_of(event).value or b""
        await take(arrival, partial(_read, body, arrival, work), work)
    await _advance([work.record_of(event) for event in run], work)


@packages.on(AnyExplanation)
async def take_explanations(run: Sequence[Event[AnyExplanation]], work: Work[IngestState]) -> None:
    """Take a run of explanations in arrival order."""
    for event, arrival in zip(run, await _arrivals(run, work), strict=True):
        stop = _unit_findings(arrival.unit, arrival.received_at, work)
        await explain(arrival, stop or read_body(work.record_of(event).value or b"", ExplanationV1), work)
    await _advance([work.record_of(event) for event in run], work)


@packages.on_unknown_type
async def reject_unknown_type(record: Record, unknown: UnknownType, work: Work[IngestState]) -> None:
    """Reject an event of a type that no agency publishes."""
    event = Event(
        id=unknown.id, source=unknown.source, type=unknown.type, time=work.now, data=AnyPackage(), unit=unknown.unit
    )
    (arrival,) = await _arrivals_of([(event, record)], work)
    message = finding(
        Door.UNKNOWN_TYPE,
        Text(vi=f"Không nhận sự kiện loại {unknown.type}", en=f"Events of type {unknown.type} are not taken here"),
        Text(
            vi=f"Dùng {PackageV1.ce_type} cho gói số liệu, {ExplanationV1.ce_type} cho giải trình.",
            en=f"Use {PackageV1.ce_type} for a package, {ExplanationV1.ce_type} for an explanation.",
        ),
        observed=unknown.type,
    )
    await take(arrival, lambda: (message,), work)
    await _advance([record], work)


@packages.on_bad_message
async def reject_bad_messages(run: Sequence[tuple[Record, BadMessageError]], work: Work[IngestState]) -> None:
    """Answer what cannot be read, where the topic names a unit; the dead letters are stored already."""
    units = [_unit_of_topic(record.topic, work) for record, _ in run]
    await work.context.ensure_answers(set(units) - {UNITLESS})
    for unit, (record, error) in zip(units, run, strict=True):
        if unit != UNITLESS:
            work.publish(_unreadable(record, error, work), unit=unit, event_id=_answer_id(record, work))
            metrics.PACKAGES.labels(Channel.KAFKA.value, "unreadable").inc()
    await _advance([record for record, _ in run], work)


def _unreadable(record: Record, error: BadMessageError, work: Work[IngestState]) -> PackageRejectedV1:
    message = finding(
        Door.UNREADABLE,
        Text(
            vi=f"Không đọc được sự kiện: {REASONS_IN_VIETNAMESE[error.reason]}",
            en=f"The event cannot be read: {error.detail}",
        ),
        Text(
            vi="Gửi CloudEvents 1.0 dạng binary: thuộc tính ở header ce_…, thân là JSON; "
            "sửa rồi gửi lại với ce_id mới.",
            en="Send a CloudEvent 1.0 in binary mode: attributes in headers ce_…, the body JSON; "
            "mend it and send it again with a new ce_id.",
        ),
        observed=error.reason.value,
    )
    return PackageRejectedV1(
        package_id=None,
        answers=Answered(source=error.source, id=error.id, offset=record.offset),
        received_at=work.context.business_at(record),
        findings=(message,),
    )


def _read(body: bytes, arrival: Arrival, work: Work[IngestState]) -> Incoming | Found:
    if stop := _unit_findings(arrival.unit, arrival.received_at, work):
        return stop
    limit = work.context.settings.package_bytes_max
    if len(body) > limit:
        return (
            finding(
                Door.TOO_LARGE,
                Text(
                    vi=f"Gói có {len(body)} byte, tối đa {limit}",
                    en=f"The package has {len(body)} bytes, at most {limit}",
                ),
                Text(vi="Chia các kỳ thành nhiều gói.", en="Send its reports in several packages."),
                expected=str(limit),
                observed=str(len(body)),
            ),
        )
    package = read_body(body, PackageV1)
    return incoming_of(package) if isinstance(package, PackageV1) else package


def _unit_findings(unit: str, at: datetime, work: Work[IngestState]) -> Found:
    """Return why nothing is taken through this unit's topic, if so."""
    version = work.context.snapshot.unit(unit, at.date())
    if version is None:
        return (
            finding(
                Door.UNKNOWN_UNIT,
                Text(vi=f"Danh mục không có đơn vị {unit}", en=f"The catalogue has no unit {unit}"),
                Text(vi="Báo Cục Thống kê.", en="Tell the Statistics Office."),
                observed=unit,
            ),
        )
    if not version.kafka_door:
        return (
            finding(
                Door.KAFKA_DOOR_OFF,
                Text(
                    vi=f"Kênh Kafka của đơn vị {unit} chưa bật", en=f"The Kafka door of unit {unit} is not switched on"
                ),
                Text(
                    vi="Gửi qua HTTP, hoặc đề nghị Cục Thống kê bật kênh Kafka.",
                    en="Send over HTTP, or ask the Statistics Office to switch it on.",
                ),
            ),
        )
    return ()


async def _arrivals(run: Sequence[Event[EventData]], work: Work[IngestState]) -> list[Arrival]:
    return await _arrivals_of([(event, work.record_of(event)) for event in run], work)


async def _arrivals_of(received: Sequence[tuple[Event[EventData], Record]], work: Work[IngestState]) -> list[Arrival]:
    """Keep the originals, then return the arrivals in order."""
    state = work.context
    await state.ensure_answers({event.unit for event, _ in received})
    bodies = [record.value or b"" for _, record in received]
    originals = await asyncio.to_thread(state.objects.put, bodies)
    return [
        Arrival(
            unit=event.unit,
            key=door_key(event.unit, event.source, event.id),
            sha256=digest_of(body),
            original=original,
            channel=Channel.KAFKA,
            content_type="application/json",
            received_at=state.business_at(record),
            sender=None,
            answers=Answered(source=event.source, id=event.id, offset=record.offset),
            event=event,
            fallback_answer_id=_answer_id(record, work),
        )
        for (event, record), body, original in zip(received, bodies, originals, strict=True)
    ]


def _unit_of_topic(topic: str, work: Work[IngestState]) -> str:
    """Return the unit that a topic's name says; none when it is no agency's topic, though the pattern took it in."""
    try:
        return work.topics.unit_of(topic, None)
    except ValueError:
        return UNITLESS


def _answer_id(record: Record, work: Work[IngestState]) -> str:
    """Return the id of the one answer to a message that has no usable id of its own."""
    place = (record.topic, str(record.partition), str(record.offset))
    return deterministic_id(SERVICE, "rejected", work.cluster_id or "", *place)


async def _advance(records: Sequence[Record], work: Work[IngestState]) -> None:
    ends = {(record.topic, record.partition): record.offset + 1 for record in records}
    await advance_progress(work.session, work.cluster_id or "", ends)


async def move_deliveries(run: Sequence[Event[DeadlineEvent]], work: Work[IngestState]) -> None:
    """Open, close, reopen and redate deliveries; what changes nothing here still counts as read."""
    known = await deliveries_by_id(work.session, {event.data.delivery_id for event in run})
    changed: dict[DeliveryId, None] = {}
    for event in run:
        delivery_id = event.data.delivery_id
        delivery = moved(known.get(delivery_id), event.data, event.time)
        if delivery is not None:
            known[delivery_id] = delivery
            changed[delivery_id] = None
    await save_deliveries(work.session, [known[delivery_id] for delivery_id in changed])
    await _advance([work.record_of(event) for event in run], work)


for _deadline_event in (
    DeadlineOpenedV1,
    DeadlineClosedV1,
    DeadlineReopenedV1,
    DeadlineExtendedV1,
    DeadlineRedatedV1,
    DeadlinePassedV1,
    DeadlineMetV1,
):
    events.on(_deadline_event)(move_deliveries)


@events.on(ValidationCompletedV1)
async def take_verdicts(run: Sequence[Event[ValidationCompletedV1]], work: Work[IngestState]) -> None:
    """Remember first judgements, and answer the packages that are now judged whole."""
    await _take_results(run, work)


@events.on(ValidationReassessedV1)
async def take_reassessments(run: Sequence[Event[ValidationReassessedV1]], work: Work[IngestState]) -> None:
    """Remember later judgements, and answer their packages again."""
    await _take_results(run, work)


async def _take_results(run: Sequence[Event[ValidationResult]], work: Work[IngestState]) -> None:
    verdicts = [
        ReportVerdict(
            delivery_id=event.data.delivery_id,
            version=event.data.version,
            judgement=event.data.judgement,
            verdict=event.data.verdict,
            findings=event.data.findings,
        )
        for event in run
    ]
    known = await record_verdicts(work.session, verdicts)
    if known < len(verdicts):
        raise LookupError(f"{len(verdicts) - known} of {len(verdicts)} verdicts are on versions that are not ours")
    causes: dict[UUID, Event[ValidationResult]] = {event.data.package_id: event for event in run}
    found = await packages_by_id(work.session, causes)
    reports = await submissions_of(work.session, causes)
    for package_id, cause in causes.items():
        package = found[package_id]
        judged = [submission.judged for submission in reports[package_id]]
        verdict = merged(judged)
        if verdict is None:
            continue
        metrics.VERDICTS.labels(verdict.value).inc()
        if package.channel is not Channel.KAFKA:
            continue
        whole = tuple(report for report in judged if report is not None)
        numbers = ".".join(str(report.judgement) for report in whole)
        answer = AgencyVerdictV1(package_id=package_id, answers=package.answers, verdict=verdict, reports=whole)
        work.publish(
            answer,
            unit=package.unit,
            cause=cause,
            correlation_id=str(package_id),
            event_id=deterministic_id(SERVICE, "verdict", str(package_id), numbers),
        )
