"""The sources of the watermark. Instants are machine time; leases run by the database's clock."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import DateTime, Integer, bindparam, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from services.ingest.storage.tables import SERVICE, progress, published, sources
from shared.bus.locks import lock_number

HTTP, KAFKA = "http", "kafka"
NEVER_ASKED = datetime(1970, 1, 1, tzinfo=UTC)
"""Of a partition that was not asked yet: what lies in it may be as old as it likes."""
_PUBLISHED_ROW = 1
_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(:purpose, 0)").bindparams(bindparam("purpose", type_=Integer))

Partition = tuple[str, int]
"""Topic and partition."""


async def try_watermark_lock(session: AsyncSession) -> bool:
    """Hold the right to move the watermark until the transaction ends; False when another replica has it."""
    return bool(await session.scalar(_TRY_LOCK, {"purpose": lock_number(f"{SERVICE}/watermark")}))


async def add_http_source(session: AsyncSession, source: str, at: datetime, lease: timedelta) -> None:
    """Register a replica's doors."""
    await session.execute(insert(sources).values(id=source, kind=HTTP, at=at, expires_at=func.now() + lease))


async def renew_http_source(session: AsyncSession, source: str, at: datetime, lease: timedelta) -> bool:
    """Move a replica's source and renew its lease; False when it is gone."""
    renewed = await session.execute(
        update(sources)
        .where(sources.c.id == source)
        .values(at=at, expires_at=func.now() + lease)
        .returning(sources.c.id)
    )
    return renewed.first() is not None


async def hold_http_source(session: AsyncSession, source: str) -> bool:
    """Keep a live source from being deleted until the transaction ends; False when its lease has run out.

    KEY SHARE stands in the way of the delete alone; the design's SHARE would also hold up each renewal of the lease.
    """
    held = await session.execute(
        select(sources.c.id)
        .where(sources.c.id == source, sources.c.expires_at > func.clock_timestamp())
        .with_for_update(read=True, key_share=True)
    )
    return held.first() is not None


async def drop_source(session: AsyncSession, source: str) -> None:
    """Take a source away: the replica has stopped."""
    await session.execute(delete(sources).where(sources.c.id == source))


async def drop_expired(session: AsyncSession) -> int:
    """Delete the sources whose lease has run out; waits for transactions that still hold one."""
    gone = await session.execute(delete(sources).where(sources.c.expires_at < func.now()).returning(sources.c.id))
    return len(gone.all())


async def add_kafka_sources(session: AsyncSession, partitions: Collection[Partition]) -> None:
    """Register partitions of agencies' topics, unless they are; the watermark waits until they were asked."""
    if partitions:
        await session.execute(
            upsert(sources).on_conflict_do_nothing(),
            [{"id": source_id(each), "kind": KAFKA, "at": NEVER_ASKED} for each in partitions],
        )


async def move_kafka_sources(session: AsyncSession, settled: Mapping[Partition, datetime]) -> None:
    """Move the sources of partitions forward."""
    if settled:
        instant = bindparam("instant", type_=DateTime(timezone=True))
        statement = (
            update(sources).where(sources.c.id == bindparam("source")).values(at=func.greatest(sources.c.at, instant))
        )
        await session.execute(statement, [{"source": source_id(each), "instant": at} for each, at in settled.items()])


async def kafka_sources(session: AsyncSession) -> set[str]:
    """Return the ids of the sources that are partitions of agencies' topics."""
    return set(await session.scalars(select(sources.c.id).where(sources.c.kind == KAFKA)))


async def source_instants(session: AsyncSession) -> list[datetime]:
    """Return the instant of each source."""
    return list(await session.scalars(select(sources.c.at)))


def source_id(partition: Partition) -> str:
    """Return the id of a partition's source."""
    return f"{KAFKA}/{partition[0]}/{partition[1]}"


async def advance_progress(session: AsyncSession, cluster_id: str, ends: Mapping[Partition, int]) -> None:
    """Say that everything below these offsets is in the database."""
    if not ends:
        return
    statement = upsert(progress)
    rows = [
        {"cluster_id": cluster_id, "topic": topic, "partition": partition, "next_offset": end}
        for (topic, partition), end in sorted(ends.items())
    ]
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=[progress.c.cluster_id, progress.c.topic, progress.c.partition],
            set_={"next_offset": func.greatest(progress.c.next_offset, statement.excluded.next_offset)},
        ),
        rows,
    )


async def read_progress(session: AsyncSession, cluster_id: str) -> dict[Partition, int]:
    """Return how far each partition of a cluster is in the database."""
    rows = await session.execute(
        select(progress.c.topic, progress.c.partition, progress.c.next_offset).where(
            progress.c.cluster_id == cluster_id
        )
    )
    return {(topic, partition): end for topic, partition, end in rows}


async def published_watermark(session: AsyncSession) -> datetime | None:
    """Return the last watermark published (business time)."""
    return await session.scalar(select(published.c.at).where(published.c.id == _PUBLISHED_ROW))


async def set_published_watermark(session: AsyncSession, at: datetime) -> None:
    """Remember the last watermark published."""
    statement = upsert(published).values(id=_PUBLISHED_ROW, at=at)
    await session.execute(
        statement.on_conflict_do_update(index_elements=[published.c.id], set_={"at": statement.excluded.at})
    )
