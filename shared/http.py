"""What every service's HTTP side has in common: health, metrics, tokens, and problems (`http_errors.py`)."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.access import AccessTable, Identity, forbidden
from shared.clock import Clock
from shared.http_errors import PROBLEM_JSON, install_problems, problem_response

__all__ = ["PROBLEM_JSON", "health_router", "identify", "install_problems", "problem_response", "require"]

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


def identify(access: Callable[[Request], AccessTable]) -> Callable[..., Awaitable[Identity]]:
    """Return a FastAPI dependency that gives the identity behind the request, or 401."""

    async def dependency(request: Request, authorization: Annotated[str | None, Header()] = None) -> Identity:
        return access(request).identify(authorization)

    return dependency


def require(identity: Identity, *scopes: str) -> None:
    """Raise a 403 unless the identity holds at least one of the scopes."""
    if not identity.has(*scopes):
        raise forbidden(identity, " | ".join(scopes))
