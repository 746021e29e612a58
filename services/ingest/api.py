"""The HTTP doors: packages as JSON or as a filled form, explanations, and what became of them."""

import asyncio
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse

from services.ingest import metrics
from services.ingest.api_models import OpenDelivery, PackageStatus, location
from services.ingest.bodies import JSON_TYPE, XLSX_TYPE
from services.ingest.context import Context
from services.ingest.domain.findings import Door
from services.ingest.door import Outcome
from services.ingest.http_doors import Request as DoorRequest
from services.ingest.http_doors import take_explanation, take_package
from services.ingest.storage.deliveries import open_deliveries
from services.ingest.storage.packages import Package, packages_by_id, submissions_of
from shared.access import Identity
from shared.http import identify, problem_response
from shared.problems import ProblemError
from shared.text import Text

router = APIRouter(prefix="/v1")
sender = identify(lambda request: Context.of(request).state.access)
"""Anybody with a valid token."""

Sender = Annotated[Identity, Depends(sender)]
NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"
UnitQuery = Annotated[
    str | None, Query(max_length=64, pattern=NO_CONTROLS, description="needed where the token is not one unit's alone")
]
UnitHeader = Annotated[str | None, Header(alias="X-Lienthong-Unit", description="the same as `?unit=`")]
FormQuery = Annotated[str | None, Query(max_length=64, pattern=NO_CONTROLS)]
KeyHeader = Annotated[
    str | None, Header(alias="Idempotency-Key", max_length=255, description="makes sending again harmless")
]
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": description, "content": {"application/problem+json": {}}}
    for status, description in {
        400: "not JSON, no file, or no unit",
        401: "no valid token",
        403: "the token may not speak for this unit",
        409: "the idempotency key was used for another content",
        413: "too large",
        415: "neither JSON nor a workbook",
        422: "rejected; `findings` say what, where and how to mend it",
        503: "try again",
    }.items()
}


@router.post(
    "/packages",
    status_code=HTTPStatus.ACCEPTED,
    response_model=PackageStatus,
    responses=PROBLEMS,
    summary="Send a package: JSON, or a filled form (.xlsx)",
    openapi_extra={
        "requestBody": {
            "content": {
                JSON_TYPE: {"schema": {"$ref": "#/components/schemas/PackageV1"}},
                XLSX_TYPE: {"schema": {"type": "string", "format": "binary"}},
                "multipart/form-data": {
                    "schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
                },
            }
        }
    },
)
async def post_package(  # noqa: PLR0917 -- FastAPI passes them by name
    request: Request,
    identity: Sender,
    unit: UnitQuery = None,
    unit_header: UnitHeader = None,
    document_number: Annotated[
        str | None, Query(max_length=64, pattern=NO_CONTROLS, description="of a workbook")
    ] = None,
    idempotency_key: KeyHeader = None,
) -> Response:
    """Take a package, or say at once what is wrong with it. `Location` is where its verdict will be."""
    context = Context.of(request)
    speaks_for = context.senders.sender_unit(identity, unit or unit_header)
    asked = DoorRequest(request, context, identity, speaks_for, idempotency_key or None)
    outcome = await take_package(asked, document_number)
    return await _answer(context, outcome)


@router.post(
    "/explanations",
    status_code=HTTPStatus.ACCEPTED,
    response_model=PackageStatus,
    responses=PROBLEMS,
    summary="Explain the warnings of a version",
    openapi_extra={"requestBody": {"content": {JSON_TYPE: {"schema": {"$ref": "#/components/schemas/ExplanationV1"}}}}},
)
async def post_explanation(
    request: Request,
    identity: Sender,
    unit: UnitQuery = None,
    unit_header: UnitHeader = None,
    idempotency_key: KeyHeader = None,
) -> Response:
    """Take an explanation of a version whose verdict is `needs_explanation`; `Location` is its package."""
    context = Context.of(request)
    speaks_for = context.senders.sender_unit(identity, unit or unit_header)
    outcome = await take_explanation(DoorRequest(request, context, identity, speaks_for, idempotency_key or None))
    return await _answer(context, outcome)


@router.get(
    "/packages/{package_id}",
    response_model_exclude_none=True,
    responses={401: PROBLEMS[401], 403: PROBLEMS[403], 404: {"description": "no such package"}},
    summary="What became of a package",
)
async def get_package(request: Request, package_id: UUID, identity: Sender) -> PackageStatus:
    """Return state, receipts and verdict of a package."""
    context = Context.of(request)
    async with context.units_of_work.sessions() as session:
        package = _readable(context, identity, package_id, await packages_by_id(session, [package_id]))
        submissions = await submissions_of(session, [package_id])
    return PackageStatus.of(package, submissions.get(package_id, []))


@router.get("/packages/{package_id}/original", summary="The bytes that were sent")
async def get_original(request: Request, package_id: UUID, identity: Sender) -> Response:
    """Return the original of a package, as it came."""
    context = Context.of(request)
    async with context.units_of_work.sessions() as session:
        package = _readable(context, identity, package_id, await packages_by_id(session, [package_id]))
    content = await asyncio.to_thread(context.state.objects.get, package.original)
    if content is None:
        raise _no_package()
    suffix = ".xlsx" if package.content_type == XLSX_TYPE else ".json"
    return Response(
        content,
        media_type=package.content_type,
        headers={
            "Content-Disposition": f'attachment; filename="{package_id}{suffix}"',
            "X-Content-Type-Options": "nosniff",
        },
    )


@router.get("/deliveries", summary="What may be sent now")
async def get_deliveries(
    request: Request, identity: Sender, unit: UnitQuery = None, form: FormQuery = None
) -> list[OpenDelivery]:
    """Return the open deliveries of the token's units; the office sees all."""
    context = Context.of(request)
    if unit is not None:
        context.senders.require_reader(identity, unit)
    units = [unit] if unit is not None else None if identity.has(*context.office_scopes) else sorted(identity.units)
    async with context.units_of_work.sessions() as session:
        found = await open_deliveries(session, units, form)
    return [OpenDelivery.of(delivery) for delivery in found]


async def _answer(context: Context, outcome: Outcome) -> Response:
    """Return 202 with the package's status, or raise what the findings say."""
    if outcome.id_reused:
        raise _problem(HTTPStatus.CONFLICT, outcome)
    if outcome.package_id is None:
        status = {
            Door.NOTHING_TO_EXPLAIN.value: HTTPStatus.CONFLICT,
            Door.NOT_NEWEST_VERSION.value: HTTPStatus.CONFLICT,
            Door.NO_SUCH_VERSION.value: HTTPStatus.NOT_FOUND,
        }.get(outcome.findings[0].rule, HTTPStatus.UNPROCESSABLE_ENTITY)
        raise _problem(status, outcome)
    async with context.units_of_work.sessions() as session:
        package = (await packages_by_id(session, [outcome.package_id]))[outcome.package_id]
        submissions = (await submissions_of(session, [outcome.package_id])).get(outcome.package_id, [])
    address = location(package.id)
    if package.rejected:
        problem = _problem(HTTPStatus.UNPROCESSABLE_ENTITY, Outcome(package.id, package.findings))
        return problem_response(problem, address)
    body = PackageStatus.of(package, submissions).model_dump(mode="json", exclude_none=True)
    return JSONResponse(body, status_code=HTTPStatus.ACCEPTED, headers={"Location": address})


def _problem(status: HTTPStatus, outcome: Outcome) -> ProblemError:
    titles = {
        HTTPStatus.CONFLICT: Text(
            vi="Không nhận: trái với những gì đã có", en="Not taken: it conflicts with what is there"
        ),
        HTTPStatus.NOT_FOUND: Text(vi="Không có phiên bản này", en="There is no such version"),
    }
    first = outcome.findings[0]
    code = first.rule.removeprefix("door.") if len(outcome.findings) == 1 else "rejected"
    metrics.REFUSED.labels("rejected" if status is HTTPStatus.UNPROCESSABLE_ENTITY else code).inc()
    count = len(outcome.findings)
    return ProblemError(
        status,
        "rejected" if status is HTTPStatus.UNPROCESSABLE_ENTITY else code,
        titles.get(status, Text(vi="Gói số liệu bị từ chối", en="The package was rejected")),
        first.message
        if count == 1
        else Text(
            vi=f"{count} lỗi; lỗi đầu: {first.message.vi}", en=f"{count} findings; the first: {first.message.en}"
        ),
        findings=outcome.findings,
    )


def _readable(context: Context, identity: Identity, package_id: UUID, found: dict[UUID, Package]) -> Package:
    package = found.get(package_id)
    if package is None:
        raise _no_package()
    context.senders.require_reader(identity, package.unit)
    return package


def _no_package() -> ProblemError:
    return ProblemError(
        HTTPStatus.NOT_FOUND, "no_such_package", Text(vi="Không có gói này", en="There is no such package")
    )
