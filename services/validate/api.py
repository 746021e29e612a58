"""HTTP in: judgements, accepted figures, and the same checks before sending (dry run)."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from services.validate.context import Context, reader
from services.validate.domain.judge import assess
from services.validate.domain.rules.compile import RuleBook
from services.validate.known import AcceptedNow
from services.validate.storage.figures import figures_of
from services.validate.storage.judgements import judgements_of, judgements_of_package
from shared.access import Identity
from shared.delivery_id import DeliveryId
from shared.events.cells import CellValue
from shared.events.findings import Finding, Verdict
from shared.events.submissions import Explanation
from shared.events.validation_results import FiguresAcceptedV1, ValidationResult
from shared.http_deliveries import delivery_in_path, require_unit
from shared.problems import ProblemError
from shared.text import Text

DELIVERIES, JUDGEMENTS, FIGURES = "/v1/deliveries/", "/judgements", "/v1/figures/"

router = APIRouter(tags=["validation"])
Reader = Annotated[Identity, Depends(reader)]


class CheckRequest(BaseModel):
    """Cells of a delivery to be checked; a cell of the form that is not listed is missing."""

    delivery_id: DeliveryId
    cells: tuple[CellValue, ...]
    explanations: tuple[Explanation, ...] = ()


class CheckResult(BaseModel):
    """What the verdict would be now. Nothing is stored."""

    release: int = Field(description="catalogue release that was used")
    verdict: Verdict
    error_count: int
    warning_count: int
    findings: tuple[Finding, ...]
    not_applicable: tuple[str, ...]


@router.get("/v1/deliveries/{delivery_id:path}/judgements")
async def list_judgements(request: Request, delivery_id: str, identity: Reader) -> list[ValidationResult]:
    """List a delivery's judgements by version and number."""
    delivery = delivery_in_path(request, delivery_id, DELIVERIES, JUDGEMENTS)
    require_unit(identity, delivery.unit)
    async with Context.of(request).units_of_work.sessions() as session:
        return [stored.result for stored in await judgements_of(session, delivery)]


@router.get("/v1/judgements")
async def list_package_judgements(
    request: Request, identity: Reader, package_id: Annotated[UUID, Query()]
) -> list[ValidationResult]:
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


@router.post("/v1/check")
async def check(request: Request, body: CheckRequest, identity: Reader) -> CheckResult:
    """Run the rules on cells, as they would be run on a report; nothing is stored."""
    require_unit(identity, body.delivery_id.unit)
    context = Context.of(request)
    book = _book(context)
    if len(body.cells) > context.state.settings.check_cells_max:
        raise ProblemError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "too_many_cells",
            Text(vi="Quá nhiều ô", en="Too many cells"),
            Text(
                vi=f"Nhiều nhất {context.state.settings.check_cells_max} ô một lần kiểm tra thử.",
                en=f"At most {context.state.settings.check_cells_max} cells in one dry run.",
            ),
        )
    async with context.units_of_work.sessions() as session:
        accepted = await AcceptedNow.load(session, book, [body.delivery_id])
    assessment = assess(
        book,
        body.delivery_id,
        body.cells,
        accepted.references(body.delivery_id),
        explained=frozenset(explanation.rule for explanation in body.explanations),
        findings_max=context.state.settings.findings_max,
    )
    return CheckResult(
        release=book.release,
        verdict=assessment.verdict,
        error_count=assessment.error_count,
        warning_count=assessment.warning_count,
        findings=assessment.findings,
        not_applicable=assessment.not_applicable,
    )


def _book(context: Context) -> RuleBook:
    if context.state.book is None:
        raise ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "no_catalogue",
            Text(vi="Chưa có danh mục", en="There is no catalogue yet"),
            headers={"Retry-After": "5"},
        )
    return context.state.book
