"""Who may do what: tokens by their SHA-256, read from the `access` topic; scopes on each request."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus

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


@dataclass
class AccessTable:
    """The valid tokens in memory. Token expiry is machine time: it never moves with the business clock.

    Until they were read whole once, nobody can say that a token is not valid. While they are read again, into a copy
    aside, the last ones stay in force.
    """

    clock: Clock
    _in_force: dict[str, AccessV1] | None = None
    _latest: dict[str, AccessV1] = field(default_factory=dict)
    _read_whole: bool = False

    def put(self, digest: str, access: AccessV1 | None) -> None:
        """Take one record of the topic; None revokes the token."""
        if access is None:
            self._latest.pop(digest, None)
        else:
            self._latest[digest] = access
        self._switch()

    def begin_again(self) -> None:
        """Read into a new copy from now on: the topic comes again from its beginning."""
        self._latest, self._read_whole = {}, False

    def complete(self) -> None:
        """Put what was read in force: it is all."""
        self._read_whole = True
        self._switch()

    def replace(self, entries: Mapping[str, AccessV1]) -> None:
        """Put these in force in place of all before."""
        self._in_force = self._latest = dict(entries)

    def _switch(self) -> None:
        # An empty topic, where there were tokens, is that of a new broker: the catalogue has yet to fill it.
        if self._read_whole and (self._latest or not self._in_force):
            self._in_force = self._latest

    def identify(self, authorization: str | None) -> Identity:
        """Return who sent an `Authorization: Bearer …` header; raises ProblemError 401, or 503 before all is read."""
        if self._in_force is None:
            raise unavailable(
                Text(
                    vi="Hệ thống vừa khởi động và chưa đọc xong danh sách mã truy cập.",
                    en="The system has just started and has not read the access tokens yet.",
                )
            )
        scheme, _, token = (authorization or "").partition(" ")
        token = token.strip() if scheme.lower() == "bearer" else ""
        entry = self._in_force.get(token_digest(token)) if token else None
        if entry is None or _expired(entry, self.clock.machine_now()):
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
