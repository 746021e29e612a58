"""Stores deliveries and the versions received for them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import RowMapping, Select, bindparam, delete, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.catalogue.domain.delivery import Delivery, Met, State, Version
from services.catalogue.domain.schedule import Planned
from services.catalogue.storage.tables import deadline_events, deliveries, extensions, plans, versions
from shared.bus.partitions import slot_of
from shared.deadline import LAST_SECOND
from shared.delivery_id import DeliveryId
from shared.events.catalogue import Shift
from shared.events.deadlines import ClosedReason
from shared.events.findings import Verdict

_KEY = (deliveries.c.unit, deliveries.c.form, deliveries.c.period, deliveries.c.status)
_VERSION_KEY = (versions.c.unit, versions.c.form, versions.c.period, versions.c.status)


def parts_of(delivery: DeliveryId) -> tuple[str, str, str, str]:
    """Return an id's four parts as they are stored."""
    return delivery.unit, delivery.form, str(delivery.period), delivery.status.value


def _named(delivery: DeliveryId) -> dict[str, Any]:
    return dict(zip(("unit", "form", "period", "status"), parts_of(delivery), strict=True))


async def load_deliveries(session: AsyncSession, ids: Collection[DeliveryId]) -> dict[DeliveryId, Delivery]:
    """Return the deliveries among these ids that exist, with their versions."""
    if not ids:
        return {}
    return await _load(session, select(deliveries).where(tuple_(*_KEY).in_([parts_of(each) for each in ids])))


async def load_all_statuses(session: AsyncSession, ids: Collection[DeliveryId]) -> dict[DeliveryId, Delivery]:
    """Return the deliveries of the same units, forms and periods, whatever their status, with their versions."""
    if not ids:
        return {}
    wanted = {parts_of(each)[:3] for each in ids}
    return await _load(session, select(deliveries).where(tuple_(*_KEY[:3]).in_(sorted(wanted))))


async def load_open(session: AsyncSession) -> dict[DeliveryId, Delivery]:
    """Return the deliveries with a date that are open and neither met nor closed, with their versions."""
    return await _load(
        session,
        select(deliveries).where(
            deliveries.c.opened_at.is_not(None),
            deliveries.c.due_at.is_not(None),
            deliveries.c.met_version.is_(None),
            deliveries.c.closed_reason.is_(None),
        ),
    )


async def _load(session: AsyncSession, query: Select[Any]) -> dict[DeliveryId, Delivery]:
    rows = (await session.execute(query)).mappings().all()
    keys = [tuple(row[name] for name in ("unit", "form", "period", "status")) for row in rows]
    if not keys:
        return {}
    found: dict[tuple[Any, ...], dict[int, Version]] = {}
    for row in (await session.execute(select(versions).where(tuple_(*_VERSION_KEY).in_(keys)))).mappings():
        key = (row["unit"], row["form"], row["period"], row["status"])
        found.setdefault(key, {})[row["version"]] = _version(row)
    loaded = (_delivery(row, found.get(key, {})) for row, key in zip(rows, keys, strict=True))
    return {delivery.id: delivery for delivery in loaded}


async def load_versions(session: AsyncSession, ids: Collection[DeliveryId]) -> dict[DeliveryId, dict[int, Version]]:
    """Return the versions of these deliveries, whether or not the deliveries exist."""
    found: dict[DeliveryId, dict[int, Version]] = {}
    if not ids:
        return found
    query = select(versions).where(tuple_(*_VERSION_KEY).in_([parts_of(each) for each in ids]))
    for row in (await session.execute(query)).mappings():
        found.setdefault(_id(row), {})[row["version"]] = _version(row)
    return found


async def save_deliveries(session: AsyncSession, changed: Sequence[Delivery]) -> None:
    """Store what may change of deliveries that exist."""
    if changed:
        key: dict[str, Any] = {name: bindparam(f"key_{name}") for name in ("unit", "form", "period", "status")}
        connection = await session.connection()  # past the unit of work's own bookkeeping: a plain executemany
        await connection.execute(
            update(deliveries).where(*(column == key[column.name] for column in _KEY)),
            [
                {**_values(each), **{f"key_{name}": value for name, value in _named(each.id).items()}}
                for each in changed
            ],
        )


async def save_versions(session: AsyncSession, changed: Iterable[tuple[DeliveryId, Version]]) -> None:
    """Store versions, new ones and changed ones."""
    rows = [
        {
            **_named(delivery),
            "version": version.number,
            "received_at": version.received_at,
            "received": version.received,
            "judgement": version.judgement,
            "verdict": version.verdict.value if version.verdict else None,
            "acceptable": version.acceptable,
            "explained_at": list(version.explained_at),
        }
        for delivery, version in changed
    ]
    if rows:
        row = insert(versions)
        changing = ("received_at", "received", "judgement", "verdict", "acceptable", "explained_at")
        await session.execute(
            row.on_conflict_do_update(
                index_elements=[*_VERSION_KEY, versions.c.version],
                set_={name: row.excluded[name] for name in changing},
            ),
            rows,
        )


async def add_planned(session: AsyncSession, planned: Sequence[Planned], release: int) -> None:
    """Store deliveries to come; one that exists already is left as it is."""
    if planned:
        await session.execute(
            insert(deliveries).on_conflict_do_nothing(),
            [
                {
                    **_named(each.id),
                    **_plan_values(each),
                    "slot": slot_of(each.id.unit),
                    "last_month": each.id.period.last_month_code,
                    "state": State.PLANNED.value,
                    "release": release,
                }
                for each in planned
            ],
        )


async def change_planned(session: AsyncSession, planned: Sequence[Planned]) -> None:
    """Store other dates of deliveries that are not open yet."""
    for each in planned:
        await session.execute(
            update(deliveries)
            .where(*_is(each.id), deliveries.c.state == State.PLANNED.value)
            .values(_plan_values(each))
        )


async def drop_planned(session: AsyncSession, ids: Iterable[DeliveryId]) -> None:
    """Delete deliveries that are not open yet and that nobody owes any more."""
    for each in ids:
        await session.execute(delete(deliveries).where(*_is(each), deliveries.c.state == State.PLANNED.value))


async def stored_plans(session: AsyncSession) -> dict[DeliveryId, Planned | None]:
    """Return every delivery: its plan while it is planned, None once it was opened."""
    columns = (*_KEY, deliveries.c.due_rule, deliveries.c.shift, deliveries.c.open_days_before)
    rows = await session.execute(select(*columns, deliveries.c.opens_at, deliveries.c.due_at, deliveries.c.state))
    found: dict[DeliveryId, Planned | None] = {}
    for row in rows.mappings():
        delivery = _id(row)
        is_planned = row["state"] == State.PLANNED.value
        found[delivery] = (
            Planned(
                delivery,
                row["due_rule"],
                Shift(row["shift"]),
                row["open_days_before"],
                row["opens_at"],
                row["due_at"],
            )
            if is_planned
            else None
        )
    return found


async def ids_to_open(session: AsyncSession, now: datetime, limit: int) -> list[DeliveryId]:
    """Return planned deliveries whose opening has come, those of one unit together."""
    query = (
        select(*_KEY)
        .where(deliveries.c.state == State.PLANNED.value, deliveries.c.opens_at <= now)
        .order_by(*_KEY)
        .limit(limit)
    )
    return [_id(row) for row in (await session.execute(query)).mappings()]


async def ids_to_pass(session: AsyncSession, watermarks: Mapping[int, datetime], limit: int) -> list[DeliveryId]:
    """Return unsettled deliveries whose deadline has ended by the watermark of their unit's partition.

    Those are left out that wait for the judgement of what was in time: the verdict's own handler looks at them.
    """
    waiting = (
        select(versions.c.version)
        .where(
            *(column == own for column, own in zip(_VERSION_KEY, _KEY, strict=True)),
            versions.c.judgement == 0,
            versions.c.received_at < deliveries.c.due_at + LAST_SECOND,
        )
        .exists()
    )
    found: list[DeliveryId] = []
    for slot, at in sorted(watermarks.items()):
        query = (
            select(*_KEY)
            .where(
                deliveries.c.slot == slot,
                deliveries.c.due_at <= at - LAST_SECOND,
                deliveries.c.opened_at.is_not(None),
                deliveries.c.passed_at.is_(None),
                deliveries.c.met_version.is_(None),
                deliveries.c.closed_reason.is_(None),
                ~waiting,
            )
            .order_by(deliveries.c.due_at)
            .limit(limit)
        )
        found += [_id(row) for row in (await session.execute(query)).mappings()]
    return found


async def claim_events(
    session: AsyncSession, events: Sequence[tuple[DeliveryId, int, str]], time: datetime
) -> set[tuple[DeliveryId, int, str]]:
    """Record (delivery, deadline version, type) of deadline events and return those that were not told before."""
    fresh: set[tuple[DeliveryId, int, str]] = set()
    if not events:
        return fresh
    rows = [
        {**_named(delivery), "deadline_version": number, "type": kind, "time": time}
        for delivery, number, kind in events
    ]
    table = deadline_events.c
    statement = insert(deadline_events).on_conflict_do_nothing()
    result = await session.execute(
        statement.returning(table.unit, table.form, table.period, table.status, table.deadline_version, table.type),
        rows,
    )
    for row in result.mappings():
        fresh.add((_id(row), row["deadline_version"], row["type"]))
    return fresh


@dataclass(frozen=True, slots=True)
class Extension:
    """A decision to grant more time."""

    before: datetime | None
    reason: str
    document_number: str | None
    granted_by: str
    granted_at: datetime


async def add_extension(session: AsyncSession, delivery: Delivery, extension: Extension) -> None:
    """Store who granted the delivery's present date, when and why."""
    await session.execute(
        insert(extensions).values(
            **_named(delivery.id),
            deadline_version=delivery.deadline_version,
            due_at=delivery.due_at,
            before=extension.before,
            reason=extension.reason,
            document_number=extension.document_number,
            granted_by=extension.granted_by,
            granted_at=extension.granted_at,
        )
    )


async def last_planning(session: AsyncSession) -> tuple[int, date] | None:
    """Return by which release and on which business day deliveries were planned last."""
    row = (await session.execute(select(plans.c.release, plans.c.day))).one_or_none()
    return None if row is None else (row.release, row.day)


async def store_planning(session: AsyncSession, release: int, day: date) -> None:
    """Remember that deliveries are planned."""
    row = insert(plans).values(id=1, release=release, day=day)
    await session.execute(row.on_conflict_do_update(index_elements=[plans.c.id], set_={"release": release, "day": day}))


async def count_by_state(session: AsyncSession) -> dict[str, int]:
    """Return how many deliveries with a date are in each state."""
    rows = await session.execute(
        select(deliveries.c.state, func.count().label("number"))
        .where(deliveries.c.due_at.is_not(None))
        .group_by(deliveries.c.state)
    )
    return {row.state: row.number for row in rows}


def _is(delivery: DeliveryId) -> tuple[Any, ...]:
    return tuple(column == value for column, value in zip(_KEY, parts_of(delivery), strict=True))


def _id(row: RowMapping) -> DeliveryId:
    return DeliveryId.of(row["unit"], row["form"], row["period"], row["status"])


def _plan_values(planned: Planned) -> dict[str, Any]:
    return {
        "due_rule": planned.due_rule,
        "shift": planned.shift.value,
        "open_days_before": planned.open_days_before,
        "opens_at": planned.opens_at,
        "due_at": planned.due_at,
    }


def _values(delivery: Delivery) -> dict[str, Any]:
    return {
        "state": delivery.state.value,
        "deadline_version": delivery.deadline_version,
        "due_at": delivery.due_at,
        "extended": delivery.extended,
        "release": delivery.release,
        "opened_at": delivery.opened_at,
        "passed_at": delivery.passed_at,
        "met_version": delivery.met.version if delivery.met else None,
        "met_received_at": delivery.met.received_at if delivery.met else None,
        "closed_reason": delivery.closed.value if delivery.closed else None,
    }


def _version(row: RowMapping) -> Version:
    return Version(
        number=row["version"],
        received_at=row["received_at"],
        received=row["received"],
        judgement=row["judgement"],
        verdict=Verdict(row["verdict"]) if row["verdict"] else None,
        acceptable=row["acceptable"],
        explained_at=tuple(row["explained_at"]),
    )


def _delivery(row: RowMapping, found: Mapping[int, Version]) -> Delivery:
    return Delivery(
        id=_id(row),
        due_rule=row["due_rule"],
        shift=Shift(row["shift"]),
        open_days_before=row["open_days_before"],
        opens_at=row["opens_at"],
        due_at=row["due_at"],
        release=row["release"],
        deadline_version=row["deadline_version"],
        extended=row["extended"],
        opened_at=row["opened_at"],
        passed_at=row["passed_at"],
        met=Met(row["met_version"], row["met_received_at"]) if row["met_version"] is not None else None,
        closed=ClosedReason(row["closed_reason"]) if row["closed_reason"] else None,
        versions=found,
    )
