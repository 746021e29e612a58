"""Reads a JSON body as a package or explanation; says what does not fit its form, field by field."""

import re
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from services.ingest.domain.findings import Door, capped, finding
from services.ingest.domain.incoming import Where
from shared.events.base import EventData
from shared.events.findings import Finding
from shared.text import Text

DataT = TypeVar("DataT", bound=EventData)

# PostgreSQL stores no NUL in text; an odd number of backslashes makes it an escape and not a backslash before 'u0000'.
_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_UNION_TAGS = frozenset({"decimal", "str"})


class NotJsonError(Exception):
    """A body is no JSON object at all."""


def read_body(body: bytes, model: type[DataT]) -> DataT | tuple[Finding, ...]:
    """Return the data of a body, or what does not fit its form. Raises NotJsonError when it is no JSON object."""
    if _ESCAPED_NUL.search(body):
        return (
            finding(
                Door.SCHEMA,
                Text(vi="Có ký tự U+0000 trong văn bản", en="A text holds the character U+0000"),
                Text(vi="Bỏ ký tự đó.", en="Leave it out."),
            ),
        )
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False, include_input=False)
        if any(each["type"] in {"json_invalid", "model_type"} and not each["loc"] for each in errors):
            raise NotJsonError(errors[0]["msg"]) from None
        return _findings(errors)


def _findings(errors: Sequence[Any]) -> tuple[Finding, ...]:
    """Turn pydantic's errors into findings, one a place; it adds 'too short' to a list whose items are wrong."""
    by_path: dict[str, tuple[str, str]] = {}
    for each in errors:
        path = _path(tuple(part for part in each["loc"] if part not in _UNION_TAGS))
        by_path.setdefault(path, (each["type"], each["msg"]))
    paths = [
        path
        for path, (kind, _) in by_path.items()
        if kind != "too_short" or not any(other != path and other.startswith(path) for other in by_path)
    ]
    return capped(
        [
            finding(
                Door.SCHEMA,
                _message(path, *by_path[path]),
                Text(
                    vi="Xem mẫu gói số liệu trong docs/guides/agency.md.",
                    en="See the form of a package in docs/guides/agency.md.",
                ),
                Where(document=path or None),
            )
            for path in paths
        ]
    )


def _path(location: Sequence[str | int]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _message(path: str, kind: str, english: str) -> Text:
    field = path.rsplit(".", 1)[-1]
    if field == "period":
        return Text(
            vi="Kỳ báo cáo phải viết 2024-03, 2024-Q1, 2024-S1, 2024-9M hoặc 2024",
            en="A period is written 2024-03, 2024-Q1, 2024-S1, 2024-9M or 2024",
        )
    if field == "status":
        return Text(
            vi="Mức độ phải là estimate (ước tính), preliminary (sơ bộ) hoặc final (chính thức)",
            en="A status is estimate, preliminary or final",
        )
    if field == "value":
        return Text(
            vi='Giá trị phải là số, số trong chuỗi, "-", "..." hoặc null',
            en='A value is a number, a decimal in a string, "-", "..." or null',
        )
    vietnamese = {
        "missing": "Thiếu trường này",
        "extra_forbidden": "Không có trường này trong mẫu",
        "string_type": "Phải là chuỗi ký tự",
        "string_too_short": "Không được để trống",
        "string_too_long": "Quá dài",
        "too_short": "Có quá ít phần tử",
        "too_long": "Có quá nhiều phần tử",
        "tuple_type": "Phải là danh sách",
        "dict_type": "Phải là một đối tượng JSON",
        "model_type": "Phải là một đối tượng JSON",
        "model_attributes_type": "Phải là một đối tượng JSON",
    }.get(kind, "Giá trị không đúng mẫu")
    return Text(vi=vietnamese, en=english.removeprefix("Value error, "))
