"""The HTTP doors as a client uses them: send, wait for the verdict, try again while they are closed."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

import httpx

from services.ingest.bodies import JSON_TYPE, XLSX_TYPE

TRY_AGAIN = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
PAUSE_SECONDS = 0.3

Status = Mapping[str, Any]
"""The body of a package's status, or of a problem."""


class ApiError(Exception):
    """The doors answered with something that is neither a status nor a rejection."""


@dataclass(frozen=True)
class TokenFile:
    """Tokens as the stack writes them: `{"units": {code: token}, "roles": {role: token}}`."""

    units: Mapping[str, str]
    roles: Mapping[str, str]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file; raises OSError or ValueError."""
        content = json.loads(path.read_text(encoding="utf-8"))
        return cls(content.get("units", {}), content.get("roles", {}))

    def of_unit(self, unit: str) -> str | None:
        """Return a token that may send for the unit: its own, or else a statistician's."""
        return self.units.get(unit) or self.roles.get("statistician")


@dataclass(frozen=True)
class Doors:
    """Ingest at an address."""

    client: httpx.AsyncClient
    url: str

    async def post_file(self, name: str, content: bytes, unit: str, token: str) -> Status:
        """Send a file by its ending; return the package's status, or the problem that rejects it."""
        media_type = XLSX_TYPE if name.lower().endswith(".xlsx") else JSON_TYPE
        return await self.post(content, unit, token, media_type=media_type)

    async def post(
        self,
        body: bytes,
        unit: str,
        token: str,
        *,
        media_type: str = JSON_TYPE,
        key: str | None = None,
        seconds_max: float = 0.0,
    ) -> Status:
        """Send a package, again while the doors are closed; with a key that is harmless. Raises ApiError, HTTPError."""
        deadline = time.monotonic() + seconds_max
        headers = {"Content-Type": media_type, "Authorization": f"Bearer {token}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        while True:
            try:
                response = await self.client.post(
                    f"{self.url.rstrip('/')}/v1/packages", params={"unit": unit}, content=body, headers=headers
                )
            except httpx.TransportError:
                if key is None or time.monotonic() > deadline:
                    raise
            else:
                if response.status_code in {HTTPStatus.ACCEPTED, HTTPStatus.UNPROCESSABLE_ENTITY}:
                    return _json(response)
                if response.status_code not in TRY_AGAIN or time.monotonic() > deadline:
                    raise _error(response)
            await asyncio.sleep(PAUSE_SECONDS)

    async def status(self, package_id: str, token: str) -> Status:
        """Return what became of a package."""
        response = await self.client.get(
            f"{self.url.rstrip('/')}/v1/packages/{package_id}", headers={"Authorization": f"Bearer {token}"}
        )
        if response.status_code != HTTPStatus.OK:
            raise _error(response)
        return _json(response)

    async def wait_for_verdict(self, package_id: str, token: str, seconds_max: float) -> Status:
        """Return a package's status once it is judged, or as it is after so many seconds."""
        deadline = time.monotonic() + seconds_max
        while True:
            status = await self.status(package_id, token)
            if status["state"] != "received" or time.monotonic() > deadline:
                return status
            await asyncio.sleep(PAUSE_SECONDS)

    async def open_deliveries(self, unit: str, token: str) -> Sequence[Mapping[str, Any]]:
        """Return what a unit may send now; nothing while the doors are closed."""
        try:
            response = await self.client.get(
                f"{self.url.rstrip('/')}/v1/deliveries",
                params={"unit": unit},
                headers={"Authorization": f"Bearer {token}"},
            )
        except httpx.TransportError:
            return ()
        if response.status_code in TRY_AGAIN | {HTTPStatus.UNAUTHORIZED}:  # a fresh token may be on its way
            return ()
        if response.status_code != HTTPStatus.OK:
            raise _error(response)
        found: Sequence[Mapping[str, Any]] = response.json()
        return found


def _json(response: httpx.Response) -> Status:
    body: Status = response.json()
    return body


def _error(response: httpx.Response) -> ApiError:
    return ApiError(f"{response.request.method} {response.request.url}: {response.status_code} {response.text[:500]}")
