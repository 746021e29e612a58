"""For which unit a request speaks: nobody speaks for another one (promise 5)."""

from http import HTTPStatus
from typing import Protocol

from services.ingest.metrics import REFUSED
from shared.access import UNIT_SCOPE_PREFIX, Identity, forbidden
from shared.delivery_id import UNIT_CODE, normalise_code
from shared.problems import ProblemError
from shared.text import Text

KEYING_SCOPE = "statistician"
"""Whoever has it may key in for a unit that has only paper."""
OFFICE_SCOPES = ("statistician", "leader", "operator")
"""Scopes that see what every unit sent."""


class Senders(Protocol):
    """Decides who may send and read for whom."""

    def sender_unit(self, identity: Identity, asked: str | None) -> str:
        """Return the unit that a request speaks for; raises ProblemError 400 or 403."""
        ...

    def require_reader(self, identity: Identity, unit: str) -> None:
        """Raise ProblemError 403 unless the identity may see what a unit sent."""
        ...


class ScopedSenders:
    """By the scopes of the token alone."""

    def sender_unit(self, identity: Identity, asked: str | None) -> str:
        """Return the token's one unit, or the one of them that was asked for; a statistician names any."""
        asked = normalise_code(asked) if asked else None
        if asked is not None and UNIT_CODE.fullmatch(asked) is None:
            raise _no_unit()
        if asked is not None:
            if asked in identity.units or identity.has(KEYING_SCOPE):
                return asked
            REFUSED.labels("forbidden").inc()
            raise forbidden(identity, UNIT_SCOPE_PREFIX + asked)
        if len(identity.units) == 1:
            return next(iter(identity.units))
        if identity.units or identity.has(KEYING_SCOPE):
            raise _no_unit()
        REFUSED.labels("forbidden").inc()
        raise forbidden(identity, f"{UNIT_SCOPE_PREFIX}<code>")

    def require_reader(self, identity: Identity, unit: str) -> None:
        """Let the unit itself read, and the office."""
        if unit not in identity.units and not identity.has(*OFFICE_SCOPES):
            REFUSED.labels("forbidden").inc()
            raise forbidden(identity, UNIT_SCOPE_PREFIX + unit)


def _no_unit() -> ProblemError:
    REFUSED.labels("unit_missing").inc()
    return ProblemError(
        HTTPStatus.BAD_REQUEST,
        "unit_missing",
        Text(vi="Chưa biết gửi cho đơn vị nào", en="It is not said for which unit this is"),
        Text(
            vi="Mã truy cập này không thuộc riêng một đơn vị: thêm ?unit=<mã đơn vị>.",
            en="This token is not one unit's alone: add ?unit=<code of the unit>.",
        ),
    )
