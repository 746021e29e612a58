"""Stores what notify knows of deliveries, and when their reminders are to be looked at."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, and_, bindparam, false, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.notify.domain.delivery import Delivery
from services.notify.storage.tables import deliveries
from shared.bus.partitions import slot_of
from shared.delivery_id import DeliveryId
from shared.events.deadlines import ClosedReason

_LIVE = and_(deliveries.c.due_at.is_not(None), ~deliveries.c.met, deliveries.c.closed.is_(None))


async def load(session: AsyncSession, ids: Collection[DeliveryId]) -> dict[DeliveryId, Delivery]:
    """Return these deliveries; one that is not known yet as it is before its first event."""
    known = await _load(session, select(deliveries).where(deliveries.c.delivery_id.in_([str(each) for each in ids])))
    return {each: known.get(each, Delivery(each)) for each in ids}


async def load_live(session: AsyncSession) -> list[Delivery]:
    """Return the deliveries with a date that are neither met nor closed, by due date."""
    query = select(deliveries).where(_LIVE).order_by(deliveries.c.due_at, deliveries.c.delivery_id)
    return list((await _load(session, query)).values())


async def save(session: AsyncSession, changed: Collection[Delivery]) -> None:
    """Store deliveries after an event; their reminders have to be planned anew."""
    if not changed:
        return
    rows = [_row(each) for each in sorted(changed, key=lambda each: each.id)]
    row = insert(deliveries)
    upsert = row.on_conflict_do_update(
        index_elements=[deliveries.c.delivery_id],
        set_={name: row.excluded[name] for name in rows[0] if name != "delivery_id"},
    )
    await session.execute(upsert, rows)


async def units_to_plan(session: AsyncSession, policy: str, release: int, limit: int) -> list[str]:
    """Return units with live deliveries whose reminders were not planned by this policy."""
    query = select(deliveries.c.unit).where(_LIVE, _unplanned(policy, release)).distinct().order_by(deliveries.c.unit)
    return list((await session.execute(query.limit(limit))).scalars())


async def load_unplanned(
    session: AsyncSession, units: Collection[str], policy: str, release: int
) -> list[tuple[Delivery, bool]]:
    """Return the live deliveries of units that are not planned by this policy, each with whether by an older one."""
    query = select(deliveries).where(_LIVE, _unplanned(policy, release), deliveries.c.unit.in_(units))
    rows = (await session.execute(query)).mappings()
    return [(_delivery(row), row["planned_with"] is not None) for row in rows]


async def set_plans(
    session: AsyncSession,
    plans: Collection[tuple[Delivery, datetime | None]],
    policy: str,
    release: int,
) -> None:
    """Note how far a delivery's reminders were looked at, and when to look again."""
    if not plans:
        return
    planned = update(deliveries).values(
        reminded_through=bindparam("through"),
        next_reminder_at=bindparam("next_at"),
        planned_with=policy,
        planned_release=release,
    )
    await session.execute(
        planned.where(deliveries.c.delivery_id == bindparam("id")),
        [{"id": str(each.id), "through": each.reminded_through, "next_at": next_at} for each, next_at in plans],
    )


async def units_to_remind(session: AsyncSession, watermarks: Mapping[int, datetime], limit: int) -> list[str]:
    """Return units with a reminder whose instant the watermark of their partition has passed."""
    query = select(deliveries.c.unit).where(_overdue(watermarks)).distinct().order_by(deliveries.c.unit).limit(limit)
    return list((await session.execute(query)).scalars())


async def load_overdue(session: AsyncSession, unit: str, watermark: datetime) -> list[Delivery]:
    """Return a unit's deliveries with a reminder whose instant the watermark has passed."""
    overdue = and_(deliveries.c.unit == unit, deliveries.c.next_reminder_at < watermark)
    return list((await _load(session, select(deliveries).where(overdue))).values())


def _overdue(watermarks: Mapping[int, datetime]) -> ColumnElement[bool]:
    return or_(
        false(),
        *(
            and_(deliveries.c.slot == slot, deliveries.c.next_reminder_at < at)
            for slot, at in sorted(watermarks.items())
        ),
    )


def _unplanned(policy: str, release: int) -> ColumnElement[bool]:
    older = and_(deliveries.c.planned_with != policy, deliveries.c.planned_release < release)
    return or_(deliveries.c.planned_with.is_(None), older)


async def _load(session: AsyncSession, query: Select[Any]) -> dict[DeliveryId, Delivery]:
    found: Iterable[RowMapping] = (await session.execute(query)).mappings()
    return {delivery.id: delivery for delivery in map(_delivery, found)}


def _delivery(row: RowMapping) -> Delivery:
    return Delivery(
        id=DeliveryId.parse(row["delivery_id"]),
        deadline_version=row["deadline_version"],
        due_at=row["due_at"],
        waiting_from=row["waiting_from"],
        reopened_at=row["reopened_at"],
        received_version=row["received_version"],
        received_at=row["received_at"],
        met=row["met"],
        closed=ClosedReason(row["closed"]) if row["closed"] else None,
        passed_version=row["passed_version"],
        reminded_through=row["reminded_through"],
    )


def _row(delivery: Delivery) -> dict[str, Any]:
    return {
        "delivery_id": str(delivery.id),
        "unit": delivery.id.unit,
        "slot": slot_of(delivery.id.unit),
        "deadline_version": delivery.deadline_version,
        "due_at": delivery.due_at,
        "waiting_from": delivery.waiting_from,
        "reopened_at": delivery.reopened_at,
        "received_version": delivery.received_version,
        "received_at": delivery.received_at,
        "met": delivery.met,
        "closed": delivery.closed.value if delivery.closed else None,
        "passed_version": delivery.passed_version,
        "reminded_through": delivery.reminded_through,
        "next_reminder_at": None,
        "planned_with": None,
        "planned_release": None,
    }
