"""Takes what arrived at a door in one transaction: known before or new, taken or rejected, numbered, kept, answered."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from structlog.contextvars import bind_contextvars

from services.ingest import metrics
from services.ingest.domain.deliveries import Delivery
from services.ingest.domain.findings import Door, finding
from services.ingest.domain.incoming import Incoming
from services.ingest.domain.package import Taken, TakenReport, decide
from services.ingest.state import IngestState
from services.ingest.storage.arrivals import DoorKey, Known, StoredAnswer
from services.ingest.storage.deliveries import deliveries_of_form, save_deliveries
from services.ingest.storage.packages import Package, Submission, add_package, add_submissions
from shared.bus.cloudevents import encode
from shared.bus.outbox import OutboxRow
from shared.bus.partitions import slot_of
from shared.bus.topics import topic_for
from shared.bus.work import Work
from shared.delivery_id import DeliveryId
from shared.events.agency import Answered, PackageReceivedV1, PackageRejectedV1, Receipt
from shared.events.base import Event, EventData
from shared.events.findings import Finding
from shared.events.submissions import Channel, SentAs, SubmissionReceivedV1
from shared.logs import get_logger
from shared.problems import UnavailableError
from shared.text import Text

Found = tuple[Finding, ...]

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One message or request at a door.

    `key` is what its sender calls it, None for a request without an idempotency key. `original` names its bytes in
    the object store, where they are already. `event` is the agency's event, None over HTTP.
    """

    unit: str
    key: DoorKey | None
    sha256: str
    original: str
    channel: Channel
    content_type: str
    received_at: datetime
    sender: str | None
    answers: Answered
    event: Event[EventData] | None = None
    fallback_answer_id: str | None = None
    """Id of the answer to a message whose own id was used before for something else."""

    @property
    def sent_as(self) -> SentAs:
        """What its sender called it, as the submission events say it."""
        return SentAs.model_validate(self.answers.model_dump())


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an arrival. `repeated`: it had come before, and this is what became of it then."""

    package_id: UUID | None
    findings: Found = ()
    repeated: bool = False
    id_reused: bool = False


def digest_of(body: bytes) -> str:
    """Return what makes two bodies the same."""
    return sha256(body).hexdigest()


async def take(arrival: Arrival, read: Callable[[], Incoming | Found], work: Work[IngestState]) -> Outcome:
    """Take or reject a package; the unit's lock is held. `read` is asked only for what has not come before."""
    if (known := await known_before(arrival, work)) is not None:
        return await repeat(arrival, known, work)
    content = read()
    package_id = uuid4()
    bind_contextvars(correlation_id=str(package_id))
    if isinstance(content, Incoming):
        state = work.context
        deliveries = await deliveries_of_form(work.session, arrival.unit, content.form)
        decision = decide(content, arrival.unit, state.snapshot, deliveries)
        if isinstance(decision, Taken):
            await _accept(arrival, package_id, content, work, reports=decision.reports, deliveries=deliveries)
            return Outcome(package_id)
        findings = decision.findings
        if not state.deadlines_read and any(each.rule == Door.NOT_OPEN.value for each in findings):
            raise UnavailableError("a delivery is not known, but not all deadline events of before the start are read")
    else:
        findings = content
    await reject(arrival, package_id, findings, work, content if isinstance(content, Incoming) else None)
    return Outcome(package_id, findings)


async def known_before(arrival: Arrival, work: Work[IngestState]) -> Known | None:
    """Return what is known of an arrival by its sender's name for it."""
    if arrival.key is None:
        return None
    return await work.context.arrivals.find(work.session, arrival.key)


async def repeat(arrival: Arrival, known: Known, work: Work[IngestState]) -> Outcome:
    """Answer what came before as it was answered then, byte for byte; reject another content under the same id."""
    if known.sha256 != arrival.sha256:
        findings = (_id_reused(),)
        if arrival.channel is Channel.KAFKA:
            _publish_rejection(arrival, None, findings, work, arrival.fallback_answer_id)
        log.info("package_id_reused", **_facts(arrival, known.package_id))
        metrics.PACKAGES.labels(arrival.channel.value, "id_reused").inc()
        return Outcome(None, findings, id_reused=True)
    if known.answer is not None:
        await publish_again(arrival.unit, known.answer, work)
    log.info("package_repeated", **_facts(arrival, known.package_id))
    metrics.PACKAGES.labels(arrival.channel.value, "repeated").inc()
    return Outcome(known.package_id, repeated=True)


async def publish_again(unit: str, answer: StoredAnswer, work: Work[IngestState]) -> None:
    """Put a stored answer into the outbox again, after what was published before in this transaction."""
    await work.flush()
    row = OutboxRow(
        slot=slot_of(unit),
        topic=answer.topic,
        partition=0,
        key=unit,
        value=answer.value,
        headers=answer.headers,
        event_id=answer.event_id,
    )
    await work.parts.outbox.add(work.session, [row])
    work.written_slots.add(row.slot)


async def reject(
    arrival: Arrival, package_id: UUID, findings: Found, work: Work[IngestState], content: Incoming | None = None
) -> None:
    """Store and answer a rejection."""
    await add_package(work.session, _package(arrival, package_id, work, content, findings))
    answer = None
    if arrival.channel is Channel.KAFKA:
        answer = _publish_rejection(arrival, package_id, findings, work, None)
    await remember(arrival, package_id, answer, work)
    rules = sorted({each.rule for each in findings})
    log.info("package_rejected", **_facts(arrival, package_id), findings=len(findings), rules=rules)
    metrics.PACKAGES.labels(arrival.channel.value, "rejected").inc()


async def remember(arrival: Arrival, package_id: UUID, answer: StoredAnswer | None, work: Work[IngestState]) -> None:
    """Remember an arrival by its sender's name for it."""
    if arrival.key is not None:
        await work.context.arrivals.add(work.session, arrival.key, arrival.sha256, package_id, answer)


def publish_received(
    arrival: Arrival, package_id: UUID, receipts: tuple[Receipt, ...], work: Work[Any]
) -> StoredAnswer:
    """Answer that something is on disk."""
    data = PackageReceivedV1(
        package_id=package_id, answers=arrival.answers, received_at=arrival.received_at, submissions=receipts
    )
    return _stored(work.publish(data, unit=arrival.unit, cause=arrival.event, correlation_id=str(package_id)))


async def _accept(
    arrival: Arrival,
    package_id: UUID,
    content: Incoming,
    work: Work[IngestState],
    *,
    reports: tuple[TakenReport, ...],
    deliveries: dict[DeliveryId, Delivery],
) -> None:
    """Store and publish the reports, each numbered within its delivery."""
    await add_package(work.session, _package(arrival, package_id, work, content, ()))
    submissions, numbered = [], []
    for report in reports:
        delivery = replace(deliveries[report.delivery], version=deliveries[report.delivery].version + 1)
        numbered.append(delivery)
        submissions.append(Submission(delivery.id, delivery.version, package_id, arrival.received_at))
        data = SubmissionReceivedV1(
            delivery_id=delivery.id,
            package_id=package_id,
            version=delivery.version,
            received_at=arrival.received_at,
            release=work.context.snapshot.release,
            channel=arrival.channel,
            document_number=content.document_number,
            original=arrival.original,
            sent_as=arrival.sent_as,
            cells=report.cells,
            explanations=report.explanations,
        )
        work.publish(
            data, unit=arrival.unit, subject=str(delivery.id), cause=arrival.event, correlation_id=str(package_id)
        )
        metrics.CELLS.labels(arrival.channel.value).inc(len(report.cells))
    await add_submissions(work.session, submissions)
    await save_deliveries(work.session, numbered)
    log.info(
        "package_received", **_facts(arrival, package_id), versions=[f"{each.id} v{each.version}" for each in numbered]
    )
    answer = None
    if arrival.channel is Channel.KAFKA:
        receipts = tuple(Receipt(delivery_id=each.delivery, version=each.version) for each in submissions)
        answer = publish_received(arrival, package_id, receipts, work)
    await remember(arrival, package_id, answer, work)
    metrics.PACKAGES.labels(arrival.channel.value, "received").inc()


def _facts(arrival: Arrival, package_id: UUID) -> dict[str, str | None]:
    """Return what a log line says of an arrival; its transaction has still to commit."""
    return {
        "package_id": str(package_id),
        "correlation_id": str(package_id),
        "causation_id": arrival.event.id if arrival.event else None,
        "unit": arrival.unit,
        "door": arrival.channel.value,
        "received_at": arrival.received_at.isoformat(),
    }


def _package(
    arrival: Arrival, package_id: UUID, work: Work[IngestState], content: Incoming | None, findings: Found
) -> Package:
    return Package(
        id=package_id,
        unit=arrival.unit,
        form=content.form if content else None,
        document_number=content.document_number if content else None,
        channel=arrival.channel,
        received_at=arrival.received_at,
        release=work.context.reader.release,
        original=arrival.original,
        content_type=arrival.content_type,
        sender=arrival.sender,
        answers=arrival.answers,
        findings=findings,
    )


def _publish_rejection(
    arrival: Arrival, package_id: UUID | None, findings: Found, work: Work[IngestState], answer_id: str | None
) -> StoredAnswer:
    data = PackageRejectedV1(
        package_id=package_id, answers=arrival.answers, received_at=arrival.received_at, findings=findings
    )
    return _stored(
        work.publish(
            data,
            unit=arrival.unit,
            cause=arrival.event,
            correlation_id=None if package_id is None else str(package_id),
            event_id=answer_id,
        )
    )


def _stored(event: Event[EventData]) -> StoredAnswer:
    message = encode(event)
    return StoredAnswer(
        topic=topic_for(type(event.data), event.unit),
        event_id=event.id,
        headers={name: value.decode() for name, value in message.headers},
        value=message.value or b"",
    )


def _id_reused() -> Finding:
    return finding(
        Door.ID_REUSED,
        Text(
            vi="Mã này đã dùng cho một nội dung khác",
            en="This id was used before for another content",
        ),
        Text(
            vi="Gói đã sửa phải có mã mới (ce_id hoặc Idempotency-Key); mã cũ chỉ để gửi lại đúng nội dung cũ.",
            en="A corrected package needs a new id (ce_id or Idempotency-Key); the old one repeats the old content.",
        ),
    )
