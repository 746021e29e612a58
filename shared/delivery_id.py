"""The identity of one expected report: unit, form, period and status as one value."""

import re
import unicodedata
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Self
from urllib.parse import quote, unquote

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from shared.periods import Period

UNIT_CODE = re.compile(r"[A-Z0-9-]{1,32}")
FORM_CODE_LENGTH_MAX = 64


class Status(StrEnum):
    """How firm a figure is (mức độ của số liệu: ước tính, sơ bộ, chính thức; Law on Statistics 2015, Article 48)."""

    ESTIMATE = "estimate"
    PRELIMINARY = "preliminary"
    FINAL = "final"

    @property
    def rank(self) -> int:
        """Order of firmness: 0 estimate, 1 preliminary, 2 final."""
        return list(Status).index(self)


def normalise_code(code: str) -> str:
    """Return a code in Unicode NFC without surrounding blanks; codes are compared in this form."""
    return unicodedata.normalize("NFC", code.strip())


@dataclass(frozen=True, slots=True, order=True)
class DeliveryId:
    """One expected report (lần báo cáo): it is written `unit/form/period/status`, each part percent-encoded."""

    unit: str
    form: str
    period: Period
    status: Status

    @classmethod
    def of(cls, unit: str, form: str, period: Period | str, status: Status | str) -> Self:
        """Build an id from its parts; raises ValueError when one of them is not well-formed."""
        unit, form = normalise_code(unit), normalise_code(form)
        if UNIT_CODE.fullmatch(unit) is None:
            raise ValueError(f"unit code {unit!r} does not match {UNIT_CODE.pattern}")
        if not 0 < len(form) <= FORM_CODE_LENGTH_MAX:
            raise ValueError(f"form code {form!r} must have 1 to {FORM_CODE_LENGTH_MAX} characters")
        return cls(unit, form, period if isinstance(period, Period) else Period.parse(period), Status(status))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `unit/form/period/status`; raises ValueError when the text is not such an id."""
        parts = text.split("/")
        if len(parts) != len(fields(cls)):
            raise ValueError(f"delivery id {text!r} must have four parts: unit/form/period/status")
        return cls.of(*(unquote(part, errors="strict") for part in parts))

    def __str__(self) -> str:
        return "/".join(quote(part, safe="") for part in (self.unit, self.form, str(self.period), self.status.value))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, cls) else cls.parse(value),
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "examples": ["SKHDT/001.T%2FBCS-SKHDT/2024-06/estimate"]}
