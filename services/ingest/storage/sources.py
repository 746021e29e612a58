"""The sources of the watermark: rows that say up to when everything of a door is committed (machine time)."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import insert as upsert_into
from sqlalchemy.ext.asyncio import AsyncSession

from services.ingest.storage.tables import bus, sources
from shared.bus.partitions import PARTITION_COUNT
from shared.bus.topics import SUBMISSIONS, TOPICS

KAFKA_PREFIX = "kafka"


async def add_source(session: AsyncSession, name: str, at: datetime, lease_seconds: float) -> None:
    """Begin a leased row."""
    expires_at = func.now() + timedelta(seconds=lease_seconds)
    await session.execute(insert(sources).values(name=name, at=at, expires_at=expires_at))


async def renew_source(session: AsyncSession, name: str, at: datetime, lease_seconds: float) -> bool:
    """Move a leased row; return False when it is not there any more."""
    expires_at = func.now() + timedelta(seconds=lease_seconds)
    renewed = update(sources).where(sources.c.name == name).values(at=at, expires_at=expires_at)
    return (await session.execute(renewed.returning(sources.c.name))).first() is not None


async def hold_source(session: AsyncSession, name: str) -> bool:
    """Keep a row from being deleted until the transaction ends; return False when it is not there any more.

    `FOR KEY SHARE` and not `FOR SHARE`: it does not make the row's own renewal wait for every request.
    """
    held = select(sources.c.name).where(sources.c.name == name).with_for_update(read=True, key_share=True)
    return (await session.execute(held)).first() is not None


async def delete_source(session: AsyncSession, name: str) -> None:
    """Delete a row."""
    await session.execute(delete(sources).where(sources.c.name == name))


async def delete_expired(session: AsyncSession) -> int:
    """Delete leased rows that ran out, but for those that a request holds; return how many."""
    expired = select(sources.c.name).where(sources.c.expires_at < func.now()).with_for_update(skip_locked=True)
    deleted = await session.execute(delete(sources).where(sources.c.name.in_(expired)).returning(sources.c.name))
    return len(deleted.all())


async def set_kafka_sources(session: AsyncSession, settled: Mapping[str, datetime]) -> None:
    """Write the rows of the agencies' partitions as they are now; rows of others than these are deleted."""
    names = list(settled)
    await session.execute(delete(sources).where(sources.c.name.startswith(KAFKA_PREFIX), sources.c.name.not_in(names)))
    if names:
        row = upsert_into(sources)
        await session.execute(
            row.on_conflict_do_update(index_elements=[sources.c.name], set_={"at": row.excluded.at}),
            [{"name": name, "at": at} for name, at in settled.items()],
        )


async def load_sources(session: AsyncSession) -> Sequence[datetime]:
    """Return how far each source is."""
    return list((await session.execute(select(sources.c.at))).scalars())


async def last_event_ids(session: AsyncSession) -> dict[int, str]:
    """Return the id of the last event written for each partition of `submissions`, watermarks not counted."""
    outbox, transient = bus.outbox, [data_type.ce_type for data_type in TOPICS.transient]
    partitions = func.generate_series(0, PARTITION_COUNT - 1).table_valued("partition").render_derived()
    last = (
        select(outbox.c.event_id)
        .where(
            outbox.c.topic == SUBMISSIONS.name,
            outbox.c.partition == partitions.c.partition,
            outbox.c.headers["ce_type"].astext.not_in(transient),
        )
        .order_by(outbox.c.id.desc())
        .limit(1)
        .lateral()
    )
    rows = await session.execute(select(partitions.c.partition, last.c.event_id).join(last, literal(value=True)))
    return {row.partition: row.event_id for row in rows}
