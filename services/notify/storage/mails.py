"""The queue of outgoing mails, and the notices that each carries."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.notify.domain.mails import PlannedMail
from services.notify.domain.steps import Kind, Step
from services.notify.storage.steps import step_of
from services.notify.storage.tables import mails, notices, steps
from shared.events.notifications import Notice

REASON_LENGTH_MAX = 500


class MailState(StrEnum):
    """Where a mail is; the last three are ends. A notice has the same states but for `sending`."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    SUPPRESSED = "suppressed"
    FAILED = "failed"


_UNDONE = (MailState.QUEUED.value, MailState.SENDING.value)


@dataclass(frozen=True, slots=True)
class QueuedMail:
    """A mail that one sender has claimed. `attempt` counts from 1 and is the claim's number."""

    id: int
    message_id: str
    unit: str
    contact_id: str
    kind: Kind
    occasion: str
    attempt: int
    steps: tuple[Step, ...]


async def told_already(session: AsyncSession, contact_id: str, told: Collection[Step]) -> set[Step]:
    """Return which of these steps the contact has a notice of."""
    keys = {(str(step.delivery), step.name): step for step in told}
    known = select(notices.c.delivery_id, notices.c.step).where(
        notices.c.contact_id == contact_id, tuple_(notices.c.delivery_id, notices.c.step).in_(list(keys))
    )
    return {keys[delivery, name] for delivery, name in await session.execute(known)}


async def add_mail(
    session: AsyncSession, mail: PlannedMail, *, message_id: str, unit: str, queued_at: datetime, now: datetime
) -> None:
    """Queue a mail with its notices; `queued_at` is business time, `now` machine time."""
    added = (
        insert(mails)
        .values(
            message_id=message_id,
            unit=unit,
            contact_id=mail.contact_id,
            kind=mail.kind.value,
            occasion=mail.occasion,
            state=MailState.QUEUED.value,
            attempts=0,
            queued_at=queued_at,
            next_attempt_at=now,
        )
        .returning(mails.c.id)
    )
    mail_id = (await session.execute(added)).scalar_one()
    rows = [
        {
            "delivery_id": str(step.delivery),
            "step": step.name,
            "contact_id": mail.contact_id,
            "mail_id": mail_id,
            "state": MailState.QUEUED.value,
        }
        for step in mail.steps
    ]
    await session.execute(insert(notices), rows)


async def next_due(session: AsyncSession, now: datetime) -> tuple[int, str] | None:
    """Return (id, unit) of the mail that has waited longest for its turn (machine time), or None."""
    query = select(mails.c.id, mails.c.unit).where(_due(now)).order_by(mails.c.next_attempt_at, mails.c.id).limit(1)
    row = (await session.execute(query)).first()
    return (row.id, row.unit) if row is not None else None


async def claim(session: AsyncSession, mail_id: int, *, now: datetime, until: datetime) -> QueuedMail | None:
    """Take a due mail until a machine instant, or return None when another sender was faster."""
    claimed = (
        update(mails)
        .where(mails.c.id == mail_id, _due(now))
        .values(
            state=MailState.SENDING.value, attempts=mails.c.attempts + 1, claimed_until=until, next_attempt_at=until
        )
        .returning(mails)
    )
    row = (await session.execute(claimed)).mappings().first()
    if row is None:
        return None
    told = await session.execute(
        select(steps)
        .join(notices, and_(notices.c.delivery_id == steps.c.delivery_id, notices.c.step == steps.c.name))
        .where(notices.c.mail_id == mail_id, notices.c.state == MailState.QUEUED.value)
    )
    return QueuedMail(
        id=row["id"],
        message_id=row["message_id"],
        unit=row["unit"],
        contact_id=row["contact_id"],
        kind=Kind(row["kind"]),
        occasion=row["occasion"],
        attempt=row["attempts"],
        steps=tuple(sorted(step_of(each) for each in told.mappings())),
    )


async def strike_out(session: AsyncSession, mail: QueuedMail, step: Step, reason: str) -> None:
    """Note that a step of a queued mail is not told any more."""
    await session.execute(
        update(notices)
        .where(notices.c.mail_id == mail.id, notices.c.delivery_id == str(step.delivery), notices.c.step == step.name)
        .values(state=MailState.SUPPRESSED.value, reason=reason)
    )


async def finish(
    session: AsyncSession,
    mail: QueuedMail,
    state: MailState,
    *,
    at: datetime,
    subject: str | None = None,
    reason: str | None = None,
) -> bool:
    """Note a mail's end at a business instant; return False when the claim is not ours any more."""
    values = {
        "state": state.value,
        "done_at": at,
        "claimed_until": None,
        "subject": subject,
        "reason": _short(reason),
    }
    done = await _update_claimed(session, mail, values)
    if done:
        await session.execute(
            update(notices)
            .where(notices.c.mail_id == mail.id, notices.c.state == MailState.QUEUED.value)
            .values(state=state.value, reason=_short(reason))
        )
    return done


async def try_later(session: AsyncSession, mail: QueuedMail, *, next_attempt_at: datetime, reason: str) -> bool:
    """Put a mail back until a machine instant; return False when the claim is not ours any more."""
    values = {
        "state": MailState.QUEUED.value,
        "next_attempt_at": next_attempt_at,
        "claimed_until": None,
        "reason": _short(reason),
    }
    return await _update_claimed(session, mail, values)


async def queue_state(session: AsyncSession) -> tuple[dict[str, int], datetime | None]:
    """Return how many mails are queued and being sent, and when the oldest of them was recorded (machine time)."""
    query = (
        select(mails.c.state, func.count().label("mail_count"), func.min(mails.c.recorded_at).label("oldest"))
        .where(mails.c.state.in_(_UNDONE))
        .group_by(mails.c.state)
    )
    rows = (await session.execute(query)).all()
    counts = dict.fromkeys(_UNDONE, 0) | {row.state: row.mail_count for row in rows}
    return counts, min((row.oldest for row in rows), default=None)


def notices_of(told: Sequence[Step]) -> tuple[Notice, ...]:
    """Return the notices of steps."""
    return tuple(Notice(delivery_id=step.delivery, step=step.name) for step in told)


def _due(now: datetime) -> ColumnElement[bool]:
    """A claimed mail's next attempt is the end of its lease, so one comparison serves both states."""  # noqa: D401
    return and_(mails.c.state.in_(_UNDONE), mails.c.next_attempt_at <= now)


async def _update_claimed(session: AsyncSession, mail: QueuedMail, values: dict[str, Any]) -> bool:
    """Change a mail while the claim is ours: a late sender must not undo what another one did."""
    ours = (
        mails.c.id == mail.id,
        mails.c.state == MailState.SENDING.value,
        mails.c.attempts == mail.attempt,
    )
    changed = await session.execute(update(mails).where(*ours).values(**values).returning(mails.c.id))
    return changed.first() is not None


def _short(reason: str | None) -> str | None:
    return reason[:REASON_LENGTH_MAX] if reason is not None else None
