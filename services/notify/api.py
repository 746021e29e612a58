"""HTTP: what was mailed, who was told what, and who will be mailed. For the office; addresses are never shown."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from sqlalchemy import RowMapping

from services.notify.context import WebContext, reader
from services.notify.domain.delivery import Delivery
from services.notify.domain.steps import Kind
from services.notify.domain.upcoming import Upcoming, upcoming
from services.notify.storage.deliveries import load_live
from services.notify.storage.mails import MailState
from services.notify.storage.queries import find_mails, find_notices
from shared.access import Identity
from shared.delivery_id import DeliveryId
from shared.http import require
from shared.problems import ProblemError
from shared.text import Text

PAGE_MAX = 500
DAYS_MAX = 92

router = APIRouter(prefix="/v1", tags=["notify"])
Who = Annotated[Identity, Depends(reader)]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]


class NoticeOut(BaseModel):
    """One step of one delivery in a mail."""

    delivery_id: DeliveryId
    step: str
    state: MailState
    reason: str | None


class MailOut(BaseModel):
    """One mail. Instants are business time."""

    id: int = Field(description="pass the last one as `before` to read on")
    message_id: str
    unit: str
    contact_id: str
    kind: Kind
    state: MailState
    subject: str | None = Field(description="null until it was sent")
    queued_at: datetime
    done_at: datetime | None
    attempts: int
    reason: str | None = Field(description="why it failed, was suppressed, or is tried again")
    notices: tuple[NoticeOut, ...]


class ToldOut(BaseModel):
    """Who was told one step of the delivery, and in which mail."""

    step: str
    contact_id: str
    state: MailState
    reason: str | None
    kind: Kind
    message_id: str
    queued_at: datetime
    done_at: datetime | None


class ContactOut(BaseModel):
    """A contact by id and name."""

    contact_id: str
    name: str


class UpcomingOut(BaseModel):
    """One step that lies ahead."""

    at: datetime = Field(description="business time, in the calendar's zone; the mail leaves soon after")
    kind: Kind
    delivery_id: DeliveryId
    step: str
    due_at: datetime
    why: Text
    contacts: tuple[ContactOut, ...]


@router.get("/mails")
async def list_mails(
    request: Request,
    who: Who,
    *,
    contact: str | None = None,
    state: MailState | None = None,
    delivery: str | None = None,
    before: int | None = None,
    limit: Limit = 100,
) -> list[MailOut]:
    """Return mails, newest first; by contact, state, or a delivery that they name."""
    require(who, "statistician", "operator")
    wanted = _delivery(delivery) if delivery is not None else None
    async with WebContext.of(request).units_of_work.sessions() as session:
        found = await find_mails(session, contact=contact, state=state, delivery=wanted, before=before, limit=limit)
    return [_mail(mail, notices) for mail, notices in found]


@router.get("/notices")
async def list_notices(request: Request, who: Who, delivery: str, limit: Limit = PAGE_MAX) -> list[ToldOut]:
    """Return who was told what about one delivery, in order. A unit may ask about its own."""
    wanted = _delivery(delivery)
    require(who, "statistician", "operator", f"unit:{wanted.unit}")
    async with WebContext.of(request).units_of_work.sessions() as session:
        rows = await find_notices(session, wanted, limit)
    return [ToldOut.model_validate(dict(row)) for row in rows]


@router.get("/upcoming")
async def list_upcoming(
    request: Request, who: Who, days: Annotated[int, Query(ge=1, le=DAYS_MAX)] = 1
) -> list[UpcomingOut]:
    """Return who will be mailed within so many days, and why, if nothing changes until then."""
    require(who, "statistician", "operator")
    web = WebContext.of(request)
    state, now = web.context.state, web.context.clock.now()
    if state.reader.snapshot is None:
        raise ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "no_catalogue",
            Text(vi="Chưa có danh mục", en="There is no catalogue yet"),
            Text(vi="Thử lại sau ít phút.", en="Try again in a few minutes."),
            headers={"Retry-After": "5"},
        )
    async with web.units_of_work.sessions() as session:
        known: list[Delivery] = await load_live(session)
    ahead = upcoming(known, state.policy, state.contacts.by_id.values(), now, now + timedelta(days=days))
    zone = ZoneInfo(state.policy.timezone)
    return [_upcoming(each, zone) for each in ahead]


def _delivery(text: str) -> DeliveryId:
    try:
        return DeliveryId.parse(text)
    except ValueError as error:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "bad_delivery_id",
            Text(vi="Mã lần báo cáo không hợp lệ", en="This is no delivery id"),
            Text(vi=f"Viết đơn-vị/biểu/kỳ/mức-độ, mỗi phần mã hoá phần trăm: {error}", en=str(error)),
        ) from None


def _mail(mail: RowMapping, notices: Sequence[RowMapping]) -> MailOut:
    carried = tuple(NoticeOut.model_validate(dict(notice)) for notice in notices)
    return MailOut.model_validate({**dict(mail), "notices": carried})


def _upcoming(each: Upcoming, zone: ZoneInfo) -> UpcomingOut:
    return UpcomingOut(
        at=each.step.at.astimezone(zone),
        kind=each.step.kind,
        delivery_id=each.step.delivery,
        step=each.step.name,
        due_at=each.due_at.astimezone(zone),
        why=_why(each),
        contacts=tuple(ContactOut(contact_id=contact.id, name=contact.name) for contact in each.contacts),
    )


def _why(each: Upcoming) -> Text:
    if each.step.kind is Kind.REMINDER:
        return Text(vi="Chưa nhận được báo cáo.", en="The report has not been received.")
    if each.received:
        return Text(
            vi="Đã nhận nhưng chưa có bản đạt; nhắc nếu đến hạn vẫn chưa đạt.",
            en="Received, but no version is acceptable yet; told if it is still so at the deadline.",
        )
    return Text(
        vi="Chưa nhận được báo cáo; báo quá hạn nếu đến hạn vẫn chưa có.",
        en="Not received; told that it is late if it is still missing at the deadline.",
    )
