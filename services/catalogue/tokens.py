"""Issues and revokes access tokens. A token is shown once; only its digest is stored and published."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from services.catalogue.storage.tokens import find_tokens, revoke_tokens, store_token, valid_tokens
from shared.access import UNIT_SCOPE_PREFIX, token_digest
from shared.bus.partitions import UNITLESS
from shared.bus.topics import ACCESS
from shared.bus.work import Work
from shared.events.catalogue import AccessV1

TOKEN_BYTES = 32
ROLES = ("statistician", "leader", "operator")


class UnknownScopeError(ValueError):
    """A scope that no part of the system asks for."""


async def issue(work: Work[Any], scopes: Sequence[str], subject: str, expires_at: datetime | None = None) -> str:
    """Issue a token and return it; raises UnknownScopeError. The lock of no unit must be held."""
    for scope in scopes:
        if scope not in ROLES and not (scope.startswith(UNIT_SCOPE_PREFIX) and len(scope) > len(UNIT_SCOPE_PREFIX)):
            raise UnknownScopeError(scope)
    token = secrets.token_hex(TOKEN_BYTES)  # no hyphen in front that a shell takes for an option
    digest = token_digest(token)
    access = AccessV1(scopes=tuple(scopes), subject=subject, expires_at=expires_at)
    await store_token(work.session, digest, access)
    work.publish(access, unit=UNITLESS, key=digest)
    return token


async def revoke(work: Work[Any], *, digest: str | None = None, subject: str | None = None) -> int:
    """Revoke a token by its digest, or all tokens of a subject; return how many. The lock of no unit must be held."""
    digests = await find_tokens(work.session, digest=digest, subject=subject)
    await revoke_tokens(work.session, digests)
    for each in digests:
        work.publish_tombstone(ACCESS.name, key=each)
    return len(digests)


async def complete(work: Work[Any], units: Sequence[str], held: Mapping[str, str]) -> dict[str, str]:
    """Return a valid token for each unit and role, by scope: one that is held already, or else a new one."""
    valid = await valid_tokens(work.session)
    tokens: dict[str, str] = {}
    for scope in (*(UNIT_SCOPE_PREFIX + unit for unit in units), *ROLES):
        token = held.get(scope)
        access = valid.get(token_digest(token)) if token else None
        if token is None or access is None or access.scopes != (scope,):
            token = await issue(work, [scope], subject=scope)
        tokens[scope] = token
    return tokens
