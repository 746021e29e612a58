"""Accepted figures: one row a delivery, the newest accepted version."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.validate.domain.figures import Numbers, Series
from services.validate.storage.keys import is_one_of, key_of
from services.validate.storage.tables import figures
from shared.delivery_id import DeliveryId
from shared.events.validation_results import FiguresAcceptedV1


@dataclass(frozen=True, slots=True)
class StoredFigures:
    """The numbers of an accepted version, by cell code."""

    delivery: DeliveryId
    version: int
    numbers: Numbers


async def load_figures(session: AsyncSession, series: Iterable[Series]) -> list[StoredFigures]:
    """Return the accepted figures of these (unit, form, period), all statuses, in one query."""
    wanted = [(unit, form, str(period)) for unit, form, period in series]
    if not wanted:
        return []
    rows = await session.execute(
        select(
            figures.c.unit,
            figures.c.form,
            figures.c.period,
            figures.c.status,
            figures.c.version,
            figures.c.numbers,
        ).where(tuple_(figures.c.unit, figures.c.form, figures.c.period).in_(wanted))
    )
    return [
        StoredFigures(
            DeliveryId.of(row.unit, row.form, row.period, row.status),
            row.version,
            {cell: Decimal(number) for cell, number in row.numbers.items()},
        )
        for row in rows
    ]


async def put_figures(
    session: AsyncSession, accepted: Sequence[tuple[FiguresAcceptedV1, Numbers]], at: datetime
) -> None:
    """Store accepted figures in the place of an earlier version's; an older version never replaces a newer one."""
    rows = {
        event.delivery_id: {
            **key_of(event.delivery_id),
            "version": event.version,
            "judgement": event.judgement,
            "numbers": {cell: format(number, "f") for cell, number in numbers.items()},
            "accepted": event.model_dump(mode="json", exclude_none=True),
            "accepted_at": at,
        }
        for event, numbers in accepted
    }
    statement = insert(figures)
    new = statement.excluded
    await session.execute(
        statement.on_conflict_do_update(
            constraint=figures.primary_key,
            set_={name: new[name] for name in ("version", "judgement", "numbers", "accepted", "accepted_at")},
            where=figures.c.version <= new.version,
        ),
        list(rows.values()),
    )


async def figures_of(session: AsyncSession, delivery: DeliveryId) -> FiguresAcceptedV1 | None:
    """Return the accepted figures of a delivery, None when there are none."""
    body = await session.scalar(select(figures.c.accepted).where(is_one_of(figures, [delivery])))
    return None if body is None else FiguresAcceptedV1.model_validate(body)
