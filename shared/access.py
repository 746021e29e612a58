"""Who may do what: tokens by their SHA-256, read from the `access` topic; scopes on each request."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from shared.bus.table_copy import TableCopy
from shared.clock import Clock
from shared.events.catalogue import AccessV1
from shared.problems import ProblemError, unavailable
from shared.text import Text

UNIT_SCOPE_PREFIX = "unit:"


def token_digest(token: str) -> str:
    """Return the key of a token in the access topic: SHA-256 in hex."""
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is asking: a token's subject and scopes."""

    subject: str
    scopes: frozenset[str]

    @property
    def units(self) -> frozenset[str]:
        """The units that this identity speaks for."""
        return frozenset(
            scope.removeprefix(UNIT_SCOPE_PREFIX) for scope in self.scopes if scope.startswith(UNIT_SCOPE_PREFIX)
        )

    def has(self, *scopes: str) -> bool:
        """Whether it holds at least one of the scopes."""
        return not self.scopes.isdisjoint(scopes)


class AccessTable(TableCopy[AccessV1]):
    """The valid tokens in memory. Token expiry is machine time: it never moves with the business clock.

    Until all were read once nobody can say that a token is not valid.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def identify(self, authorization: str | None) -> Identity:
        """Return who sent an `Authorization: Bearer …` header; raises ProblemError 401, or 503 before all is read."""
        if self.in_force is None:
            raise unavailable(
                Text(
                    vi="Hệ thống vừa khởi động và chưa đọc xong danh sách mã truy cập.",
                    en="The system has just started and has not read the access tokens yet.",
                )
            )
        scheme, _, token = (authorization or "").partition(" ")
        token = token.strip() if scheme.lower() == "bearer" else ""
        entry = self.in_force.get(token_digest(token)) if token else None
        if entry is None or _expired(entry, self._clock.machine_now()):
            raise ProblemError(
                HTTPStatus.UNAUTHORIZED,
                "unauthorised",
                Text(vi="Thiếu mã truy cập hoặc mã không hợp lệ", en="No access token, or one that is not valid"),
                Text(
                    vi="Gửi tiêu đề `Authorization: Bearer <mã>`; xin mã mới nếu mã hết hạn.",
                    en="Send the header `Authorization: Bearer <token>`; ask for a new one if yours expired.",
                ),
                headers={"WWW-Authenticate": "Bearer"},
            )
        return Identity(subject=entry.subject, scopes=frozenset(entry.scopes))


def _expired(entry: AccessV1, now: datetime) -> bool:
    return entry.expires_at is not None and entry.expires_at <= now


def forbidden(identity: Identity, needed: str) -> ProblemError:
    """Return a 403 that says which scope is missing."""
    return ProblemError(
        HTTPStatus.FORBIDDEN,
        "forbidden",
        Text(vi="Mã truy cập không có quyền làm việc này", en="The access token may not do this"),
        Text(
            vi=f"Cần quyền `{needed}`; mã của «{identity.subject}» không có.",
            en=f"The scope `{needed}` is needed; the token of “{identity.subject}” does not have it.",
        ),
    )
