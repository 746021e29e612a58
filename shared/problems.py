"""Errors that people read: what, where and how to mend it, in Vietnamese and English.

One class of error serves both ways out: HTTP (problem details, RFC 9457) and answers on the bus (findings).
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from shared.events.findings import Finding
from shared.text import Text

PROBLEM_TYPE_PREFIX = "urn:lienthong:problem:"


class UnavailableError(Exception):
    """The world is broken for the moment (database, broker, mail server): try again as long as it lasts."""


RETRY_AFTER_SECONDS = 2


class ProblemError(Exception):
    """Something is wrong with a request. `code` is stable and names the problem's type URI."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        title: Text,
        detail: Text | None = None,
        *,
        findings: Sequence[Finding] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(title.en if detail is None else f"{title.en}: {detail.en}")
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.findings = tuple(findings)
        self.headers = headers or {}

    def body(self, instance: str | None = None) -> dict[str, Any]:
        """Return the problem details (RFC 9457); `title` and `detail` in Vietnamese, English beside them."""
        body: dict[str, Any] = {
            "type": PROBLEM_TYPE_PREFIX + self.code,
            "status": int(self.status),
            "title": self.title.vi,
            "title_en": self.title.en,
        }
        if self.detail is not None:
            body |= {"detail": self.detail.vi, "detail_en": self.detail.en}
        if instance is not None:
            body["instance"] = instance
        if self.findings:
            body["findings"] = [finding.model_dump(mode="json", exclude_none=True) for finding in self.findings]
        return body


def unavailable(reason: Text) -> ProblemError:
    """Return a 503 for what will pass by itself; the sender tries again soon."""
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "unavailable",
        Text(vi="Hệ thống tạm thời chưa phục vụ được", en="The system cannot serve this at the moment"),
        Text(
            vi=f"{reason.vi} Gửi lại sau vài giây, nếu có Idempotency-Key thì cùng một khoá.",
            en=f"{reason.en} Send it again in a few seconds, with the same Idempotency-Key where it had one.",
        ),
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )
