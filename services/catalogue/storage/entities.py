"""Stores entities, releases and contacts."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.catalogue.domain.changes import Change, StoredEntity
from services.catalogue.domain.entities import TYPES, EntityKey, Kind, body_of
from services.catalogue.storage.tables import contacts, entities, releases
from shared.catalogue.builder import SnapshotBuilder
from shared.catalogue.snapshot import Snapshot
from shared.events.base import EventData
from shared.events.catalogue import ContactV1, ReleaseV1


async def stored_entities(session: AsyncSession) -> dict[EntityKey, StoredEntity]:
    """Return all entities, retired ones too."""
    rows = await session.execute(
        select(entities.c.kind, entities.c.key, entities.c.body, entities.c.retired_release.is_not(None))
    )
    return {(Kind(kind), key): StoredEntity(body, retired) for kind, key, body, retired in rows}


async def store_changes(session: AsyncSession, changes: Sequence[Change], release: int) -> None:
    """Store what a release changes. A retired entity keeps its last body."""
    kept = [
        {"kind": change.kind.value, "key": change.key, "body": body_of(change.data), "release": release}
        for change in changes
        if not change.retired
    ]
    if kept:
        row = insert(entities)
        await session.execute(
            row.on_conflict_do_update(
                index_elements=[entities.c.kind, entities.c.key],
                set_={"body": row.excluded.body, "release": row.excluded.release, "retired_release": None},
            ),
            kept,
        )
    for change in changes:
        if change.retired:
            await session.execute(
                update(entities)
                .where(entities.c.kind == change.kind.value, entities.c.key == change.key)
                .values(release=release, retired_release=release)
            )


async def last_release(session: AsyncSession) -> ReleaseV1 | None:
    """Return the newest release's marker, None before the first."""
    row = (await session.execute(select(releases).order_by(releases.c.release.desc()).limit(1))).one_or_none()
    if row is None:
        return None
    return ReleaseV1(release=row.release, published_at=row.published_at, entity_count=row.entity_count, note=row.note)


async def last_release_number(session: AsyncSession) -> int | None:
    """Return the newest release's number, None before the first."""
    number: int | None = await session.scalar(select(func.max(releases.c.release)))
    return number


async def store_release(session: AsyncSession, marker: ReleaseV1) -> None:
    """Store a release's marker."""
    await session.execute(insert(releases).values(marker.model_dump()))


async def load_snapshot(session: AsyncSession) -> Snapshot | None:
    """Return the catalogue as of the newest release, None before the first."""
    marker = await last_release(session)
    if marker is None:
        return None
    builder = SnapshotBuilder()
    for data in await live_entities(session):
        builder.apply(data)
    return builder.apply(marker)


async def live_entities(session: AsyncSession) -> list[EventData]:
    """Return the entities that are not retired."""
    rows = await session.execute(
        select(entities.c.kind, entities.c.body).where(entities.c.retired_release.is_(None)).order_by(entities.c.key)
    )
    by_kind: dict[Kind, list[EventData]] = {kind: [] for kind in Kind}
    for kind, body in rows:
        by_kind[Kind(kind)].append(TYPES[Kind(kind)].model_validate(body))
    return [data for kind in Kind for data in by_kind[kind]]


async def entity_releases(session: AsyncSession) -> dict[EntityKey, int]:
    """Return by which release each entity was last changed."""
    rows = await session.execute(select(entities.c.kind, entities.c.key, entities.c.release))
    return {(Kind(kind), key): release for kind, key, release in rows}


async def stored_contacts(session: AsyncSession) -> dict[str, dict[str, Any]]:
    """Return the bodies of all contacts by id."""
    rows = await session.execute(select(contacts.c.id, contacts.c.body))
    return {row.id: row.body for row in rows}


async def store_contacts(session: AsyncSession, changed: Sequence[ContactV1], gone: Collection[str]) -> None:
    """Store new and changed contacts and delete those that are gone: nobody's address is kept without need."""
    if changed:
        row = insert(contacts)
        await session.execute(
            row.on_conflict_do_update(index_elements=[contacts.c.id], set_={"body": row.excluded.body}),
            [{"id": contact.id, "body": body_of(contact)} for contact in changed],
        )
    if gone:
        await session.execute(delete(contacts).where(contacts.c.id.in_(gone)))
