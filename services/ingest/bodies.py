"""Reads the body of a request with a limit, and finds the file in a form upload."""

import asyncio
from collections.abc import AsyncGenerator
from http import HTTPStatus

from fastapi import Request
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from services.ingest.metrics import REFUSED
from shared.problems import ProblemError
from shared.text import Text

JSON_TYPE = "application/json"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MULTIPART_TYPE = "multipart/form-data"
FORM_FIELDS_MAX = 8


async def read_limited(request: Request, bytes_max: int, seconds_max: float) -> bytes:
    """Return the body; raises ProblemError 413 as soon as it is too large, 408 when it does not come to its end.

    What comes after that is thrown away by the server, unread.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > bytes_max:
        raise too_large(bytes_max)
    body = bytearray()
    try:
        async with asyncio.timeout(seconds_max):
            async for chunk in request.stream():
                body += chunk
                if len(body) > bytes_max:
                    raise too_large(bytes_max)
    except TimeoutError:
        late = Text(vi=f"Không đến hết trong {seconds_max:g} giây", en=f"Not within {seconds_max:g} seconds")
        raise _incomplete(late) from None
    except ClientDisconnect:
        raise _incomplete(Text(vi="Kết nối bị đóng giữa chừng", en="The connection was closed halfway")) from None
    return bytes(body)


async def file_of_form(headers: Headers, body: bytes) -> tuple[bytes, dict[str, str]]:
    """Return the one file of a form upload and its other fields; raises ProblemError 400."""

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        form = await MultiPartParser(headers, stream(), max_files=1, max_fields=FORM_FIELDS_MAX).parse()
    except (MultiPartException, KeyError) as error:
        why = Text(vi=f"Bộ đọc biểu mẫu báo: «{error}»", en=f"The form cannot be read: {error}")
        raise _no_file(why) from None
    files = [value for value in form.values() if isinstance(value, UploadFile)]
    if len(files) != 1:
        raise _no_file(Text(vi=f"Có {len(files)} tệp, cần đúng một", en=f"It has {len(files)} files, not one"))
    content = await files[0].read()
    await files[0].close()
    return content, {name: value for name, value in form.items() if isinstance(value, str)}


def media_type(request: Request) -> str:
    """Return the request's content type without its parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def too_large(bytes_max: int) -> ProblemError:
    """Return the 413."""
    REFUSED.labels("body_too_large").inc()
    return ProblemError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "body_too_large",
        Text(vi="Nội dung gửi quá lớn", en="The body is too large"),
        Text(
            vi=f"Tối đa {bytes_max} byte; chia thành nhiều gói.",
            en=f"At most {bytes_max} bytes; send it in several packages.",
        ),
    )


def unsupported(given: str, *taken: str) -> ProblemError:
    """Return the 415."""
    REFUSED.labels("unsupported_media_type").inc()
    names = ", ".join(taken)
    return ProblemError(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        Text(vi="Không nhận loại nội dung này", en="This type of content is not taken"),
        Text(
            vi=f"Content-Type là «{given}»; dùng một trong: {names}.",
            en=f"Content-Type is “{given}”; use one of: {names}.",
        ),
    )


def not_json(detail: str) -> ProblemError:
    """Return the 400 for a body that is no JSON object."""
    REFUSED.labels("not_json").inc()
    return ProblemError(
        HTTPStatus.BAD_REQUEST,
        "not_json",
        Text(vi="Nội dung không phải là đối tượng JSON", en="The body is no JSON object"),
        Text(vi=f"Bộ đọc JSON báo: «{detail}»", en=detail),
    )


def _incomplete(why: Text) -> ProblemError:
    REFUSED.labels("body_incomplete").inc()
    return ProblemError(
        HTTPStatus.REQUEST_TIMEOUT,
        "body_incomplete",
        Text(vi="Nội dung gửi không đến hết", en="The body did not come to its end"),
        why,
    )


def _no_file(why: Text) -> ProblemError:
    REFUSED.labels("no_file").inc()
    return ProblemError(
        HTTPStatus.BAD_REQUEST,
        "no_file",
        Text(vi="Biểu mẫu gửi lên không có đúng một tệp", en="The upload does not hold exactly one file"),
        why,
    )
