import string
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.validate.domain.rules.language import (
    EXPRESSION_LENGTH_MAX,
    Compare,
    Comparison,
    Cumulative,
    Indicators,
    Parts,
    Range,
    Ratio,
    Reference,
    Required,
    Rule,
    RuleSyntaxError,
    Total,
    parse,
)

codes = st.text(string.ascii_uppercase + string.digits + "_-./Đ", min_size=1, max_size=12)
indicators = st.lists(codes, max_size=4).map(lambda found: Indicators(tuple(found)))
bounds = st.tuples(*[st.decimals(-(10**9), 10**9, places=3)] * 2).map(sorted)
rules: st.SearchStrategy[Rule] = st.one_of(
    st.builds(Required, indicators),
    st.builds(Total, indicators, codes),
    st.builds(Cumulative, indicators),
    st.builds(Parts, indicators),
    st.builds(Compare, codes, st.sampled_from(Comparison), codes),
    st.tuples(indicators, bounds).map(lambda found: Range(found[0], *found[1])),
    st.tuples(indicators, st.sampled_from(Reference), bounds).map(lambda found: Ratio(*found[:2], *found[2])),
)


@given(rules)
def test_a_rule_written_out_reads_back_as_itself(rule: Rule) -> None:
    assert parse(str(rule)) == rule


@given(rules, st.sampled_from(["", " ", "\t ", "\n"]))
def test_blanks_do_not_matter(rule: Rule, blank: str) -> None:
    text = str(rule)
    for sign in "(),;":
        text = text.replace(sign, blank + sign + blank)
    assert parse(blank + text + blank) == rule


@given(st.text(max_size=60) | st.text("()<>=,;* totalrequired0123.-", max_size=60))
def test_any_text_is_a_rule_or_a_mistake_with_a_position_inside_of_it(text: str) -> None:
    mistake = mistake_in(text)
    if mistake is not None:
        assert 1 <= mistake.position <= len(text) + 1
        assert str(mistake.position) in mistake.text.vi
        assert str(mistake.position) in mistake.text.en


def mistake_in(text: str) -> RuleSyntaxError | None:
    try:
        parse(text)
    except RuleSyntaxError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("expression", "rule"),
    [
        ("required(*)", Required(Indicators())),
        ("required(KH0301;KH0302)", Required(Indicators(("KH0301", "KH0302")))),
        ("total(KH0301, GEO)", Total(Indicators(("KH0301",)), "GEO")),
        ("cumulative(KH0301)", Cumulative(Indicators(("KH0301",)))),
        ("parts(KH0301)", Parts(Indicators(("KH0301",)))),
        ("ratio(I, year_before, 0.2, 5)", Ratio(Indicators(("I",)), Reference.YEAR_BEFORE, Decimal("0.2"), Decimal(5))),
        ("compare(KH0602 <= KH0601)", Compare("KH0602", Comparison.LESS_OR_EQUAL, "KH0601")),
        ("range(KH0404, -5.5, 100)", Range(Indicators(("KH0404",)), Decimal("-5.5"), Decimal(100))),
    ],
)
def test_the_examples_of_the_guide_are_read(expression: str, rule: Rule) -> None:
    assert parse(expression) == rule


@pytest.mark.parametrize(
    ("expression", "position", "english"),
    [
        ("", 1, "the name of a check is needed; the rule ends here"),
        ("sum(A, GEO)", 1, "there is no check “sum”; there are: required, total"),
        ("total(A GEO)", 9, "“,” is needed; found “GEO”"),
        ("total(A, )", 10, "a dimension, such as GEO is needed; found “)”"),
        ("required(*", 11, "“)” is needed; the rule ends here"),
        ("required(*) x", 13, "the end of the rule is needed; found “x”"),
        ("required()", 10, "an indicator's code, or * is needed; found “)”"),
        ("ratio(A, yesterday, 1, 2)", 10, "previous | year_before is needed; found “yesterday”"),
        ("ratio(A, previous, a, 2)", 20, "the lower bound, such as 0.2 is needed; found “a”"),
        ("ratio(A, previous, 0,2, 5)", 23, "write decimals with a point: 0.2"),
        ("range(A, 5, 1)", 13, "the upper bound 1 is below the lower bound 5"),
        ("range(A, 1e3, 5)", 10, "the lower bound"),
        ("range(A, ٣, 5)", 10, "the lower bound"),
        ("compare(A = B)", 11, "“=” cannot stand here"),
        ("compare(A, B)", 10, "a comparison <= >= < > == is needed"),
        ("compare(* <= B)", 9, "an indicator's code is needed"),
    ],
)
def test_a_mistake_is_said_with_its_place_and_what_is_needed(expression: str, position: int, english: str) -> None:
    with pytest.raises(RuleSyntaxError) as caught:
        parse(expression)
    assert caught.value.position == position
    assert caught.value.text.en.startswith(f"Character {position} ")
    assert english in str(caught.value)
    assert f"Ký tự thứ {position}" in caught.value.text.vi


def test_a_rule_too_long_is_refused_without_quoting_it_whole() -> None:
    with pytest.raises(RuleSyntaxError) as caught:
        parse("required(" + "A;" * EXPRESSION_LENGTH_MAX + "A)")
    assert len(str(caught.value)) < 200


def test_codes_are_compared_in_one_unicode_form() -> None:
    assert parse("required(Đ\u0065\u0302)") == parse("required(Đ\u00ea)")
