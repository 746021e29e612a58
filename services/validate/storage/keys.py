"""Deliveries as key columns."""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Table, tuple_

from services.validate.storage.tables import DELIVERY
from shared.delivery_id import DeliveryId


def key_of(delivery: DeliveryId) -> dict[str, str]:
    """Return a delivery's key columns."""
    return {
        "unit": delivery.unit,
        "form": delivery.form,
        "period": str(delivery.period),
        "status": delivery.status.value,
    }


def is_one_of(table: Table, deliveries: Iterable[DeliveryId]) -> ColumnElement[bool]:
    """Return the condition that a row belongs to one of the deliveries."""
    columns = (table.c[name] for name in DELIVERY)
    return tuple_(*columns).in_([tuple(key_of(delivery).values()) for delivery in deliveries])
