"""HTTP in: judgements, accepted figures, and the same checks before sending (dry run)."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from services.validate.context import Context, reader
from services.validate.domain.rules.compile import RuleBook
from services.validate.dry_run import CHECK_BODY, CheckResult, form_of, read_request, run
from services.validate.known import AcceptedNow
from services.validate.storage.figures import figures_of
from services.validate.storage.judgements import Judgement, judgements_of, judgements_of_package
from shared.access import Identity
from shared.events.validation_results import FiguresAcceptedV1
from shared.http_deliveries import delivery_in_path, require_unit
from shared.problems import ProblemError
from shared.text import Text

DELIVERIES, JUDGEMENTS, FIGURES = "/v1/deliveries/", "/judgements", "/v1/figures/"

router = APIRouter(tags=["validation"])
Reader = Annotated[Identity, Depends(reader)]


@router.get("/v1/deliveries/{delivery_id:path}/judgements")
async def list_judgements(request: Request, delivery_id: str, identity: Reader) -> list[Judgement]:
    """List a delivery's judgements by version and number."""
    delivery = delivery_in_path(request, delivery_id, DELIVERIES, JUDGEMENTS)
    require_unit(identity, delivery.unit)
    async with Context.of(request).units_of_work.sessions() as session:
        return [stored.result for stored in await judgements_of(session, delivery)]


@router.get("/v1/judgements")
async def list_package_judgements(
    request: Request, identity: Reader, package_id: Annotated[UUID, Query()]
) -> list[Judgement]:
    """List the judgements of a package's reports."""
    async with Context.of(request).units_of_work.sessions() as session:
        found = [stored.result for stored in await judgements_of_package(session, package_id)]
    for unit in {result.delivery_id.unit for result in found}:
        require_unit(identity, unit)
    return found


@router.get("/v1/figures/{delivery_id:path}")
async def get_figures(request: Request, delivery_id: str, identity: Reader) -> FiguresAcceptedV1:
    """Return the accepted figures of a delivery."""
    delivery = delivery_in_path(request, delivery_id, FIGURES)
    require_unit(identity, delivery.unit)
    async with Context.of(request).units_of_work.sessions() as session:
        figures = await figures_of(session, delivery)
    if figures is None:
        raise ProblemError(
            HTTPStatus.NOT_FOUND,
            "no_figures",
            Text(vi="Chưa có số liệu được chấp nhận", en="There are no accepted figures"),
            Text(
                vi=f"Chưa có phiên bản nào của {delivery} được chấp nhận.",
                en=f"No version of {delivery} has been accepted yet.",
            ),
        )
    return figures


@router.post("/v1/check", openapi_extra={"requestBody": CHECK_BODY})
async def check(request: Request, identity: Reader) -> CheckResult:
    """Run the rules on cells, as they would be run on a report; nothing is stored."""
    context = Context.of(request)
    settings, book = context.state.settings, _book(context)
    asked = await read_request(request, settings.check_bytes_max)
    require_unit(identity, asked.delivery_id.unit)
    form_of(book, asked)
    async with context.units_of_work.sessions() as session:
        accepted = await AcceptedNow.load(session, book, [asked.delivery_id])
    return run(book, asked, accepted, settings.findings_max)


def _book(context: Context) -> RuleBook:
    if context.state.book is None:
        raise ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "no_catalogue",
            Text(vi="Chưa có danh mục", en="There is no catalogue yet"),
            headers={"Retry-After": "5"},
        )
    return context.state.book
