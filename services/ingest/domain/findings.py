"""Findings of the door: each with a stable code, in both languages, with the place and how to mend it."""

import re
from collections.abc import Sequence
from enum import StrEnum

from services.ingest.domain.incoming import Where
from shared.events.cells import CellKey
from shared.events.findings import Finding, Severity
from shared.text import Text

FINDINGS_SHOWN_MAX = 200
"""More than a person reads at once, and small enough for any answer; the whole count is stated."""

NOWHERE = Where()
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class Door(StrEnum):
    """The checks of the door."""

    SCHEMA = "door.schema"
    UNREADABLE = "door.unreadable"
    UNKNOWN_TYPE = "door.unknown_type"
    TOO_LARGE = "door.too_large"
    ID_REUSED = "door.id_reused"
    UNKNOWN_UNIT = "door.unknown_unit"
    KAFKA_DOOR_OFF = "door.kafka_door_off"
    ON_BEHALF_OF = "door.on_behalf_of"
    UNKNOWN_FORM = "door.unknown_form"
    NOT_YOUR_FORM = "door.not_your_form"
    FORM_NOT_VALID = "door.form_not_valid"
    NO_SUCH_DELIVERY = "door.no_such_delivery"
    NOT_OPEN = "door.not_open"
    CLOSED = "door.closed"
    SAME_DELIVERY_TWICE = "door.same_delivery_twice"
    UNKNOWN_INDICATOR = "door.unknown_indicator"
    NOT_YOUR_INDICATOR = "door.not_your_indicator"
    UNKNOWN_DIMENSION = "door.unknown_dimension"
    UNKNOWN_CODE = "door.unknown_code"
    UNKNOWN_COLUMN = "door.unknown_column"
    CELL_NOT_ON_FORM = "door.cell_not_on_form"
    SAME_CELL_TWICE = "door.same_cell_twice"
    NOT_APPLICABLE = "door.not_applicable"
    NOT_A_NUMBER = "door.not_a_number"
    AMBIGUOUS_NUMBER = "door.ambiguous_number"
    TOO_MANY_DECIMALS = "door.too_many_decimals"
    NUMBER_TOO_LARGE = "door.number_too_large"
    IMPRECISE_NUMBER = "door.imprecise_number"
    WORKBOOK_UNREADABLE = "door.workbook_unreadable"
    WORKBOOK_TOO_LARGE = "door.workbook_too_large"
    WORKBOOK_NO_IDENTITY = "door.workbook_no_identity"
    WORKBOOK_LAYOUT = "door.workbook_layout"
    WORKBOOK_OTHER_UNIT = "door.workbook_other_unit"
    WORKBOOK_CHANGED = "door.workbook_changed"
    FORMULA_WITHOUT_VALUE = "door.formula_without_value"
    FORMULA_ERROR = "door.formula_error"
    NO_SUCH_VERSION = "door.no_such_version"
    NOT_NEWEST_VERSION = "door.not_newest_version"
    NOTHING_TO_EXPLAIN = "door.nothing_to_explain"
    MORE_FINDINGS = "door.more_findings"


def printable(text: str) -> str:
    """Return a text without control characters: PostgreSQL stores no U+0000, and nobody can read the others."""
    return _CONTROL_CHARACTERS.sub("\N{REPLACEMENT CHARACTER}", text)


def finding(
    code: Door,
    message: Text,
    mend: Text | None = None,
    where: Where = NOWHERE,
    *,
    cell: CellKey | None = None,
    expected: str | None = None,
    observed: str | None = None,
) -> Finding:
    """Return an error of the door."""
    return Finding(
        rule=code.value,
        severity=Severity.ERROR,
        message=message,
        mend=mend,
        cell=cell,
        place=where.place,
        document=where.document,
        expected=expected,
        observed=None if observed is None else printable(observed[:200]),
    )


def capped(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the first findings, and one that states the count of all when some are left out."""
    if len(findings) <= FINDINGS_SHOWN_MAX:
        return tuple(findings)
    rest = Finding(
        rule=Door.MORE_FINDINGS.value,
        severity=Severity.INFORMATION,
        message=Text(
            vi=f"Hiển thị {FINDINGS_SHOWN_MAX} lỗi đầu tiên trong tổng số {len(findings)}",
            en=f"The first {FINDINGS_SHOWN_MAX} of {len(findings)} findings are shown",
        ),
        observed=str(len(findings)),
    )
    return (*findings[:FINDINGS_SHOWN_MAX], rest)
