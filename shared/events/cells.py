"""Cells of a form and their values, as they travel in events."""

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

TOTAL_CODE = "_T"
VALUE_COLUMN = "value"


def _sorted_dimensions(value: object) -> object:
    if isinstance(value, dict):
        value = value.items()
    if isinstance(value, Iterable):
        return tuple(sorted((str(name), str(code)) for name, code in value if str(code) != TOTAL_CODE))
    return value


Dimensions = Annotated[
    tuple[tuple[str, str], ...],
    BeforeValidator(_sorted_dimensions),
    PlainSerializer(dict, return_type=dict[str, str]),
]
"""Dimension codes, sorted by dimension; a dimension left out means its total `_T`. A JSON object on the wire."""


class CellKey(BaseModel):
    """A cell: indicator × dimension codes × column. Equal keys are the same cell."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    indicator: str
    dimensions: Dimensions = ()
    column: str = VALUE_COLUMN

    def __str__(self) -> str:
        codes = ",".join(f"{name}={code}" for name, code in self.dimensions)
        return f"{self.indicator}[{codes}].{self.column}" if codes else f"{self.indicator}.{self.column}"


class Place(BaseModel):
    """Where a cell stands in the sender's workbook: sheet name and A1 address."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    sheet: str
    address: str


class Mark(StrEnum):
    """What a cell holds. These never turn into each other: an empty cell is not zero."""

    VALUE = "value"
    MISSING = "missing"
    NIL = "nil"  # `-`: no such event, a true zero
    NOT_COLLECTED = "not_collected"  # `...`: exists, not collected
    NOT_APPLICABLE = "not_applicable"  # declared by the catalogue for this unit


PlainDecimal = Annotated[Decimal, PlainSerializer(lambda value: format(value, "f"), return_type=str)]
"""A decimal that travels as a string without exponent."""


class CellValue(BaseModel):
    """One cell of one report: its key, what it holds, and where it stood in the sender's workbook."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: CellKey
    mark: Mark = Mark.VALUE
    value: PlainDecimal | None = None
    place: Place | None = None

    @property
    def number(self) -> Decimal | None:
        """The value to reckon with: the number, 0 for `-`, None where there is none."""
        return Decimal(0) if self.mark is Mark.NIL else self.value
