"""Stores what is read back from the catalogue's own topics."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.catalogue.domain.entities import EntityKey, body_of
from services.catalogue.storage.tables import bus, entities, releases, tokens
from shared.bus.topics import ACCESS, CATALOGUE, CONTACTS
from shared.events.base import EventData
from shared.events.catalogue import ReleaseV1


async def store_read_back(
    session: AsyncSession, markers: Mapping[int, ReleaseV1], changed: Mapping[EntityKey, tuple[EventData, int]]
) -> None:
    """Store releases, and entities with the release that changed each last; one without versions is retired."""
    if markers:
        await session.execute(
            insert(releases).on_conflict_do_nothing(), [marker.model_dump() for marker in markers.values()]
        )
    if changed:
        row = insert(entities)
        await session.execute(
            row.on_conflict_do_update(
                index_elements=[entities.c.kind, entities.c.key],
                set_={name: row.excluded[name] for name in ("body", "release", "retired_release")},
            ),
            [
                {
                    "kind": kind.value,
                    "key": key,
                    "body": body_of(data),
                    "release": release,
                    "retired_release": release if getattr(data, "versions", None) == () else None,
                }
                for (kind, key), (data, release) in changed.items()
            ],
        )


async def unsent_keys(session: AsyncSession) -> dict[tuple[str, str], datetime]:
    """Return by (topic, key) when the last record was written that waits in the outbox, of catalogue and tables."""
    outbox = bus.outbox.c
    query = (
        select(outbox.topic, outbox.key, func.max(outbox.created_at))
        .where(outbox.sent_at.is_(None), outbox.topic.in_([CATALOGUE.name, CONTACTS.name, ACCESS.name]))
        .group_by(outbox.topic, outbox.key)
    )
    return {(topic, key): at for topic, key, at in await session.execute(query)}


async def known_tokens(session: AsyncSession, digests: Collection[str]) -> set[str]:
    """Return which of these tokens the database has, valid or not."""
    return set(await session.scalars(select(tokens.c.digest).where(tokens.c.digest.in_(list(digests)))))
