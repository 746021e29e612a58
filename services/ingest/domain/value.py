"""What one cell of a report holds: a number, `-`, `...`, nothing, or something that is no number."""

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from shared.events.cells import Mark

SCALED_DIGITS_MAX = 18
"""A cell's value is kept as an integer scaled by the cell's decimals, which has to fit 64 bits."""
SIGNIFICANT_DIGITS_MAX = 15
"""An IEEE 754 double keeps 15 decimal digits; JSON numbers and Excel cells are doubles on their way."""

NIL_TEXTS = frozenset({"-", "–", "—", "−"})  # word processors turn a lone hyphen into a dash
NOT_COLLECTED_TEXTS = frozenset({"...", "…"})

_PLAIN = re.compile(r"-?\d{1,40}(?:\.\d{1,40})?", re.ASCII)
_BLANKS = re.compile(r"[\s\u00a0\u202f]+")
_SIGNED = re.compile(r"([+-]?)(\d[\d.,]*)", re.ASCII)
_GROUPS = re.compile(r"[1-9]\d{0,2}(?:[.,]\d{3})+", re.ASCII)


class ValueProblem(StrEnum):
    """Why something is no value for a cell."""

    NOT_A_NUMBER = "not_a_number"
    AMBIGUOUS = "ambiguous_number"
    TOO_MANY_DECIMALS = "too_many_decimals"
    TOO_LARGE = "number_too_large"
    IMPRECISE = "imprecise_number"
    FORMULA_WITHOUT_VALUE = "formula_without_value"
    FORMULA_ERROR = "formula_error"


@dataclass(frozen=True, slots=True)
class Content:
    """What a cell holds; `value` is given exactly when the mark is VALUE."""

    mark: Mark
    value: Decimal | None = None


MISSING = Content(Mark.MISSING)
NIL = Content(Mark.NIL)
NOT_COLLECTED = Content(Mark.NOT_COLLECTED)


def content_of_json(raw: Decimal | str | None, decimals: int) -> Content | ValueProblem:
    """Read a value of a JSON body: a number, or a string with a plain decimal (`1234.5`), `-` or `...`."""
    if isinstance(raw, Decimal):
        if _significant_digits(raw) > SIGNIFICANT_DIGITS_MAX:
            return ValueProblem.IMPRECISE
        return _scaled(raw, decimals)
    text = (raw or "").strip()
    if (special := _special(text)) is not None:
        return special
    return _scaled(Decimal(text), decimals) if _PLAIN.fullmatch(text) else ValueProblem.NOT_A_NUMBER


def content_of_excel(raw: object, decimals: int) -> Content | ValueProblem:
    """Read a value of a workbook's cell: a number, or text with a number as it is written in Vietnamese or English."""
    if isinstance(raw, bool):
        return ValueProblem.NOT_A_NUMBER
    if isinstance(raw, int | float):
        if not math.isfinite(raw):
            return ValueProblem.NOT_A_NUMBER
        # What Excel shows of a double is its first 15 digits: 0.1 + 0.2 is 0.3 to everybody who looks at the sheet.
        return _scaled(Decimal(format(raw, f".{SIGNIFICANT_DIGITS_MAX}g")), decimals)
    if raw is not None and not isinstance(raw, str):
        return ValueProblem.NOT_A_NUMBER  # a date or a duration
    text = (raw or "").strip()
    if (special := _special(text)) is not None:
        return special
    number = _number_in_text(text)
    return number if isinstance(number, ValueProblem) else _scaled(number, decimals)


def _special(text: str) -> Content | None:
    if not text:
        return MISSING
    if text in NIL_TEXTS:
        return NIL
    return NOT_COLLECTED if text in NOT_COLLECTED_TEXTS else None


def _number_in_text(text: str) -> Decimal | ValueProblem:
    """Read `62.585,4`, `62,585.4`, `62 585,4`, `1,5`; one separator before exactly three digits may be either."""
    match = _SIGNED.fullmatch(_BLANKS.sub("", text).replace("−", "-"))
    if match is None:
        return ValueProblem.NOT_A_NUMBER
    sign, digits = match[1], match[2]
    separators = [character for character in digits if character in ".,"]
    kinds = set(separators)
    if len(kinds) == 2:
        decimal_mark = separators[-1]
        whole, fraction = digits.rsplit(decimal_mark, 1)
        grouped = decimal_mark not in whole and _GROUPS.fullmatch(whole) and fraction
        return Decimal(f"{sign}{re.sub('[.,]', '', whole)}.{fraction}") if grouped else ValueProblem.NOT_A_NUMBER
    if len(separators) > 1:
        grouped = _GROUPS.fullmatch(digits)
        return Decimal(sign + re.sub("[.,]", "", digits)) if grouped else ValueProblem.NOT_A_NUMBER
    if not separators:
        return Decimal(sign + digits)
    if _GROUPS.fullmatch(digits):
        return ValueProblem.AMBIGUOUS
    whole, fraction = re.split("[.,]", digits)
    return Decimal(f"{sign}{whole}.{fraction}") if fraction else ValueProblem.NOT_A_NUMBER


def _scaled(value: Decimal, decimals: int) -> Content | ValueProblem:
    """Write the value with exactly the cell's decimals; digits are never rounded away."""
    if value.is_zero():
        value = abs(value)
    elif value.adjusted() + 1 + decimals > SCALED_DIGITS_MAX:
        return ValueProblem.TOO_LARGE
    if _decimals_used(value) > decimals:
        return ValueProblem.TOO_MANY_DECIMALS
    return Content(Mark.VALUE, value.quantize(Decimal(1).scaleb(-decimals)))


def _decimals_used(value: Decimal) -> int:
    """Return the decimals that are not trailing zeros. `normalize` would round at the context's 28 digits."""
    _, digits, exponent = value.as_tuple()
    written = "".join(map(str, digits)).rstrip("0")
    return max(0, -int(exponent) - (len(digits) - len(written))) if written else 0


def _significant_digits(value: Decimal) -> int:
    return len("".join(map(str, value.as_tuple().digits)).strip("0"))
