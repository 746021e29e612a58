"""What people may ask: mails and notices, newest first."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping, exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.notify.storage.mails import MailState
from services.notify.storage.tables import mails, notices
from shared.delivery_id import DeliveryId


async def find_mails(
    session: AsyncSession,
    *,
    contact: str | None,
    state: MailState | None,
    delivery: DeliveryId | None,
    before: int | None,
    limit: int,
) -> list[tuple[RowMapping, Sequence[RowMapping]]]:
    """Return mails, each with its notices; `before` is the id of the last one seen."""
    query = select(mails).order_by(mails.c.id.desc()).limit(limit)
    if contact is not None:
        query = query.where(mails.c.contact_id == contact)
    if state is not None:
        query = query.where(mails.c.state == state.value)
    if delivery is not None:
        query = query.where(exists().where(notices.c.mail_id == mails.c.id, notices.c.delivery_id == str(delivery)))
    if before is not None:
        query = query.where(mails.c.id < before)
    found = list((await session.execute(query)).mappings())
    carried = (
        select(notices)
        .where(notices.c.mail_id.in_([mail["id"] for mail in found]))
        .order_by(notices.c.delivery_id, notices.c.step)
    )
    by_mail: dict[int, list[RowMapping]] = defaultdict(list)
    for row in (await session.execute(carried)).mappings():
        by_mail[row["mail_id"]].append(row)
    return [(mail, by_mail[mail["id"]]) for mail in found]


async def find_notices(session: AsyncSession, delivery: DeliveryId, limit: int) -> list[RowMapping]:
    """Return who was told what about a delivery, in order."""
    columns: list[Any] = [
        notices,
        mails.c.message_id,
        mails.c.kind,
        mails.c.queued_at,
        mails.c.done_at,
        mails.c.state.label("mail_state"),
    ]
    query = (
        select(*columns)
        .join(mails, mails.c.id == notices.c.mail_id)
        .where(notices.c.delivery_id == str(delivery))
        .order_by(mails.c.id, notices.c.contact_id, notices.c.step)
        .limit(limit)
    )
    return list((await session.execute(query)).mappings())
