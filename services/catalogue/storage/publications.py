"""Which Kafka clusters hold the whole catalogue."""

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.catalogue.storage.tables import bus, publications
from shared.bus.topics import ACCESS, CATALOGUE, CONTACTS


async def published_clusters(session: AsyncSession) -> set[str]:
    """Return the ids of the clusters that the whole catalogue was written to."""
    return set((await session.execute(select(publications.c.cluster_id))).scalars())


async def add_publication(session: AsyncSession, cluster_id: str) -> None:
    """Remember that a cluster gets the whole catalogue."""
    await session.execute(insert(publications).values(cluster_id=cluster_id).on_conflict_do_nothing())


async def drop_unsent(session: AsyncSession) -> None:
    """Forget what of the catalogue was not published yet: a part of a release must not come before the whole."""
    outbox = bus.outbox
    await session.execute(
        delete(outbox).where(
            outbox.c.sent_at.is_(None), outbox.c.topic.in_([CATALOGUE.name, CONTACTS.name, ACCESS.name])
        )
    )
