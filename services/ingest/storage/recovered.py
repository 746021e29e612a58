"""What recovering asks of ingest's tables."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select, union
from sqlalchemy.ext.asyncio import AsyncSession

from services.ingest.storage.tables import arrivals, explanations, packages
from shared.delivery_id import DeliveryId


async def is_explained(session: AsyncSession, delivery: DeliveryId, version: int, at: datetime) -> bool:
    """Whether the explanation of a version that came at a business instant is stored."""
    wanted = select(explanations.c.id).where(
        explanations.c.delivery_id == str(delivery),
        explanations.c.version == version,
        explanations.c.explained_at == at,
    )
    return (await session.execute(wanted)).first() is not None


async def named_originals(session: AsyncSession, names: Collection[str]) -> set[str]:
    """Return which of these originals a package, an explanation or an arrival names."""
    wanted = list(names)
    rows = union(
        select(packages.c.original).where(packages.c.original.in_(wanted)),
        select(explanations.c.original).where(explanations.c.original.in_(wanted)),
        select(arrivals.c.sha256).where(arrivals.c.sha256.in_(wanted)),
    )
    return set(await session.scalars(rows))
