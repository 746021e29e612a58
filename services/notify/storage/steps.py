"""Stores occasions to tell somebody something, and the returned judgements behind them."""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import RowMapping, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.notify.domain.findings import Verdict
from services.notify.domain.steps import Kind, Step, judgement_of
from services.notify.storage.tables import returns, steps
from shared.delivery_id import DeliveryId
from shared.events.findings import Finding

_FINDINGS: TypeAdapter[tuple[Finding, ...]] = TypeAdapter(tuple[Finding, ...])


class StepState(StrEnum):
    """What became of a step."""

    WAITING = "waiting"
    TOLD = "told"
    NOBODY = "nobody"
    SKIPPED = "skipped"


async def add_steps(session: AsyncSession, new: Collection[Step], ready_at: datetime) -> int:
    """Store steps to be told not before `ready_at` (machine time); return how many were not there before."""
    if not new:
        return 0
    rows = [{**_row(step), "state": StepState.WAITING.value, "ready_at": ready_at} for step in sorted(set(new))]
    added = insert(steps).values(rows).on_conflict_do_nothing().returning(steps.c.name)
    return len((await session.execute(added)).all())


async def units_ready(session: AsyncSession, now: datetime, limit: int) -> list[str]:
    """Return units with a step that is ready (machine time)."""
    query = (
        select(steps.c.unit)
        .where(steps.c.state == StepState.WAITING.value, steps.c.ready_at <= now)
        .distinct()
        .order_by(steps.c.unit)
        .limit(limit)
    )
    return list((await session.execute(query)).scalars())


async def load_ready(session: AsyncSession, unit: str, now: datetime) -> list[Step]:
    """Return the steps of a unit's occasions of which every waiting step is ready (machine time)."""
    waiting = (steps.c.unit == unit, steps.c.state == StepState.WAITING.value)
    settled = (
        select(steps.c.occasion).where(*waiting).group_by(steps.c.occasion).having(func.max(steps.c.ready_at) <= now)
    )
    rows = await session.execute(select(steps).where(*waiting, steps.c.occasion.in_(settled)))
    return [step_of(row) for row in rows.mappings()]


async def set_state(session: AsyncSession, done: Collection[Step], state: StepState) -> None:
    """Note what became of steps."""
    await _update(session, done, state=state.value)


async def postpone(session: AsyncSession, later: Collection[Step], ready_at: datetime) -> None:
    """Look at steps again not before `ready_at` (machine time)."""
    await _update(session, later, ready_at=ready_at)


async def add_returns(session: AsyncSession, verdicts: Collection[tuple[DeliveryId, Verdict]]) -> None:
    """Store returned judgements; one that is there already stays."""
    if not verdicts:
        return
    rows = [
        {
            "delivery_id": str(delivery),
            "version": verdict.version,
            "judgement": verdict.judgement,
            "received_at": verdict.received_at,
            "error_count": verdict.error_count,
            "errors": _FINDINGS.dump_python(verdict.errors, mode="json"),
        }
        for delivery, verdict in verdicts
    ]
    await session.execute(insert(returns).values(rows).on_conflict_do_nothing())


async def load_returns(session: AsyncSession, told: Collection[Step]) -> dict[Step, Verdict]:
    """Return the judgements behind `returned` steps."""
    keys = {(str(step.delivery), *judgement_of(step.name)): step for step in told if step.kind is Kind.RETURNED}
    if not keys:
        return {}
    columns = tuple_(returns.c.delivery_id, returns.c.version, returns.c.judgement)
    rows = (await session.execute(select(returns).where(columns.in_(list(keys))))).mappings()
    return {keys[row["delivery_id"], row["version"], row["judgement"]]: _verdict(row) for row in rows}


def step_of(row: RowMapping) -> Step:
    """Return the step of a row that has the columns of `steps`."""
    return Step(
        delivery=DeliveryId.parse(row["delivery_id"]),
        name=row["name"],
        kind=Kind(row["kind"]),
        occasion=row["occasion"],
        at=row["at"],
        deadline_version=row["deadline_version"],
    )


async def _update(session: AsyncSession, chosen: Collection[Step], **values: Any) -> None:
    if chosen:
        keys = [(str(step.delivery), step.name) for step in chosen]
        await session.execute(update(steps).where(tuple_(steps.c.delivery_id, steps.c.name).in_(keys)).values(**values))


def _row(step: Step) -> dict[str, Any]:
    return {
        "delivery_id": str(step.delivery),
        "name": step.name,
        "unit": step.delivery.unit,
        "kind": step.kind.value,
        "occasion": step.occasion,
        "at": step.at,
        "deadline_version": step.deadline_version,
    }


def _verdict(row: RowMapping) -> Verdict:
    return Verdict(
        version=row["version"],
        judgement=row["judgement"],
        received_at=row["received_at"],
        error_count=row["error_count"],
        errors=_FINDINGS.validate_python(row["errors"]),
    )
