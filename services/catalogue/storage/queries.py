"""What the API asks about deliveries."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from services.catalogue.storage.deliveries import parts_of
from services.catalogue.storage.tables import deliveries, extensions, versions
from shared.delivery_id import DeliveryId

_KEY = (deliveries.c.unit, deliveries.c.form, deliveries.c.period, deliveries.c.status)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Which deliveries; None leaves a condition out. `units` are those that the asker may see."""

    units: frozenset[str] | None = None
    unit: str | None = None
    form: str | None = None
    period: str | None = None
    status: str | None = None
    state: str | None = None
    due_before: datetime | None = None
    history: bool | None = None


async def find_deliveries(
    session: AsyncSession, wanted: DeliveryFilter, after: DeliveryId | None, limit: int
) -> list[dict[str, Any]]:
    """Return rows in the order of unit, form, period, status, after a delivery."""
    conditions = [
        column == value
        for column, value in (
            (deliveries.c.unit, wanted.unit),
            (deliveries.c.form, wanted.form),
            (deliveries.c.period, wanted.period),
            (deliveries.c.status, wanted.status),
            (deliveries.c.state, wanted.state),
        )
        if value is not None
    ]
    if wanted.units is not None:
        conditions.append(deliveries.c.unit.in_(wanted.units))
    if wanted.due_before is not None:
        conditions.append(deliveries.c.due_at < wanted.due_before)
    if wanted.history is not None:
        conditions.append(deliveries.c.due_at.is_(None) if wanted.history else deliveries.c.due_at.is_not(None))
    if after is not None:
        conditions.append(tuple_(*_KEY) > tuple_(*parts_of(after)))
    query = select(deliveries).where(*conditions).order_by(*_KEY).limit(limit)
    return [dict(row) for row in (await session.execute(query)).mappings()]


async def find_delivery(session: AsyncSession, delivery: DeliveryId) -> dict[str, Any] | None:
    """Return one delivery's row with its versions and extensions, or None."""
    query = select(deliveries).where(tuple_(*_KEY) == tuple_(*parts_of(delivery)))
    row = (await session.execute(query)).mappings().one_or_none()
    if row is None:
        return None
    found = dict(row)
    for name, table, order in (
        ("versions", versions, versions.c.version),
        ("extensions", extensions, extensions.c.deadline_version),
    ):
        key = (table.c.unit, table.c.form, table.c.period, table.c.status)
        rows = await session.execute(select(table).where(tuple_(*key) == tuple_(*parts_of(delivery))).order_by(order))
        found[name] = [dict(each) for each in rows.mappings()]
    return found


async def due_dates(session: AsyncSession, ids: list[DeliveryId]) -> dict[DeliveryId, datetime]:
    """Return the dates of those deliveries that have one."""
    if not ids:
        return {}
    query = select(*_KEY, deliveries.c.due_at).where(
        tuple_(*_KEY).in_([parts_of(each) for each in ids]), deliveries.c.due_at.is_not(None)
    )
    return {
        DeliveryId.of(row["unit"], row["form"], row["period"], row["status"]): row["due_at"]
        for row in (await session.execute(query)).mappings()
    }


async def owed_next(session: AsyncSession, unit: str, form: str) -> list[DeliveryId]:
    """Return the deliveries of a unit's form that still want a report and share the earliest date."""
    wanted = (
        deliveries.c.unit == unit,
        deliveries.c.form == form,
        deliveries.c.due_at.is_not(None),
        deliveries.c.opened_at.is_not(None),
        deliveries.c.met_version.is_(None),
        deliveries.c.closed_reason.is_(None),
    )
    earliest = select(func.min(deliveries.c.due_at)).where(*wanted).scalar_subquery()
    rows = await session.execute(select(*_KEY).where(*wanted, deliveries.c.due_at == earliest))
    return [DeliveryId.of(row["unit"], row["form"], row["period"], row["status"]) for row in rows.mappings()]
