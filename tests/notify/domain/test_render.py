"""A letter as text and as HTML."""

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain.letter import Letter, Line, Mistake, Returned
from services.notify.domain.render_html import render_html
from services.notify.domain.render_text import WIDTH, render_text
from services.notify.domain.steps import Kind
from tests.builders.mailing import a_letter

EVIL = "<script>alert('x')</script><img src=x onerror=\"alert(1)\"> & \" ' </title></td>"
ALLOWED = {
    *("html", "head", "meta", "title", "body", "table", "tr", "td", "th", "div", "span", "p", "h1", "h2"),
    *("strong", "a", "wbr"),
}
VOID = {"meta", "wbr"}


class Reader(HTMLParser):
    """Reads a document, notes its elements and attributes, and what it shows; complains of crossed elements."""

    def __init__(self, document: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.shown: list[str] = []
        self._open: list[str] = []
        self.feed(document)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name == "href"]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.shown.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.shown).split())


def everywhere(text: str) -> Letter:
    """A letter that has a text in every place that may hold one."""
    mistake = Mistake(text, text, text, text, text, text)
    return Letter(
        tone=Kind.RETURNED.value,
        subject=text,
        kicker=text,
        headline=text,
        greeting=text,
        paragraphs=(text,),
        lines=(Line(text, text, text, text, text, text, urgent=True), Line(text, "", text, text, "")),
        returned=(Returned(text, 2, (mistake,)),),
        actions=(text,),
        button=text,
        url=f"https://so.example/?q={text}",
        signature=(text, text),
        reason=text,
        notes=(text,),
    )


def test_nothing_that_a_name_holds_becomes_markup() -> None:
    document = Reader(render_html(everywhere(EVIL)))
    assert document.elements <= ALLOWED
    assert not any(name.startswith("on") for name in document.attributes)
    assert document.text.count("<script>alert('x')</script>") >= 15


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40))
def test_any_text_leaves_the_document_whole(text: str) -> None:
    document = Reader(render_html(everywhere(text)))
    assert document.elements <= ALLOWED


@given(st.text(max_size=200))
def test_any_text_can_be_shown_as_plain_text(text: str) -> None:
    assert render_text(everywhere(text))


@pytest.mark.parametrize("kind", Kind)
def test_html_loads_nothing_and_runs_nothing(kind: Kind) -> None:
    html = render_html(a_letter(tone=kind.value))
    document = Reader(html)
    assert document.elements <= ALLOWED
    assert {"src", "background", "srcset"}.isdisjoint(document.attributes)
    assert "url(" not in html
    assert document.links == ["https://lienthong.example/gui?a=1&b=2"]


def test_each_kind_has_a_colour_of_its_own() -> None:
    assert len({render_html(a_letter(tone=kind.value)) for kind in Kind}) == len(Kind)


def test_both_bodies_say_the_same() -> None:
    letter = a_letter()
    html, text = Reader(render_html(letter)).text, " ".join(render_text(letter).split())
    for said in (
        letter.headline,
        letter.greeting,
        *letter.paragraphs,
        *letter.actions,
        *letter.signature,
        letter.reason,
        letter.url,
        "Biểu!C9",
        "I1 Số doanh nghiệp",
        "Ghi 7, nhưng tổng là 8.",
        "Cách sửa: Sửa ô sai.",
        "còn 2 lỗi nữa",
        "mô phỏng",
        "001.T/BCS-A",
    ):
        assert said in html, said
        assert said in text, said


def test_what_was_sent_and_what_was_expected_stand_beside_each_other() -> None:
    mistake = Mistake("I1", "", "Sai.", "", "1.234,5", "7")
    letter = a_letter(returned=(Returned("001.T/BCS-A", 1, (mistake,)),))
    assert "Đã gửi: 7; Theo quy tắc: 1.234,5" in render_text(letter)
    html = render_html(letter)
    assert html.index("Đã gửi") < html.index(">7<") < html.index("Theo quy tắc") < html.index(">1.234,5<")


def test_what_is_not_there_leaves_no_trace() -> None:
    bare = a_letter(lines=(), returned=(), button="", url="", notes=(), actions=())
    text, html = render_text(bare), render_html(bare)
    for absent in ("Lỗi cần sửa", "Việc cần làm", "Hạn gửi", "href"):
        assert absent not in html
        assert absent.upper() not in text
    assert "\n\n\n" not in text


def test_plain_text_fits_its_width() -> None:
    long = "Số doanh nghiệp đăng ký thành lập mới theo ngành kinh tế cấp 1 và địa bàn cấp huyện " * 4
    letter = replace(everywhere(long), url="https://so.example")
    for line in render_text(letter).splitlines():
        assert len(line) <= WIDTH
        assert line == line.rstrip()


def test_an_address_is_not_broken_in_plain_text() -> None:
    url = f"https://lienthong.example/{'rất-dài-' * 20}"
    assert url in render_text(a_letter(url=url)).splitlines()
