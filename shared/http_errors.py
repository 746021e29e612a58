"""Every error of an HTTP request as problem details (RFC 9457) in Vietnamese and English, whatever went wrong."""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from shared.bus.quarantine import root_cause
from shared.bus.retry import is_transient
from shared.logs import get_logger
from shared.problems import ProblemError, unavailable
from shared.text import Text

PROBLEM_JSON = "application/problem+json"
FIELDS_SHOWN_MAX = 20

_PLACES = {"body": "nội dung", "query": "tham số", "path": "đường dẫn", "header": "tiêu đề", "cookie": "cookie"}
_FAULTS = (
    # beginnings and ends of pydantic's error types, and what they mean
    (("missing",), "thiếu"),
    (("json_invalid",), "không phải JSON hợp lệ"),
    (("extra_forbidden",), "không được phép có"),
    (("enum", "literal_error"), "không thuộc các giá trị được phép"),
    (("greater_than", "less_than", "multiple_of", "finite_number"), "nằm ngoài khoảng được phép"),
    (("too_short", "too_long", "string_too_short", "string_too_long"), "có độ dài không được phép"),
    (("_type", "_parsing"), "sai kiểu dữ liệu"),
)

log = get_logger(__name__)


def install_problems(app: FastAPI, *, on_unavailable: Callable[[], None] = lambda: None) -> None:
    """Answer every error as problem details (RFC 9457) in Vietnamese and English.

    What a request cannot get while the world is broken (database, broker) is a 503, told to `on_unavailable`; any other
    exception is a 500 that is logged with its traceback.
    """
    app.add_middleware(LastResort, on_unavailable=on_unavailable)

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
        detail = Text(vi=f"Máy chủ từ chối yêu cầu (mã {error.status_code}).", en=str(error.detail))
        headers = dict(error.headers or {})
        problem = ProblemError(HTTPStatus(error.status_code), "http", title, detail, headers=headers)
        return problem_response(problem, request.url.path)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        problem = ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "invalid_request",
            Text(vi="Yêu cầu không đúng mẫu", en="The request does not have the right form"),
            _invalid_fields(error.errors()),
        )
        return problem_response(problem, request.url.path)


def problem_response(error: ProblemError, instance: str) -> JSONResponse:
    """Return the response of a problem."""
    return JSONResponse(
        error.body(instance), status_code=int(error.status), media_type=PROBLEM_JSON, headers=error.headers
    )


class LastResort:
    """Answers what nothing else has answered, and gives every log line of a request its method and path."""

    def __init__(self, app: ASGIApp, on_unavailable: Callable[[], None]) -> None:
        self._app = app
        self._on_unavailable = on_unavailable

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; nobody who asked is left without an answer that he can read."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answered = False

        async def watched(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        with bound_contextvars(http_method=scope["method"], http_path=scope["path"]):
            try:
                await self._app(scope, receive, watched)
            except Exception as error:  # the edge of a request: no fault of one may end without an answer
                problem = _problem_of(error)
                if problem.status is HTTPStatus.SERVICE_UNAVAILABLE:
                    self._on_unavailable()
                if answered:  # halfway: all that is left is to break the connection, so that nobody takes it for whole
                    raise
        if not answered:
            await problem_response(problem, scope["path"])(scope, receive, send)


def _problem_of(error: Exception) -> ProblemError:
    """Log an exception and return how it is told: nothing of its text, which may hold anything."""
    if is_transient(error):
        log.warning("request_unavailable", error=root_cause(error))
        return unavailable(
            Text(
                vi="Cơ sở dữ liệu hoặc một phần khác của hệ thống tạm thời không trả lời.",
                en="The database or another part of the system does not answer at the moment.",
            )
        )
    log.error("request_failed", error=root_cause(error), exc_info=error)
    return ProblemError(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal_error",
        Text(vi="Hệ thống có lỗi", en="The system has made a mistake"),
        Text(
            vi="Lỗi này là của hệ thống, không phải của người gửi, và đã được ghi lại. Nếu còn gặp, báo Cục Thống kê.",
            en="The fault is ours, not yours, and is on record. If it lasts, tell the Statistics Office.",
        ),
    )


def _invalid_fields(errors: Sequence[Mapping[str, Any]]) -> Text:
    """Say which field is wrong, and how: in Vietnamese by kinds of fault, in English as the validator says it."""
    shown = errors[:FIELDS_SHOWN_MAX]
    vi = [f"{_place(each['loc'])}: {_fault(each['type'])}" for each in shown]
    en = [f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['msg']}" for each in shown]
    if hidden := len(errors) - len(shown):
        vi.append(f"và {hidden} chỗ khác")
        en.append(f"and {hidden} more")
    return Text(vi="; ".join(vi), en="; ".join(en))


def _place(location: Sequence[int | str]) -> str:
    """Say where a field is: `tham số `page``; what names no place is in the body."""
    place, field = (str(location[0]), location[1:]) if location and location[0] in _PLACES else ("body", location)
    return f"{_PLACES[place]} `{'.'.join(map(str, field))}`" if field else _PLACES[place]


def _fault(error_type: str) -> str:
    for marks, words in _FAULTS:
        if error_type.startswith(marks) or error_type.endswith(marks):
            return words
    return "không hợp lệ"
