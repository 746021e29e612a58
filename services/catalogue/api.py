"""HTTP in: deliveries, extensions, forms to fill in."""

import asyncio
from collections.abc import Sequence
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AwareDatetime

from services.catalogue.api_models import (
    DeliveryDetail,
    DeliveryPage,
    DeliveryQuery,
    ExtensionRequest,
    WorkbookQuery,
    delivery_body,
    delivery_detail,
)
from services.catalogue.context import Context, reader, snapshot_of
from services.catalogue.deadlines import extend
from services.catalogue.domain.delivery import Delivery
from services.catalogue.domain.schedule import Schedule
from services.catalogue.domain.workbook import render
from services.catalogue.metrics import WORKBOOKS
from services.catalogue.problems import (
    bad_workbook_request,
    cannot_extend,
    not_found,
    state_cannot_extend,
)
from services.catalogue.storage.deliveries import Extension, add_extension, load_deliveries
from services.catalogue.storage.queries import DeliveryFilter, due_dates, find_deliveries, find_delivery, owed_next
from shared.access import Identity
from shared.delivery_id import DeliveryId, Status
from shared.http import require
from shared.http_deliveries import OFFICE_SCOPES, bad_delivery_id, delivery_in_path, require_unit
from shared.text import Text

DELIVERIES_PER_WORKBOOK_MAX = 12
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
DELIVERY = Text(vi="lần báo cáo", en="delivery")
FORM = Text(vi="biểu", en="form")
PREFIX, EXTENSIONS = "/v1/deliveries/", "/extensions"

router = APIRouter(tags=["deliveries"])
Reader = Annotated[Identity, Depends(reader)]


@router.get("/v1/deliveries")
async def list_deliveries(request: Request, identity: Reader, query: Annotated[DeliveryQuery, Query()]) -> DeliveryPage:
    """List deliveries by unit, form, period and status. A unit's token sees the unit's own."""
    if query.unit is not None:
        require_unit(identity, query.unit)
    wanted = DeliveryFilter(
        units=None if identity.has(*OFFICE_SCOPES) else identity.units,
        unit=query.unit,
        form=query.form,
        period=query.period,
        status=query.status,
        state=query.state,
        due_before=query.due_before,
        history=query.history,
    )
    after = _parsed(query.cursor) if query.cursor else None
    async with Context.of(request).units_of_work.sessions() as session:
        rows = await find_deliveries(session, wanted, after, query.limit + 1)
    items = tuple(delivery_body(row) for row in rows[: query.limit])
    return DeliveryPage(items=items, next=str(items[-1].id) if len(rows) > query.limit else None)


@router.post("/v1/deliveries/{delivery_id:path}/extensions", status_code=201)
async def grant_extension(
    request: Request, delivery_id: str, body: ExtensionRequest, identity: Reader
) -> DeliveryDetail:
    """Grant more time to a delivery that is open: a statistician's written decision."""
    require(identity, "statistician")
    wanted = delivery_in_path(request, delivery_id, PREFIX, EXTENSIONS)
    async with Context.of(request).units_of_work.begin([wanted.unit]) as work:
        delivery = (await load_deliveries(work.session, [wanted])).get(wanted)
        if delivery is None:
            raise not_found(DELIVERY, str(wanted))
        before = _extensible(delivery, body, work.now)
        extended = await extend(work, delivery, body.due_at, body.reason, body.document_number)
        await add_extension(
            work.session,
            extended,
            Extension(before, body.reason, body.document_number, identity.subject, work.now),
        )
        row = await find_delivery(work.session, wanted)
    if row is None:
        raise not_found(DELIVERY, str(wanted))
    return delivery_detail(row)


@router.get("/v1/deliveries/{delivery_id:path}")
async def get_delivery(request: Request, delivery_id: str, identity: Reader) -> DeliveryDetail:
    """Return one delivery; its id is four path segments, each percent-encoded."""
    wanted = delivery_in_path(request, delivery_id, PREFIX)
    require_unit(identity, wanted.unit)
    async with Context.of(request).units_of_work.sessions() as session:
        row = await find_delivery(session, wanted)
    if row is None:
        raise not_found(DELIVERY, str(wanted))
    return delivery_detail(row)


@router.get("/v1/forms/{code:path}/workbook", response_class=Response)
async def get_workbook(
    request: Request, code: str, identity: Reader, query: Annotated[WorkbookQuery, Query()]
) -> Response:
    """Return the Excel form for deliveries of one unit; without any, for what the unit owes next on it."""
    context = Context.of(request)
    snapshot = snapshot_of(request)
    unit = query.unit
    if len(query.period) != len(query.status):
        raise bad_workbook_request(
            Text(vi="Mỗi `period` cần một `status`.", en="Each `period` needs a `status` of its own.")
        )
    wanted = [_parsed(each) for each in query.delivery]
    wanted += [_built(unit, code, period, status) for period, status in zip(query.period, query.status, strict=True)]
    for owner in {each.unit for each in wanted} | ({unit} if unit else set()):
        require_unit(identity, owner)
    async with context.units_of_work.sessions() as session:
        if not wanted and unit is not None:
            wanted = await owed_next(session, unit, code)
        dates = await due_dates(session, wanted)
    if not wanted:
        raise bad_workbook_request(
            Text(
                vi="Không có lần báo cáo nào đang chờ; hãy cho `unit` và `delivery`.",
                en="No delivery is waiting; give `unit` and `delivery`.",
            )
        )
    _check_package(wanted, code, unit)
    zone = Schedule.of(snapshot.calendar).zone
    days = {each: due_at.astimezone(zone).date() for each, due_at in dates.items()}
    try:
        content = await asyncio.to_thread(render, snapshot, code, wanted, days)
    except LookupError as error:
        raise not_found(DELIVERY, str(error.args[0])) from None
    WORKBOOKS.inc()
    name = f"{code}_{'_'.join(str(each.period) for each in wanted)}_{wanted[0].unit}.xlsx".replace("/", "-")
    plain = name.encode("ascii", "replace").decode().replace("?", "_").replace('"', "_")
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}"
    return Response(content, media_type=XLSX, headers={"Content-Disposition": disposition})


def _extensible(delivery: Delivery, body: ExtensionRequest, now: AwareDatetime) -> AwareDatetime:
    """Return the present date of a delivery that can be extended; raises ProblemError 409."""
    if delivery.due_at is None or delivery.opened_at is None or delivery.is_settled:
        raise state_cannot_extend(delivery.state)
    if body.due_at <= max(delivery.due_at, now):
        raise cannot_extend(
            Text(
                vi="Hạn mới phải sau hạn hiện tại và sau thời điểm này.",
                en="The new date must be after the present one and after now.",
            )
        )
    return delivery.due_at


def _check_package(wanted: Sequence[DeliveryId], code: str, unit: str | None) -> None:
    units = {each.unit for each in wanted} | ({unit} if unit else set())
    if len(units) > 1 or any(each.form != code for each in wanted):
        raise bad_workbook_request(
            Text(
                vi="Mọi lần báo cáo phải của cùng một đơn vị và của biểu này.",
                en="All deliveries must be of one unit and of this form.",
            )
        )
    if len(wanted) > DELIVERIES_PER_WORKBOOK_MAX:
        raise bad_workbook_request(
            Text(
                vi=f"Nhiều nhất {DELIVERIES_PER_WORKBOOK_MAX} lần báo cáo trong một tệp.",
                en=f"At most {DELIVERIES_PER_WORKBOOK_MAX} deliveries in one file.",
            )
        )


def _built(unit: str | None, form: str, period: str, status: Status) -> DeliveryId:
    try:
        return DeliveryId.of(unit or "", form, period, status)
    except ValueError:
        raise bad_delivery_id(f"{unit or ''}/{form}/{period}/{status.value}") from None


def _parsed(text: str) -> DeliveryId:
    try:
        return DeliveryId.parse(text)
    except ValueError:
        raise bad_delivery_id(text) from None
