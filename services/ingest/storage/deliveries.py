"""The deliveries that ingest knows, by their deadline events."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.ingest.domain.deliveries import Delivery
from services.ingest.storage.tables import deliveries
from shared.delivery_id import DeliveryId
from shared.events.deadlines import ClosedReason


async def deliveries_of_form(session: AsyncSession, unit: str, form: str) -> dict[DeliveryId, Delivery]:
    """Return a unit's deliveries of one form, open and closed."""
    rows = await session.execute(select(deliveries).where(deliveries.c.unit == unit, deliveries.c.form == form))
    return {delivery.id: delivery for delivery in map(_delivery, rows)}


async def deliveries_by_id(session: AsyncSession, ids: Collection[DeliveryId]) -> dict[DeliveryId, Delivery]:
    """Return these deliveries, as far as they are known."""
    rows = await session.execute(select(deliveries).where(deliveries.c.id.in_([str(each) for each in ids])))
    return {delivery.id: delivery for delivery in map(_delivery, rows)}


async def open_deliveries(session: AsyncSession, units: Collection[str] | None, form: str | None) -> list[Delivery]:
    """Return what may be sent, of these units (None: of all) and this form, in order of their ids."""
    query = select(deliveries).where(deliveries.c.closed.is_(None)).order_by(deliveries.c.id)
    if units is not None:
        query = query.where(deliveries.c.unit.in_(sorted(units)))
    if form is not None:
        query = query.where(deliveries.c.form == form)
    return [_delivery(row) for row in await session.execute(query)]


async def save_deliveries(session: AsyncSession, changed: Iterable[Delivery]) -> None:
    """Write deliveries as they are now; their units are locked."""
    rows = [_values(delivery) for delivery in changed]
    if not rows:
        return
    statement = insert(deliveries)
    names = ("due_at", "deadline_version", "closed", "closed_at", "version")
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=[deliveries.c.id], set_={name: statement.excluded[name] for name in names}
        ),
        rows,
    )


def _values(delivery: Delivery) -> Mapping[str, object]:
    return {
        "id": str(delivery.id),
        "unit": delivery.id.unit,
        "form": delivery.id.form,
        "opened_at": delivery.opened_at,
        "due_at": delivery.due_at,
        "deadline_version": delivery.deadline_version,
        "closed": delivery.closed.value if delivery.closed else None,
        "closed_at": delivery.closed_at,
        "version": delivery.version,
    }


def _delivery(row: Any) -> Delivery:
    return Delivery(
        id=DeliveryId.parse(row.id),
        opened_at=row.opened_at,
        due_at=row.due_at,
        deadline_version=row.deadline_version,
        closed=ClosedReason(row.closed) if row.closed else None,
        closed_at=row.closed_at,
        version=row.version,
    )
