"""From a request to a committed package: read with a limit, note the end of the body, parse, keep, decide, commit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

import fastapi

from services.ingest import metrics
from services.ingest.bodies import (
    JSON_TYPE,
    MULTIPART_TYPE,
    XLSX_TYPE,
    file_of_form,
    media_type,
    not_json,
    read_limited,
    unsupported,
)
from services.ingest.context import Context
from services.ingest.domain.findings import printable
from services.ingest.domain.incoming import Incoming, incoming_of
from services.ingest.domain.schema import NotJsonError, read_body
from services.ingest.domain.workbook import incoming_of_workbook
from services.ingest.door import Arrival, Found, Outcome, digest_of, take
from services.ingest.explaining import explain
from services.ingest.http_source import Ticket
from services.ingest.storage.arrivals import door_key
from services.ingest.workbook_file import WorkbookError, open_workbook
from shared.access import Identity
from shared.bus.unit_of_work import UnitOfWorkFactory
from shared.bus.work import Work
from shared.events.agency import Answered, ExplanationV1, PackageV1
from shared.events.submissions import Channel
from shared.failpoints import reach
from shared.problems import ProblemError, UnavailableError
from shared.text import Text

HTTP_SOURCE = "http"
DOCUMENT_NUMBER_LENGTH_MAX = 64


@dataclass(frozen=True, slots=True)
class Request:
    """A request at a door: who asks, and for which unit."""

    http: fastapi.Request
    context: Context
    identity: Identity
    unit: str
    key: str | None


async def take_package(request: Request, document_number: str | None) -> Outcome:
    """Take a package as JSON or as a workbook; raises ProblemError for what is no package at all."""
    settings, given = request.context.state.settings, media_type(request.http)
    if given not in {JSON_TYPE, XLSX_TYPE, MULTIPART_TYPE}:
        raise unsupported(given, JSON_TYPE, XLSX_TYPE, MULTIPART_TYPE)
    _require_unit(request)
    limit = settings.package_bytes_max if given == JSON_TYPE else settings.body_bytes_max
    body = await read_limited(request.http, limit, settings.body_seconds_max)
    channel = Channel.HTTP_JSON if given == JSON_TYPE else Channel.HTTP_EXCEL
    async with _inside(request, channel) as ticket:
        if given == MULTIPART_TYPE:
            body, fields = await file_of_form(request.http.headers, body)
            document_number = printable(fields.get("document_number") or document_number or "")[
                :DOCUMENT_NUMBER_LENGTH_MAX
            ]
        if channel is Channel.HTTP_JSON:
            read = _json_package(body)
        else:
            read = await _read_workbook(request, body, document_number or None)
        arrival = await _arrival(request, body, channel, ticket)
        async with _transaction(request, ticket) as work:
            return await take(arrival, lambda: read, work)


async def take_explanation(request: Request) -> Outcome:
    """Take an explanation; raises ProblemError for what is none at all."""
    settings, given = request.context.state.settings, media_type(request.http)
    if given != JSON_TYPE:
        raise unsupported(given, JSON_TYPE)
    _require_unit(request)
    body = await read_limited(request.http, settings.package_bytes_max, settings.body_seconds_max)
    async with _inside(request, Channel.HTTP_JSON) as ticket:
        try:
            content = read_body(body, ExplanationV1)
        except NotJsonError as error:
            raise not_json(str(error)) from None
        arrival = await _arrival(request, body, Channel.HTTP_JSON, ticket)
        async with _transaction(request, ticket) as work:
            return await explain(arrival, content, work)


@asynccontextmanager
async def _inside(request: Request, channel: Channel) -> AsyncIterator[Ticket]:
    """Hold the watermark at the end of the body until the request is committed or refused."""
    source = request.context.state.http_source
    ticket = source.enter()
    try:
        with metrics.REQUEST_SECONDS.labels(channel.value).time():
            yield ticket
    finally:
        source.leave(ticket)


@asynccontextmanager
async def _transaction(request: Request, ticket: Ticket) -> AsyncIterator[Work]:  # type: ignore[type-arg]
    await reach("ingest.body_ended")
    units_of_work: UnitOfWorkFactory = request.context.units_of_work  # type: ignore[type-arg]
    async with units_of_work.begin([request.unit]) as work:
        await request.context.state.http_source.confirm(work.session, ticket)
        yield work
        await reach("ingest.before_commit")


async def _arrival(request: Request, body: bytes, channel: Channel, ticket: Ticket) -> Arrival:
    state = request.context.state
    (original,) = await asyncio.to_thread(state.objects.put, [body])
    key = None if request.key is None else door_key(request.unit, HTTP_SOURCE, request.key)
    return Arrival(
        unit=request.unit,
        key=key,
        sha256=digest_of(body),
        original=original,
        channel=channel,
        content_type=XLSX_TYPE if channel is Channel.HTTP_EXCEL else JSON_TYPE,
        received_at=_business(request, ticket.received_at),
        sender=request.identity.subject,
        answers=Answered(source=HTTP_SOURCE if request.key else None, id=request.key),
    )


def _business(request: Request, at: datetime) -> datetime:
    return request.context.state.clock.business_at(at)


def _require_unit(request: Request) -> None:
    """Raise a 404 for a unit that the catalogue does not have: a statistician may have mistyped it."""
    state = request.context.state
    if state.snapshot.unit(request.unit, state.clock.now().date()) is None:
        raise ProblemError(
            HTTPStatus.NOT_FOUND,
            "unknown_unit",
            Text(vi=f"Danh mục không có đơn vị {request.unit}", en=f"The catalogue has no unit {request.unit}"),
        )


def _json_package(body: bytes) -> Incoming | Found:
    try:
        package = read_body(body, PackageV1)
    except NotJsonError as error:
        raise not_json(str(error)) from None
    return incoming_of(package) if isinstance(package, PackageV1) else package


async def _read_workbook(request: Request, body: bytes, document_number: str | None) -> Incoming | Found:
    """Read a workbook when it is its turn. Who waits holds the watermark, so nobody waits for long: 503, come again."""
    state = request.context.state
    try:
        async with asyncio.timeout(state.settings.workbook_wait_seconds_max):
            await state.workbooks.acquire()
    except TimeoutError:
        raise UnavailableError("too many workbooks at once") from None
    try:
        return await asyncio.to_thread(_workbook, request, body, document_number)
    finally:
        state.workbooks.release()


def _workbook(request: Request, body: bytes, document_number: str | None) -> Incoming | Found:
    settings, snapshot = request.context.state.settings, request.context.state.snapshot
    try:
        book = open_workbook(
            body, unpacked_bytes_max=settings.unpacked_bytes_max, sheet_cells_max=settings.sheet_cells_max
        )
    except WorkbookError as error:
        return error.findings
    return incoming_of_workbook(book.data, book.identity, request.unit, snapshot, document_number)
