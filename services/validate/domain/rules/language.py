"""The rule language (docs/rules.md): from the text of a rule to a small typed tree, and back.

required(*) | required(KH0301;KH0302)         total(KH0301, GEO)
cumulative(KH0301)                            parts(KH0301)
ratio(KH0301, previous, 0.2, 5)               compare(KH0602 <= KH0601)
range(KH0404, 0, 100)
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from shared.delivery_id import normalise_code
from shared.text import Text

EXPRESSION_LENGTH_MAX = 2000
_TOKEN = re.compile(r"\s*(?:(?P<comparison><=|>=|==|<|>)|(?P<sign>[(),;*])|(?P<word>[^\s,;()<>=*]+))")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)


class RuleSyntaxError(ValueError):
    """A rule cannot be read. `position` counts characters from 1; `text` says what is wrong, in both languages."""

    def __init__(self, expression: str, position: int, problem: Text) -> None:
        self.expression = expression
        self.position = position
        self.text = Text(
            vi=f"Ký tự thứ {position} của quy tắc «{expression}»: {problem.vi}",
            en=f"Character {position} of the rule “{expression}”: {problem.en}",
        )
        super().__init__(self.text.en)


@dataclass(frozen=True, slots=True)
class Indicators:
    """The indicators that a rule speaks of; no codes means all of the form's."""

    codes: tuple[str, ...] = ()

    def __contains__(self, code: str) -> bool:
        return not self.codes or code in self.codes

    def __str__(self) -> str:
        return ";".join(self.codes) or "*"


class Reference(StrEnum):
    """Which earlier period a ratio looks at."""

    PREVIOUS = "previous"
    YEAR_BEFORE = "year_before"


class Comparison(StrEnum):
    """How two cells compare."""

    LESS_OR_EQUAL = "<="
    GREATER_OR_EQUAL = ">="
    LESS = "<"
    GREATER = ">"
    EQUAL = "=="


@dataclass(frozen=True, slots=True)
class Required:
    """Every required cell that applies is filled."""

    indicators: Indicators

    def __str__(self) -> str:
        return f"required({self.indicators})"


@dataclass(frozen=True, slots=True)
class Total:
    """The cell without the dimension equals the sum over its codes."""

    indicators: Indicators
    dimension: str

    def __str__(self) -> str:
        return f"total({self.indicators}, {self.dimension})"


@dataclass(frozen=True, slots=True)
class Cumulative:
    """Column `cumulative` equals that of the month before plus column `value`."""

    indicators: Indicators

    def __str__(self) -> str:
        return f"cumulative({self.indicators})"


@dataclass(frozen=True, slots=True)
class Parts:
    """6 tháng = I + II, 9 tháng = 6 tháng + III, the year = 9 tháng + IV."""

    indicators: Indicators

    def __str__(self) -> str:
        return f"parts({self.indicators})"


@dataclass(frozen=True, slots=True)
class Ratio:
    """The value divided by the one of an earlier period lies between two numbers."""

    indicators: Indicators
    reference: Reference
    low: Decimal
    high: Decimal

    def __str__(self) -> str:
        return f"ratio({self.indicators}, {self.reference.value}, {self.low:f}, {self.high:f})"


@dataclass(frozen=True, slots=True)
class Compare:
    """One indicator against another, cell by cell."""

    left: str
    comparison: Comparison
    right: str

    def __str__(self) -> str:
        return f"compare({self.left} {self.comparison.value} {self.right})"


@dataclass(frozen=True, slots=True)
class Range:
    """The value lies between two numbers."""

    indicators: Indicators
    low: Decimal
    high: Decimal

    def __str__(self) -> str:
        return f"range({self.indicators}, {self.low:f}, {self.high:f})"


Rule = Required | Total | Cumulative | Parts | Ratio | Compare | Range


@dataclass(frozen=True, slots=True)
class _Token:
    """A piece of the text: its kind, or `end`; where it starts, from 1."""

    kind: str
    text: str
    position: int


def parse(expression: str) -> Rule:
    """Read a rule; raises RuleSyntaxError with the position and how to write it."""
    if len(expression) > EXPRESSION_LENGTH_MAX:
        problem = Text(
            vi=f"dài quá {EXPRESSION_LENGTH_MAX} ký tự", en=f"longer than {EXPRESSION_LENGTH_MAX} characters"
        )
        raise RuleSyntaxError(expression[:40] + "…", EXPRESSION_LENGTH_MAX + 1, problem)
    return _Parser(expression).rule()


class _Parser:
    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._tokens = self._split()
        self._next = 0

    def rule(self) -> Rule:
        name = self._word(Text(vi="tên phép kiểm tra", en="the name of a check"))
        read = _OPERATORS.get(name.text)
        if read is None:
            known = ", ".join(_OPERATORS)
            raise self._error(
                name,
                Text(
                    vi=f"không có phép kiểm tra «{name.text}»; có: {known}",
                    en=f"there is no check “{name.text}”; there are: {known}",
                ),
            )
        self._sign("(")
        rule = read(self)
        self._sign(")")
        end = self._take()
        if end.kind != "end":
            raise self._expected(end, Text(vi="hết quy tắc", en="the end of the rule"))
        return rule

    def required(self) -> Rule:
        return Required(self._indicators())

    def total(self) -> Rule:
        indicators = self._indicators()
        self._sign(",")
        return Total(indicators, self._code(Text(vi="tên phân tổ, ví dụ GEO", en="a dimension, such as GEO")))

    def cumulative(self) -> Rule:
        return Cumulative(self._indicators())

    def parts(self) -> Rule:
        return Parts(self._indicators())

    def ratio(self) -> Rule:
        indicators = self._indicators()
        self._sign(",")
        names = " | ".join(Reference)
        wanted = Text(vi=f"kỳ so sánh: {names}", en=f"the period to compare with: {names}")
        word = self._word(wanted)
        if word.text not in set(Reference):
            raise self._expected(word, wanted)
        return Ratio(indicators, Reference(word.text), *self._bounds())

    def compare(self) -> Rule:
        wanted = Text(vi="mã chỉ tiêu", en="an indicator's code")
        left = self._code(wanted)
        sign = self._take()
        if sign.kind != "comparison":
            raise self._expected(sign, Text(vi="phép so sánh <= >= < > ==", en="a comparison <= >= < > =="))
        return Compare(left, Comparison(sign.text), self._code(wanted))

    def range(self) -> Rule:
        return Range(self._indicators(), *self._bounds())

    def _bounds(self) -> tuple[Decimal, Decimal]:
        self._sign(",")
        low = self._number(Text(vi="cận dưới, ví dụ 0.2", en="the lower bound, such as 0.2"))
        self._sign(",")
        place = self._tokens[self._next]
        high = self._number(Text(vi="cận trên, ví dụ 5", en="the upper bound, such as 5"))
        if self._tokens[self._next].text == ",":
            raise self._error(
                self._tokens[self._next],
                Text(
                    vi="chỉ có hai cận; viết số thập phân bằng dấu chấm: 0.2",
                    en="there are two bounds; write decimals with a point: 0.2",
                ),
            )
        if high < low:
            raise self._error(
                place,
                Text(
                    vi=f"cận trên {high} nhỏ hơn cận dưới {low}",
                    en=f"the upper bound {high} is below the lower bound {low}",
                ),
            )
        return low, high

    def _indicators(self) -> Indicators:
        wanted = Text(vi="mã chỉ tiêu, hoặc *", en="an indicator's code, or *")
        if self._tokens[self._next].text == "*":
            self._take()
            return Indicators()
        codes = [self._code(wanted)]
        while self._tokens[self._next].text == ";":
            self._take()
            codes.append(self._code(wanted))
        return Indicators(tuple(codes))

    def _number(self, wanted: Text) -> Decimal:
        word = self._word(wanted)
        if _NUMBER.fullmatch(word.text) is None:
            raise self._expected(word, wanted)
        return Decimal(word.text)

    def _code(self, wanted: Text) -> str:
        return normalise_code(self._word(wanted).text)

    def _word(self, wanted: Text) -> _Token:
        token = self._take()
        if token.kind != "word":
            raise self._expected(token, wanted)
        return token

    def _sign(self, sign: str) -> None:
        token = self._take()
        if token.kind != "sign" or token.text != sign:
            raise self._expected(token, Text(vi=f"«{sign}»", en=f"“{sign}”"))

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def _split(self) -> list[_Token]:
        tokens: list[_Token] = []
        at, text = 0, self._expression.rstrip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None or match.lastgroup is None:
                at += len(text[at:]) - len(text[at:].lstrip())
                raise RuleSyntaxError(
                    self._expression,
                    at + 1,
                    Text(vi=f"ký tự «{text[at]}» không dùng được ở đây", en=f"“{text[at]}” cannot stand here"),
                )
            tokens.append(_Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup) + 1))
            at = match.end()
        return [*tokens, _Token("end", "", len(text) + 1)]

    def _expected(self, token: _Token, wanted: Text) -> RuleSyntaxError:
        found = Text(vi=f"thấy «{token.text}»", en=f"found “{token.text}”")
        if token.kind == "end":
            found = Text(vi="quy tắc đã hết", en="the rule ends here")
        return self._error(token, Text(vi=f"cần {wanted.vi}; {found.vi}", en=f"{wanted.en} is needed; {found.en}"))

    def _error(self, token: _Token, problem: Text) -> RuleSyntaxError:
        return RuleSyntaxError(self._expression, token.position, problem)


_OPERATORS: Mapping[str, Callable[[_Parser], Rule]] = {
    "required": _Parser.required,
    "total": _Parser.total,
    "cumulative": _Parser.cumulative,
    "parts": _Parser.parts,
    "ratio": _Parser.ratio,
    "compare": _Parser.compare,
    "range": _Parser.range,
}
