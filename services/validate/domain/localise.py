"""Says failures to people, in Vietnamese and English: which cell, what stands there, what was expected, what to do."""

from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal

from services.validate.domain.rules.compile import CompiledForm, CompiledRule
from services.validate.domain.rules.outcome import (
    ComparisonFails,
    EmptyCell,
    Failure,
    OutsideRange,
    RatioOutside,
    WrongCumulative,
    WrongParts,
    WrongTotal,
)
from shared.catalogue.snapshot import Snapshot
from shared.delivery_id import DeliveryId
from shared.events.cells import VALUE_COLUMN, CellKey, Place
from shared.events.findings import Finding
from shared.text import Text

# A factor of a thousand, give or take what a figure may change between two periods.
_THOUSANDFOLD = (Decimal(200), Decimal(5000))
_SHOWN = Context(prec=4)


def number_text(number: Decimal) -> Text:
    """Write a number as people do: 62.585,4 in Vietnamese, 62,585.4 in English."""
    english = f"{number:,f}"
    return Text(vi=english.translate(str.maketrans(",.", ".,")), en=english)


def plain(number: Decimal) -> str:
    """Write a number for machines: no exponent, no thousands separator."""
    return f"{number:f}"


@dataclass(frozen=True)
class Names:
    """What cells are called: indicators, codes and columns of one delivery's form, as of its period."""

    snapshot: Snapshot
    delivery: DeliveryId

    @property
    def _day(self) -> date:
        return self.delivery.period.bounds()[1]

    def cell(self, key: CellKey, place: Place | None = None) -> Text:
        """Name a cell: where it stands, the indicator, the names of its codes, the column unless it is the value."""
        words = [self.indicator(key.indicator), *(self.code(*held) for held in key.dimensions)]
        where = f"{place.sheet}!{place.address} – " if place else ""
        vi, en = ", ".join(word.vi for word in words), ", ".join(word.en for word in words)
        if key.column != VALUE_COLUMN:
            column = self.column(key.column)
            vi, en = f"{vi}, cột «{column.vi}»", f"{en}, column “{column.en}”"
        return Text(vi=where + vi, en=where + en)

    def indicator(self, code: str) -> Text:
        """Name an indicator; its code where the catalogue has no name."""
        version = self.snapshot.indicator(code, self._day)
        return version.name if version else Text(vi=code, en=code)

    def code(self, dimension: str, code: str) -> Text:
        """Name a code of a dimension."""
        listed = self.snapshot.code_list(dimension, self._day)
        found = next((each.name for each in listed.codes if each.code == code), None) if listed else None
        return found or Text(vi=code, en=code)

    def dimension(self, dimension: str) -> Text:
        """Name a dimension."""
        listed = self.snapshot.code_list(dimension, self._day)
        return listed.name if listed else Text(vi=dimension, en=dimension)

    def column(self, column: str) -> Text:
        """Name a column of the form."""
        form = self.snapshot.form(self.delivery.form, self.delivery.period)
        found = next((each.name for each in form.columns if each.id == column), None) if form else None
        return found or Text(vi=column, en=column)


def finding_of(rule: CompiledRule, failure: Failure, form: CompiledForm, names: Names, place: Place | None) -> Finding:
    """Return a failure as the sender reads it; `place` is where the cell stood in the sender's workbook."""
    key = form.cells[failure.cell].key
    said, expected, observed = _said(failure, form, names)
    cell = names.cell(key, place)
    hint = _unit_of_measure_hint(failure)
    message = Text(
        vi=f"{cell.vi}: {said.vi}" + (f" {hint.vi}" if hint else ""),
        en=f"{cell.en}: {said.en}" + (f" {hint.en}" if hint else ""),
    )
    return Finding(
        rule=rule.code,
        severity=rule.severity,
        message=message,
        mend=rule.mend or _mend(failure, names),
        cell=key,
        place=place,
        expected=expected,
        observed=observed,
    )


def _said(  # noqa: PLR0911 -- one a kind of failure
    failure: Failure, form: CompiledForm, names: Names
) -> tuple[Text, str | None, str | None]:
    """Return the sentence, what was expected and what was observed."""
    match failure:
        case EmptyCell():
            return Text(vi="ô bắt buộc còn trống.", en="this required cell is empty."), None, None
        case WrongTotal(_, observed, expected, dimension):
            by = names.dimension(dimension)
            how = Text(vi=f"tổng theo {by.vi}", en=f"the sum by {by.en}")
            return _difference(observed, expected, how)
        case WrongCumulative(_, observed, expected, previous):
            how = (
                Text(
                    vi=f"cộng dồn đã chấp nhận của kỳ {previous} cộng số kỳ này",
                    en=f"the accepted cumulative of {previous} plus this month",
                )
                if previous
                else Text(vi="số tháng 1", en="the figure of January itself")
            )
            return _difference(observed, expected, how)
        case WrongParts(_, observed, expected, (first, second)):
            how = Text(
                vi=f"số đã chấp nhận của kỳ {first} cộng kỳ {second}", en=f"the accepted figures of {first} + {second}"
            )
            return _difference(observed, expected, how)
        case RatioOutside():
            return _ratio(failure)
        case ComparisonFails(_, observed, comparison, other_cell, other):
            seen, wanted = number_text(observed), number_text(other)
            name = names.cell(form.cells[other_cell].key)
            said = Text(
                vi=f"ghi {seen.vi}, phải {comparison.value} {wanted.vi} ({name.vi}).",
                en=f"{seen.en}, should be {comparison.value} {wanted.en} ({name.en}).",
            )
            return said, f"{comparison.value} {plain(other)}", plain(observed)
        case OutsideRange(_, observed, low, high):
            seen, least, most = (number_text(number) for number in (observed, low, high))
            said = Text(
                vi=f"ghi {seen.vi}, ngoài khoảng từ {least.vi} đến {most.vi}.",
                en=f"{seen.en} lies outside of {least.en} to {most.en}.",
            )
            return said, f"{plain(low)}..{plain(high)}", plain(observed)


def _difference(observed: Decimal, expected: Decimal, how: Text) -> tuple[Text, str, str]:
    seen, wanted, apart = (number_text(number) for number in (observed, expected, observed - expected))
    said = Text(
        vi=f"ghi {seen.vi}, nhưng {how.vi} là {wanted.vi} (chênh {apart.vi}).",
        en=f"{seen.en}, but {how.en} is {wanted.en} (difference {apart.en}).",
    )
    return said, plain(expected), plain(observed)


def _ratio(failure: RatioOutside) -> tuple[Text, str, str]:
    seen, before = number_text(failure.observed), number_text(failure.reference)
    times = number_text(_SHOWN.divide(failure.observed, failure.reference))
    low, high = number_text(failure.low), number_text(failure.high)
    said = Text(
        vi=f"ghi {seen.vi}, bằng {times.vi} lần kỳ {failure.period} ({before.vi}); "
        f"thường từ {low.vi} đến {high.vi} lần.",
        en=f"{seen.en} is {times.en} times that of {failure.period} ({before.en}); "
        f"usually {low.en} to {high.en} times.",
    )
    least, most = sorted((failure.low * failure.reference, failure.high * failure.reference))
    return said, f"{plain(least)}..{plain(most)}", plain(failure.observed)


def _unit_of_measure_hint(failure: Failure) -> Text | None:
    """Return a hint where a ratio looks like the classic error of writing thousands for ones, or the reverse."""
    if not isinstance(failure, RatioOutside) or not failure.observed:
        return None
    times = abs(_SHOWN.divide(failure.observed, failure.reference))
    low, high = _THOUSANDFOLD
    if low <= times <= high:
        return Text(
            vi="Có thể nhầm đơn vị tính: số lớn hơn khoảng 1.000 lần.",
            en="Perhaps the wrong unit of measure: the figure is about 1,000 times too large.",
        )
    if low <= _SHOWN.divide(Decimal(1), times) <= high:
        return Text(
            vi="Có thể nhầm đơn vị tính: số nhỏ hơn khoảng 1.000 lần.",
            en="Perhaps the wrong unit of measure: the figure is about 1,000 times too small.",
        )
    return None


def _mend(failure: Failure, names: Names) -> Text:  # noqa: PLR0911 -- one a kind of failure
    """Return what to do where the rule itself does not say it."""
    match failure:
        case EmptyCell():
            return Text(
                vi="Điền số liệu; ghi «-» nếu không phát sinh, «...» nếu có phát sinh nhưng chưa thu thập được.",
                en="Fill it in; write “-” where there was no such event, “...” where it exists but was not collected.",
            )
        case WrongTotal(dimension=dimension):
            by = names.dimension(dimension)
            return Text(
                vi=f"Kiểm tra ô tổng và các ô theo {by.vi}, sửa ô sai rồi gửi lại.",
                en=f"Check the total and the cells by {by.en}, mend the wrong one and send again.",
            )
        case WrongCumulative():
            return Text(
                vi="Lấy số cộng dồn đã được chấp nhận của tháng trước cộng với số trong tháng.",
                en="Add this month's figure to the accepted cumulative of the month before.",
            )
        case WrongParts(periods=(first, second)):
            return Text(
                vi=f"Kiểm tra số kỳ này với số đã gửi của kỳ {first} và {second}; sửa kỳ nào sai rồi gửi lại.",
                en=f"Check this figure against those sent for {first} and {second}; mend the wrong one, send it again.",
            )
        case RatioOutside():
            return Text(
                vi="Kiểm tra số liệu và đơn vị tính; nếu số đúng thì giải trình nguyên nhân.",
                en="Check the figure and its unit of measure; if it is right, explain the cause.",
            )
        case ComparisonFails():
            return Text(
                vi="Kiểm tra hai ô, sửa ô sai rồi gửi lại.",
                en="Check both cells, mend the wrong one and send again.",
            )
        case OutsideRange():
            return Text(
                vi="Kiểm tra số liệu và đơn vị tính, sửa rồi gửi lại.",
                en="Check the figure and its unit of measure, mend it and send again.",
            )
