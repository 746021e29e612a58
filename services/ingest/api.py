"""HTTP in: packages as JSON or as filled forms, explanations; what became of them."""

import asyncio
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from services.ingest.api_models import PACKAGES, ExplanationReceipt, PackageBody, package_body
from services.ingest.body import IdempotencyKey, UnitQuery, key_of, unit_of
from services.ingest.context import Context, sender
from services.ingest.domain.incoming import Incoming
from services.ingest.explaining import NotExplained, explain
from services.ingest.problems import (
    conflict,
    no_such_package,
    no_such_version,
    not_ready,
    rejected,
)
from services.ingest.reading import JSON, Upload, read_explanation, read_upload
from services.ingest.storage.arrivals import HTTP_SOURCE, StoredArrival, add_arrivals, load_arrivals
from services.ingest.storage.packages import load_packages, submissions_of
from services.ingest.taking import Accepted, Arrival, Repeated, Reused, take
from shared.access import Identity
from shared.catalogue.snapshot import Snapshot
from shared.events.submissions import Channel
from shared.http_deliveries import require_unit
from shared.problems import ProblemError, UnavailableError

router = APIRouter(tags=["packages"])
Sender = Annotated[Identity, Depends(sender)]


@router.post(PACKAGES, status_code=HTTPStatus.ACCEPTED)
async def post_package(  # noqa: PLR0917 -- FastAPI reads the parameters by name
    request: Request,
    response: Response,
    identity: Sender,
    unit: UnitQuery = None,
    idempotency_key: IdempotencyKey = None,
) -> PackageBody:
    """Take a package: JSON, or a filled form (the .xlsx itself, or multipart). 202: it will not be lost."""
    context = Context.of(request)
    sending_unit, key = unit_of(identity, unit), key_of(idempotency_key)
    snapshot = _snapshot(context)
    upload = await read_upload(request, context.state.settings)
    with context.http_source.reception() as reception:
        arrival = Arrival(
            unit=sending_unit,
            channel=upload.channel,
            content=await asyncio.to_thread(upload.read, snapshot, sending_unit),
            original=upload.body,
            media_type=upload.media_type,
            sender=identity.subject,
            received_at=context.state.clock.business_at(reception.at),
            known_as=(HTTP_SOURCE, key) if key else None,
        )
        async with context.units_of_work.begin([sending_unit]) as work:
            await context.http_source.hold(work.session, reception)
            (outcome,) = await take(work, [arrival], snapshot, keep_refused=False)
            match outcome:
                case Accepted(package, _):
                    package_id = package.id
                    if key is not None:
                        stored = StoredArrival(sending_unit, HTTP_SOURCE, key, package.original, package.id)
                        await add_arrivals(work.session, [stored])
                case Repeated(earlier) if earlier.package_id is not None:
                    package_id = earlier.package_id
                case Repeated():
                    raise no_such_package("")
                case Reused(findings):
                    raise conflict(findings[0])
                case refused:
                    raise rejected(refused.findings)
    response.headers["Location"] = f"{PACKAGES}/{package_id}"
    return await _package_body(context, package_id)


@router.get(PACKAGES + "/{package_id}")
async def get_package(request: Request, package_id: UUID, identity: Sender) -> PackageBody:
    """Tell what became of a package: its versions, verdicts and findings."""
    body = await _package_body(Context.of(request), package_id)
    require_unit(identity, body.unit)
    return body


@router.get(PACKAGES + "/{package_id}/original", response_class=Response)
async def get_original(request: Request, package_id: UUID, identity: Sender) -> Response:
    """Return the bytes as they came."""
    context = Context.of(request)
    body = await _package_body(context, package_id)
    require_unit(identity, body.unit)
    content = await asyncio.to_thread(context.state.objects.get, body.original.sha256)
    if content is None:
        raise no_such_package(str(package_id))
    return Response(content, media_type=body.original.media_type, headers={"ETag": f'"{body.original.sha256}"'})


@router.post("/v1/explanations", status_code=HTTPStatus.ACCEPTED)
async def post_explanation(
    request: Request,
    response: Response,
    identity: Sender,
    unit: UnitQuery = None,
    idempotency_key: IdempotencyKey = None,
) -> ExplanationReceipt:
    """Take an explanation of a version that was judged `needs_explanation`; it is judged again."""
    context = Context.of(request)
    explaining_unit, key = unit_of(identity, unit), key_of(idempotency_key)
    _snapshot(context)
    body, explanation, sha256 = await read_explanation(request, context.state.settings)
    with context.http_source.reception() as reception:
        async with context.units_of_work.begin([explaining_unit]) as work:
            await context.http_source.hold(work.session, reception)
            if key is not None:
                stored = StoredArrival(explaining_unit, HTTP_SOURCE, key, sha256, None)
    raise NotImplementedError


def _snapshot(context: Context) -> Snapshot:
    try:
        return context.state.snapshot()
    except UnavailableError:
        raise not_ready() from None


async def _package_body(context: Context, package_id: UUID) -> PackageBody:
    async with context.units_of_work.sessions() as session:
        package = (await load_packages(session, [package_id])).get(package_id)
        if package is None:
            raise no_such_package(str(package_id))
        submissions = await submissions_of(session, [package_id])
    return package_body(package, submissions[package_id])
