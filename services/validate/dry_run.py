"""The same checks before sending (dry run): reads the request, says what is wrong with it, stores nothing."""

from collections import Counter
from http import HTTPStatus

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError

from services.validate.domain.judge import assess
from services.validate.domain.localise import Names
from services.validate.domain.rules.compile import CompiledForm, RuleBook
from services.validate.known import AcceptedNow
from shared.delivery_id import DeliveryId
from shared.events.cells import CellKey, CellValue
from shared.events.findings import Finding, Severity, Verdict
from shared.events.submissions import Explanation
from shared.problems import ProblemError
from shared.text import Text

FINDINGS_SHOWN_MAX = 100


class CheckRequest(BaseModel):
    """Cells of a delivery to be checked; a cell of the form that is not listed is missing."""

    delivery_id: DeliveryId
    cells: tuple[CellValue, ...]
    explanations: tuple[Explanation, ...] = ()


class CheckResult(BaseModel):
    """What the verdict would be now. Nothing is stored."""

    delivery_id: DeliveryId
    release: int = Field(description="catalogue release that was used")
    verdict: Verdict
    error_count: int = Field(ge=0)
    warning_count: int = Field(ge=0)
    findings: tuple[Finding, ...] = Field(description="errors first; capped, the counts are not")
    not_applicable: tuple[str, ...] = Field(description="`rule: reason` of rules that could not be evaluated")


# The body is read as a stream, so FastAPI cannot work this out.
CHECK_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["delivery_id", "cells"],
                "properties": {
                    "delivery_id": {"type": "string", "description": "`unit/form/period/status`, percent-encoded"},
                    "cells": {"type": "array", "items": {"$ref": "#/components/schemas/CellValue"}},
                    "explanations": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["rule", "text"],
                            "properties": {"rule": {"type": "string"}, "text": {"type": "string"}},
                        },
                    },
                },
            }
        }
    },
}


async def read_request(request: Request, bytes_max: int) -> CheckRequest:
    """Read the body as it comes, never more than `bytes_max`; raises a 413 or a 422."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > bytes_max:
            raise ProblemError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "body_too_large",
                Text(vi="Nội dung quá lớn", en="The body is too large"),
                Text(
                    vi=f"Nhiều nhất {bytes_max} byte một lần kiểm tra thử.",
                    en=f"At most {bytes_max} bytes in one dry run.",
                ),
            )
    try:
        return CheckRequest.model_validate_json(bytes(body))
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False)) from error


def form_of(book: RuleBook, asked: CheckRequest) -> CompiledForm:
    """Return the form; raises a 404 where nobody owes it, a 422 for cells that are not on it or stand twice."""
    delivery = asked.delivery_id
    form = book.form_for(delivery)
    if form is None:
        raise ProblemError(
            HTTPStatus.NOT_FOUND,
            "unknown_delivery",
            Text(vi="Không có báo cáo này trong danh mục", en="The catalogue has no such report"),
            Text(
                vi=f"Bản phát hành {book.release}: đơn vị {delivery.unit} không phải gửi {delivery}.",
                en=f"Release {book.release}: unit {delivery.unit} does not owe {delivery}.",
            ),
        )
    names = Names(book.snapshot, delivery)
    unknown = Text(vi="biểu không có ô này.", en="the form has no such cell.")
    twice = Text(vi="ô này được ghi hai lần.", en="this cell is given twice.")
    findings = [_finding("door.unknown_cell", key, names.cell(key), unknown) for key in form.unknown(asked.cells)]
    counts = Counter(cell.key for cell in asked.cells)
    findings += [
        _finding("door.duplicate_cell", key, names.cell(key), twice) for key, count in counts.items() if count > 1
    ]
    if findings:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "wrong_cells",
            Text(vi="Có ô không thuộc biểu, hoặc ghi hai lần", en="Cells that are not on the form, or given twice"),
            findings=findings[:FINDINGS_SHOWN_MAX],
        )
    return form


def run(book: RuleBook, asked: CheckRequest, accepted: AcceptedNow, findings_max: int) -> CheckResult:
    """Judge the cells as a version with these explanations would be judged now."""
    assessment = assess(
        book,
        asked.delivery_id,
        asked.cells,
        accepted.references(asked.delivery_id),
        explained=frozenset(explanation.rule for explanation in asked.explanations),
        findings_max=findings_max,
    )
    return CheckResult(
        delivery_id=asked.delivery_id,
        release=book.release,
        verdict=assessment.verdict,
        error_count=assessment.error_count,
        warning_count=assessment.warning_count,
        findings=assessment.findings,
        not_applicable=assessment.not_applicable,
    )


def _finding(rule: str, key: CellKey, name: Text, problem: Text) -> Finding:
    return Finding(
        rule=rule,
        severity=Severity.ERROR,
        message=Text(vi=f"{name.vi}: {problem.vi}", en=f"{name.en}: {problem.en}"),
        cell=key,
    )
