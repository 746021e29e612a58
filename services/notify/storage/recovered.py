"""Stores what became of mails by what was published of them: for recovering."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.notify.domain.steps import Kind
from services.notify.storage.mails import MailState
from services.notify.storage.tables import mails, notices
from shared.events.notifications import NotificationEvent

_UNDONE = (MailState.QUEUED.value, MailState.SENDING.value)
_LONG_AGO = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
"""Of a mail that is done: nobody looks for its next attempt."""


async def settle_mail(
    session: AsyncSession, event: NotificationEvent, state: MailState, *, unit: str, kind: Kind, occasion: str
) -> bool:
    """Note the end that a mail, or some of its notices, came to; return whether that was not known.

    A mail that is not there is added with its notices; one that waits in the queue is taken out of it. Notices alone
    end when a mail is suppressed in part: it stays where it is while others of its notices wait.
    """
    mail_id = await session.scalar(select(mails.c.id).where(mails.c.message_id == event.message_id))
    if mail_id is None:
        mail_id = await _add(session, event, state, unit=unit, kind=kind, occasion=occasion)
    named = [
        {
            "delivery_id": str(notice.delivery_id),
            "step": notice.step,
            "contact_id": event.contact_id,
            "mail_id": mail_id,
            "state": state.value,
        }
        for notice in event.notices
    ]
    row = insert(notices)
    noted = await session.execute(
        row.on_conflict_do_update(
            index_elements=[notices.c.delivery_id, notices.c.step, notices.c.contact_id],
            set_={"state": row.excluded.state},
            where=notices.c.state == MailState.QUEUED.value,
        ).returning(notices.c.step),
        named,
    )
    changed = bool(noted.all())
    if state is not MailState.SUPPRESSED or not await _waits(session, mail_id):
        await session.execute(
            update(mails)
            .where(mails.c.id == mail_id, mails.c.state.in_(_UNDONE))
            .values(state=state.value, done_at=event.at, claimed_until=None)
        )
    return changed


async def _waits(session: AsyncSession, mail_id: int) -> bool:
    waiting = select(notices.c.step).where(notices.c.mail_id == mail_id, notices.c.state == MailState.QUEUED.value)
    return (await session.execute(waiting.limit(1))).first() is not None


async def _add(
    session: AsyncSession, event: NotificationEvent, state: MailState, *, unit: str, kind: Kind, occasion: str
) -> int:
    added = (
        insert(mails)
        .values(
            message_id=event.message_id,
            unit=unit,
            contact_id=event.contact_id,
            kind=kind.value,
            occasion=occasion,
            state=state.value,
            attempts=0,
            queued_at=event.at,
            done_at=event.at,
            next_attempt_at=_LONG_AGO,
        )
        .returning(mails.c.id)
    )
    mail_id: int = (await session.execute(added)).scalar_one()
    return mail_id
