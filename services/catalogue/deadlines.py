"""What follows from facts about deliveries: states are stored and deadline events go out in one transaction.

Every function needs the locks of the units that it touches.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from services.catalogue.domain.delivery import (
    Delivery,
    MetEffect,
    PassedEffect,
    Version,
    Versions,
    redated,
    settle,
    superseded_by,
)
from services.catalogue.metrics import DEADLINE_EVENTS, UNKNOWN_DELIVERIES
from services.catalogue.storage.deliveries import (
    claim_events,
    load_all_statuses,
    load_deliveries,
    load_versions,
    save_deliveries,
    save_versions,
)
from shared.bus.cloudevents import deterministic_id
from shared.bus.partitions import slot_of
from shared.bus.work import Work
from shared.delivery_id import DeliveryId
from shared.events.base import Event, EventData
from shared.events.deadlines import (
    ClosedReason,
    DeadlineClosedV1,
    DeadlineEvent,
    DeadlineExtendedV1,
    DeadlineMetV1,
    DeadlineOpenedV1,
    DeadlinePassedV1,
    DeadlineRedatedV1,
)
from shared.logs import get_logger

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Fact:
    """Something read about a delivery, and the event that told it."""

    delivery: DeliveryId
    learn: Callable[[Versions], Version]
    cause: Event[Any]


@dataclass(frozen=True, slots=True)
class _Outgoing:
    data: DeadlineEvent
    cause: Event[Any] | None


async def take(work: Work[Any], facts: Sequence[Fact]) -> None:
    """Take facts in, in arrival order, and tell what follows from them."""
    # Read before the deliveries: what came before a watermark was committed no later than the watermark itself.
    watermarks = await work.parts.watermarks.read_all(work.session)
    deliveries = await load_all_statuses(work.session, {fact.delivery for fact in facts})
    orphans = await load_versions(work.session, {fact.delivery for fact in facts} - deliveries.keys())
    changed: set[DeliveryId] = set()
    outgoing: list[_Outgoing] = []
    new_versions: dict[tuple[DeliveryId, int], Version] = {}
    for fact in facts:
        delivery = deliveries.get(fact.delivery)
        if delivery is None:
            # Kept until the delivery exists: after a loss of our database its opening may be read again later.
            UNKNOWN_DELIVERIES.inc()
            log.warning("fact_of_unknown_delivery", delivery=str(fact.delivery), event_id=fact.cause.id)
            version = fact.learn(orphans.setdefault(fact.delivery, {}))
            orphans[fact.delivery][version.number] = version
            new_versions[fact.delivery, version.number] = version
            continue
        version = fact.learn(delivery.versions)
        new_versions[fact.delivery, version.number] = version
        delivery, effects = _settled(delivery.with_version(version), watermarks, work.now, fact.cause)
        deliveries[fact.delivery] = delivery
        changed.add(fact.delivery)
        outgoing += effects
        if any(isinstance(effect.data, DeadlineMetV1) for effect in effects):
            for other in list(deliveries.values()):
                if superseded_by(fact.delivery, other):
                    deliveries[other.id] = replace(other, closed=ClosedReason.SUPERSEDED)
                    changed.add(other.id)
                    outgoing.append(_Outgoing(_closed(deliveries[other.id]), fact.cause))
    await save_versions(work.session, ((delivery, version) for (delivery, _), version in new_versions.items()))
    await save_deliveries(work.session, [deliveries[each] for each in sorted(changed)])
    await _tell(work, outgoing)


async def open_deliveries(work: Work[Any], ids: Collection[DeliveryId], release: int) -> int:
    """Open planned deliveries whose opening has come; return how many. They may have been opened meanwhile."""
    watermarks = await work.parts.watermarks.read_all(work.session)
    loaded = await load_deliveries(work.session, ids)
    versions = await load_versions(work.session, ids)
    opened: list[Delivery] = []
    outgoing: list[_Outgoing] = []
    for delivery in loaded.values():
        if delivery.opened_at is not None or delivery.is_settled:
            continue
        fresh = replace(
            delivery, opened_at=work.now, release=release, versions=versions.get(delivery.id, delivery.versions)
        )
        outgoing.append(_Outgoing(_opened(fresh), None))
        fresh, effects = _settled(fresh, watermarks, work.now, None)
        outgoing += effects
        opened.append(fresh)
    await save_deliveries(work.session, opened)
    await _tell(work, outgoing)
    return len(opened)


async def pass_deadlines(work: Work[Any], ids: Collection[DeliveryId]) -> int:
    """Tell which deadlines passed, by the watermark of each unit's partition; return how many."""
    watermarks = await work.parts.watermarks.read_all(work.session)
    passed: list[Delivery] = []
    outgoing: list[_Outgoing] = []
    for delivery in (await load_deliveries(work.session, ids)).values():
        after, effects = _settled(delivery, watermarks, work.now, None)
        if effects:
            passed.append(after)
            outgoing += effects
    await save_deliveries(work.session, passed)
    await _tell(work, outgoing)
    return len(passed)


async def extend(work: Work[Any], delivery: Delivery, due_at: datetime, reason: str, document: str | None) -> Delivery:
    """Grant more time: the next version of the deadline."""
    extended = redated(delivery, due_at, extended=True)
    data = DeadlineExtendedV1(
        delivery_id=extended.id,
        deadline_version=extended.deadline_version,
        due_at=due_at,
        reason=reason,
        document_number=document,
    )
    await save_deliveries(work.session, [extended])
    await _tell(work, [_Outgoing(data, None)])
    return extended


async def redate(work: Work[Any], dates: Mapping[DeliveryId, datetime], reason: str) -> int:
    """Move the dates of open deliveries, because the days off changed; return how many were moved."""
    moved: list[Delivery] = []
    outgoing: list[_Outgoing] = []
    for delivery in (await load_deliveries(work.session, dates.keys())).values():
        due_at = dates[delivery.id]
        if delivery.is_settled or delivery.extended or delivery.due_at in (None, due_at):
            continue
        after = redated(delivery, due_at)
        data = DeadlineRedatedV1(
            delivery_id=after.id, deadline_version=after.deadline_version, due_at=due_at, reason=reason
        )
        moved.append(after)
        outgoing.append(_Outgoing(data, None))
    await save_deliveries(work.session, moved)
    await _tell(work, outgoing)
    return len(moved)


async def cancel(work: Work[Any], ids: Collection[DeliveryId]) -> int:
    """Close open deliveries that nobody owes any more and for which nothing came; return how many."""
    cancelled = [
        replace(delivery, closed=ClosedReason.CANCELLED)
        for delivery in (await load_deliveries(work.session, ids)).values()
        if not delivery.is_settled and not delivery.versions and delivery.opened_at is not None
    ]
    await save_deliveries(work.session, cancelled)
    await _tell(work, [_Outgoing(_closed(delivery), None) for delivery in cancelled])
    return len(cancelled)


def _settled(
    delivery: Delivery, watermarks: Mapping[int, datetime], now: datetime, cause: Event[Any] | None
) -> tuple[Delivery, list[_Outgoing]]:
    after, effects = settle(delivery, watermarks.get(slot_of(delivery.id.unit)), now)
    outgoing: list[_Outgoing] = []
    for effect in effects:
        match effect:
            case MetEffect(met, in_time):
                data: DeadlineEvent = DeadlineMetV1(
                    delivery_id=after.id,
                    deadline_version=after.deadline_version,
                    due_at=after.due_at,
                    version=met.version,
                    received_at=met.received_at,
                    in_time=in_time,
                )
            case PassedEffect(state):
                data = DeadlinePassedV1(
                    delivery_id=after.id,
                    deadline_version=after.deadline_version,
                    due_at=after.due_at,
                    state=state.value,
                )
        outgoing.append(_Outgoing(data, cause))
    return after, outgoing


def _opened(delivery: Delivery) -> DeadlineOpenedV1:
    return DeadlineOpenedV1(
        delivery_id=delivery.id,
        deadline_version=delivery.deadline_version,
        due_at=delivery.due_at,
        due_rule=delivery.due_rule,
        release=delivery.release,
    )


def _closed(delivery: Delivery) -> DeadlineClosedV1:
    if delivery.closed is None:
        raise ValueError(f"{delivery.id} is not closed")
    return DeadlineClosedV1(
        delivery_id=delivery.id,
        deadline_version=delivery.deadline_version,
        due_at=delivery.due_at,
        reason=delivery.closed,
    )


async def _tell(work: Work[Any], outgoing: Iterable[_Outgoing]) -> None:
    """Publish deadline events, each (delivery, deadline version, type) once for all time."""
    events = {_event_key(each.data): each for each in outgoing}
    fresh = await claim_events(work.session, list(events), work.now)
    for key, each in events.items():
        if key not in fresh:
            log.warning("deadline_event_told_before", delivery=str(key[0]), deadline_version=key[1], type=key[2])
            continue
        _publish(work, each.data, each.cause)


def _publish(work: Work[Any], data: DeadlineEvent, cause: Event[EventData] | None) -> None:
    delivery, number, kind = _event_key(data)
    work.publish(
        data,
        unit=delivery.unit,
        subject=str(delivery),
        cause=cause,
        event_id=deterministic_id("deadline", str(delivery), str(number), kind),
    )
    DEADLINE_EVENTS.labels(kind).inc()


def _event_key(data: DeadlineEvent) -> tuple[DeliveryId, int, str]:
    return data.delivery_id, data.deadline_version, data.ce_type
