"""Which Kafka clusters have the accepted figures whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import and_, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.validate.storage.keys import is_one_of
from services.validate.storage.tables import DELIVERY, figures, publications, submissions
from shared.delivery_id import DeliveryId
from shared.events.validation_results import FiguresAcceptedV1


@dataclass(frozen=True, slots=True)
class PublishedFigures:
    """Accepted figures as they are published, and the package that they came in."""

    figures: FiguresAcceptedV1
    package_id: UUID


async def published_clusters(session: AsyncSession) -> set[str]:
    """Return the ids of the clusters that all figures were written to."""
    return set((await session.execute(select(publications.c.cluster_id))).scalars())


async def add_publication(session: AsyncSession, cluster_id: str) -> None:
    """Remember that a cluster has all figures."""
    await session.execute(insert(publications).values(cluster_id=cluster_id).on_conflict_do_nothing())


async def deliveries_with_figures(session: AsyncSession, after: DeliveryId | None, limit: int) -> list[DeliveryId]:
    """Return the next deliveries that have accepted figures, by unit, form, period and status."""
    key = tuple(figures.c[name] for name in DELIVERY)
    wanted = select(*key).order_by(*key).limit(limit)
    if after is not None:
        wanted = wanted.where(tuple_(*key) > (after.unit, after.form, str(after.period), after.status.value))
    return [DeliveryId.of(*row) for row in await session.execute(wanted)]


async def load_published(session: AsyncSession, deliveries: Sequence[DeliveryId]) -> list[PublishedFigures]:
    """Return the accepted figures of deliveries, with their packages."""
    same = and_(*(figures.c[name] == submissions.c[name] for name in (*DELIVERY, "version")))
    rows = await session.execute(
        select(figures.c.accepted, submissions.c.package_id)
        .select_from(figures.join(submissions, same))
        .where(is_one_of(figures, deliveries))
    )
    return [PublishedFigures(FiguresAcceptedV1.model_validate(row.accepted), row.package_id) for row in rows]
