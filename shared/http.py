"""What every service's HTTP side has in common: health, metrics, problems, tokens."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from shared.access import AccessTable, Identity, forbidden
from shared.clock import Clock
from shared.problems import ProblemError
from shared.text import Text

PROBLEM_JSON = "application/problem+json"

Readiness = Callable[[], Awaitable[Mapping[str, bool]]]


def health_router(
    readiness: Readiness, clock: Clock, *, simulated: bool, release: Callable[[], int | None]
) -> APIRouter:
    """Return `/health/live`, `/health/ready` (503 with what is missing) and `/metrics`."""
    router = APIRouter(include_in_schema=False)

    def state() -> dict[str, Any]:
        return {"business_time": clock.now().isoformat(), "simulated": simulated, "catalogue_release": release()}

    @router.get("/health/live")
    async def live() -> dict[str, Any]:
        return {"status": "alive", **state()}

    @router.get("/health/ready")
    async def ready() -> JSONResponse:
        checks = dict(await readiness())
        good = all(checks.values())
        return JSONResponse(
            {"status": "ready" if good else "not ready", "checks": checks, **state()},
            status_code=HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE,
        )

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router


def install_problems(app: FastAPI) -> None:
    """Answer every error as problem details (RFC 9457) in Vietnamese and English."""

    @app.exception_handler(ProblemError)
    async def on_problem(request: Request, error: ProblemError) -> JSONResponse:
        return problem_response(error, request.url.path)

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> JSONResponse:
        titles = {
            404: Text(vi="Không có địa chỉ này", en="There is no such address"),
            405: Text(vi="Địa chỉ này không nhận phương thức đó", en="This address does not take that method"),
        }
        title = titles.get(error.status_code, Text(vi="Yêu cầu không hợp lệ", en="The request is not valid"))
        detail = Text(vi=str(error.detail), en=str(error.detail))
        return problem_response(ProblemError(HTTPStatus(error.status_code), "http", title, detail), request.url.path)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        where = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()[:20])
        problem = ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "invalid_request",
            Text(vi="Yêu cầu không đúng mẫu", en="The request does not have the right form"),
            Text(vi=where, en=where),
        )
        return problem_response(problem, request.url.path)


def problem_response(error: ProblemError, instance: str) -> JSONResponse:
    """Return the response of a problem."""
    return JSONResponse(
        error.body(instance), status_code=int(error.status), media_type=PROBLEM_JSON, headers=error.headers
    )


def identify(access: Callable[[Request], AccessTable]) -> Callable[..., Awaitable[Identity]]:
    """Return a FastAPI dependency that gives the identity behind the request, or 401."""

    async def dependency(request: Request, authorization: Annotated[str | None, Header()] = None) -> Identity:
        return access(request).identify(authorization)

    return dependency


def require(identity: Identity, *scopes: str) -> None:
    """Raise a 403 unless the identity holds at least one of the scopes."""
    if not identity.has(*scopes):
        raise forbidden(identity, " | ".join(scopes))
