"""Plans deliveries: each release and each business day the calendar is worked out anew and compared with what is
stored. Planned deliveries follow the catalogue; an open one keeps its rule, but not the days off it was reckoned with.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.catalogue.deadlines import cancel, redate
from services.catalogue.domain.delivery import Delivery
from services.catalogue.domain.schedule import Planned, Schedule
from services.catalogue.storage.deliveries import (
    add_planned,
    change_planned,
    drop_planned,
    load_open,
    store_planning,
    stored_plans,
)
from shared.bus.work import Work
from shared.catalogue.snapshot import Snapshot
from shared.delivery_id import DeliveryId

REDATED_REASON = "lịch ngày nghỉ đã thay đổi · the calendar of days off changed"
"""The event has one line for people to read."""


@dataclass(frozen=True, slots=True)
class Planning:
    """What a planning found."""

    added: int = 0
    changed: int = 0
    dropped: int = 0
    redated: int = 0
    cancelled: int = 0


async def plan(work: Work[Any], snapshot: Snapshot, horizon: timedelta) -> Planning:
    """Bring the stored deliveries in line with a release; takes the locks of units whose open deliveries change."""
    schedule = Schedule.of(snapshot.calendar)
    wanted = {
        planned.id: planned
        for planned in schedule.deliveries(snapshot.obligations.values(), work.now, work.now + horizon)
    }
    stored = await stored_plans(work.session)
    new = [planned for delivery, planned in wanted.items() if delivery not in stored]
    changed = [planned for planned in wanted.values() if _differs(stored.get(planned.id), planned)]
    dropped = [delivery for delivery, planned in stored.items() if planned is not None and delivery not in wanted]
    await add_planned(work.session, new, snapshot.release)
    await change_planned(work.session, changed)
    await drop_planned(work.session, dropped)
    opened = await load_open(work.session)
    dates = _new_dates(schedule, opened)
    gone = [delivery for delivery in opened if snapshot.obligation(delivery) is None]
    await work.lock_units({delivery.unit for delivery in (*dates, *gone)})
    cancelled = await cancel(work, gone)
    moved = await redate(work, dates, REDATED_REASON)
    await store_planning(work.session, snapshot.release, work.now.astimezone(schedule.zone).date())
    return Planning(len(new), len(changed), len(dropped), moved, cancelled)


def _differs(stored: Planned | None, wanted: Planned) -> bool:
    """Whether a planned delivery has other dates. History opens as soon as it is planned: that instant may differ."""
    if stored is None or stored == wanted:
        return False
    both_history = stored.due_at is None and wanted.due_at is None
    return not both_history or stored.due_rule != wanted.due_rule


def _new_dates(schedule: Schedule, opened: dict[DeliveryId, Delivery]) -> dict[DeliveryId, datetime]:
    """Return the dates of open deliveries that the days off now put elsewhere; an extension is not touched."""
    dates = {}
    for delivery in opened.values():
        if delivery.extended:
            continue
        due_at = schedule.due_at(delivery.due_rule, delivery.shift, delivery.id.period)
        if due_at != delivery.due_at:
            dates[delivery.id] = due_at
    return dates
