"""Brings ingest's database up to what it published after the copy that it was restored from (`lienthong recover`).

What was taken stands on `submissions`, what was answered on the agencies' topics of answers; both name what the sender
called it, so that numbering goes on and what comes twice is known again.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from uuid import NAMESPACE_URL, UUID, uuid5

from aiokafka import TopicPartition

from services.ingest.answered import Answer, Digests, given_out_twice, key_of, orphans, unbacked
from services.ingest.app import AGENCY_PATTERN, EVENTS_GROUP, PACKAGES_GROUP
from services.ingest.bodies import JSON_TYPE, XLSX_TYPE
from services.ingest.domain.deliveries import Delivery
from services.ingest.door import Arrival, digest_of, publish_received
from services.ingest.storage.arrivals import DoorKey, PostgresArrivals
from services.ingest.storage.deliveries import deliveries_by_id, save_deliveries
from services.ingest.storage.packages import (
    Package,
    Submission,
    add_explanation,
    add_package,
    add_submissions,
    packages_by_id,
    submission_of,
)
from services.ingest.storage.recovered import is_explained
from services.ingest.storage.sources import read_progress
from services.ingest.storage.tables import SERVICE, bus
from shared.bus.past import Told
from shared.bus.recovery import Findings, Reached, Recovery
from shared.bus.topics import AGENCY_ANSWERS, AGENCY_SUBMISSIONS, DEADLINES, SUBMISSIONS, VALIDATION_RESULTS
from shared.bus.work import Work
from shared.delivery_id import DeliveryId
from shared.events.agency import Answered, PackageReceivedV1, PackageRejectedV1, Receipt
from shared.events.submissions import Channel, SubmissionExplainedV1, SubmissionReceivedV1
from shared.text import Text

Answers = Mapping[DoorKey, Answer]


async def adopt(work: Work[None], reached: Reached, findings: Findings) -> None:
    """Store again what was taken and rejected after the copy, each under its first id and number."""
    past = reached.past
    received: list[SubmissionReceivedV1] = []
    explained: list[Told] = []
    async for told in past.events(SUBMISSIONS.pattern, (SubmissionReceivedV1, SubmissionExplainedV1)):
        if isinstance(told.event.data, SubmissionReceivedV1):
            received.append(told.event.data.model_copy(update={"cells": ()}))  # all that is large in it
        else:
            explained.append(told)
    types = (PackageReceivedV1, PackageRejectedV1)
    answered = [Answer.of(each) async for each in past.events(AGENCY_ANSWERS.pattern, types)]
    digests = await _not_taken_in(work, reached)
    # The unit's lock is held though nobody else is there: it is what may publish for it.
    units = {each.delivery_id.unit for each in received} | {each.event.unit for each in explained}
    await work.lock_units(units | {each.unit for each in answered})
    answers = {each.key: each for each in reversed(answered) if each.key is not None and each.data.package_id}
    packages = await _adopt_packages(received, answers, work, findings)
    explanations = [each for each in explained if await _adopt_explanation(each, answers, work)]
    rejections = [each for each in answered if await _adopt_rejection(each, digests, work)]
    findings.done.append(
        Text(
            vi=f"Đọc lại {packages} gói đã nhận, {len(explanations)} giải trình, {len(rejections)} lần từ chối; "
            f"{len(digests)} sự kiện của cơ quan sẽ được đọc lại.",
            en=f"Read back {packages} packages taken, {len(explanations)} explanations, {len(rejections)} rejections; "
            f"{len(digests)} events of agencies will be read again.",
        )
    )
    findings.left += await unbacked(answered, work)
    if reached.past.since is not None:
        findings.left += await orphans(reached.settings.objects, reached.past.since, digests, work)


async def _not_taken_in(work: Work[None], reached: Reached) -> Digests:
    progress = await read_progress(work.session, reached.cluster_id)
    starts = {TopicPartition(*place): offset for place, offset in progress.items()}
    return {
        (work.topics.unit_of(record.topic, None), record.offset): digest_of(record.value or b"")
        async for record in reached.past.records(AGENCY_SUBMISSIONS.pattern, starts=starts)
    }


async def _adopt_packages(
    received: Sequence[SubmissionReceivedV1], answers: Answers, work: Work[None], findings: Findings
) -> int:
    """Store packages with their numbers; return how many. A number is the first one's that had it."""
    by_package: defaultdict[UUID, list[SubmissionReceivedV1]] = defaultdict(list)
    for each in received:
        by_package[each.package_id].append(each)
    known = await packages_by_id(work.session, by_package)
    new: dict[UUID, list[SubmissionReceivedV1]] = {}
    given: set[tuple[DeliveryId, int]] = set()
    for package_id, reports in by_package.items():
        numbers = {(each.delivery_id, each.version) for each in reports}
        if package_id in known:
            continue
        if numbers & given or await _any_stored(numbers, work):
            findings.left.append(given_out_twice(package_id, numbers))
            continue
        given |= numbers
        new[package_id] = reports
    for package_id, reports in new.items():
        first = reports[0]
        arrival = _arrival(first)
        await add_package(work.session, _package(package_id, arrival, first))
        submissions = [Submission(each.delivery_id, each.version, package_id, each.received_at) for each in reports]
        await add_submissions(work.session, submissions)
        receipts = tuple(Receipt(delivery_id=each.delivery, version=each.version) for each in submissions)
        await _remember(arrival, package_id, receipts, answers, work)
    numbered = [each for reports in new.values() for each in reports]
    await save_deliveries(work.session, _numbered(await _deliveries(numbered, work), numbered).values())
    return len(new)


async def _any_stored(numbers: Collection[tuple[DeliveryId, int]], work: Work[None]) -> bool:
    for delivery, version in numbers:
        if await submission_of(work.session, delivery, version) is not None:
            return True
    return False


def _numbered(
    known: Mapping[DeliveryId, Delivery], received: Sequence[SubmissionReceivedV1]
) -> dict[DeliveryId, Delivery]:
    """Return the deliveries with the number that their last version has.

    One that is not known was opened after the copy: it has no date before its `deadline.opened` is read again.
    """
    numbered: dict[DeliveryId, Delivery] = {}
    for each in received:
        delivery = numbered.get(each.delivery_id) or known.get(each.delivery_id)
        delivery = delivery or Delivery(each.delivery_id, each.received_at, None, 1)
        numbered[each.delivery_id] = replace(delivery, version=max(delivery.version, each.version))
    return numbered


async def _deliveries(received: Sequence[SubmissionReceivedV1], work: Work[None]) -> dict[DeliveryId, Delivery]:
    return await deliveries_by_id(work.session, {each.delivery_id for each in received})


async def _adopt_explanation(told: Told, answers: Answers, work: Work[None]) -> bool:
    data: SubmissionExplainedV1 = told.event.data
    arrival = _arrival(data)
    if arrival.key is not None:
        known = await PostgresArrivals().find(work.session, arrival.key) is not None
    else:
        known = await is_explained(work.session, data.delivery_id, data.version, data.explained_at)
    if known:
        return False
    await add_explanation(
        work.session,
        explanation_id=uuid5(NAMESPACE_URL, told.event.id),
        submission=Submission(data.delivery_id, data.version, data.package_id, data.explained_at),
        at=data.explained_at,
        original=arrival.original,
        sender=None,
    )
    receipts = (Receipt(delivery_id=data.delivery_id, version=data.version),)
    await _remember(arrival, data.package_id, receipts, answers, work)
    return True


async def _adopt_rejection(answer: Answer, digests: Digests, work: Work[None]) -> bool:
    """Store a rejection; what the database has no body of will be read, and rejected, once more."""
    data = answer.data
    digest = None if data.answers.offset is None else digests.get((answer.unit, data.answers.offset))
    if not isinstance(data, PackageRejectedV1) or data.package_id is None or answer.key is None or digest is None:
        return False
    if await PostgresArrivals().find(work.session, answer.key):
        return False
    package = Package(
        id=data.package_id,
        unit=answer.unit,
        form=None,
        document_number=None,
        channel=Channel.KAFKA,
        received_at=data.received_at,
        release=None,
        original=digest,
        content_type=JSON_TYPE,
        sender=None,
        answers=data.answers,
        findings=data.findings,
    )
    await add_package(work.session, package)
    await PostgresArrivals().add(work.session, answer.key, digest, data.package_id, answer.stored)
    return True


def _arrival(data: SubmissionReceivedV1 | SubmissionExplainedV1) -> Arrival:
    """Return what came to the door, as far as its event tells; who held the token is not known any more."""
    unit = data.delivery_id.unit
    sent_as = Answered.model_validate(data.sent_as.model_dump()) if data.sent_as is not None else Answered()
    if isinstance(data, SubmissionReceivedV1):
        channel, at = data.channel, data.received_at
    else:
        channel, at = (Channel.HTTP_JSON if sent_as.offset is None else Channel.KAFKA), data.explained_at
    return Arrival(
        unit=unit,
        key=key_of(unit, sent_as),
        sha256=data.original or "",
        original=data.original or "",
        channel=channel,
        content_type=XLSX_TYPE if channel is Channel.HTTP_EXCEL else JSON_TYPE,
        received_at=at,
        sender=None,
        answers=sent_as,
    )


def _package(package_id: UUID, arrival: Arrival, report: SubmissionReceivedV1) -> Package:
    return Package(
        id=package_id,
        unit=arrival.unit,
        form=report.delivery_id.form,
        document_number=report.document_number,
        channel=arrival.channel,
        received_at=arrival.received_at,
        release=report.release,
        original=arrival.original,
        content_type=arrival.content_type,
        sender=None,
        answers=arrival.answers,
    )


async def _remember(
    arrival: Arrival, package_id: UUID, receipts: tuple[Receipt, ...], answers: Answers, work: Work[None]
) -> None:
    """Know an arrival again by its sender's name for it, with its answer; on Kafka it gets one now if it had none."""
    if arrival.key is None or not arrival.sha256 or await PostgresArrivals().find(work.session, arrival.key):
        return
    before = answers.get(arrival.key)
    answer = before.stored if before is not None else None
    if answer is None and arrival.channel is Channel.KAFKA:
        answer = publish_received(arrival, package_id, receipts, work)
    await PostgresArrivals().add(work.session, arrival.key, arrival.sha256, package_id, answer)


RECOVERY = Recovery(
    service=SERVICE,
    tables=bus,
    groups={PACKAGES_GROUP: AGENCY_PATTERN, EVENTS_GROUP: f"{DEADLINES.pattern}|{VALIDATION_RESULTS.pattern}"},
    adopt=adopt,
    positions=read_progress,
    from_positions=frozenset({PACKAGES_GROUP}),
)
