"""A letter as plain text, for those whose mail program shows no HTML, and for the ear."""

from collections.abc import Iterator
from textwrap import TextWrapper

from services.notify.domain.letter import Letter, Line, Mistake, Returned
from services.notify.domain.words import sentence

WIDTH = 76
"""Columns of a line: a quoted one still fits 80."""

_RULE = "-" * WIDTH


def render_text(letter: Letter) -> str:
    """Return the whole letter in lines of at most 76 columns, but for addresses and words that are longer."""
    blocks = [block for block in _blocks(letter) if block]
    return "\n\n".join("\n".join(line.rstrip() for line in block) for block in blocks) + "\n"


def _blocks(letter: Letter) -> Iterator[list[str]]:
    for note in letter.notes:
        yield _wrapped(note, first="(!) ", rest="    ")
    yield [*_wrapped(letter.kicker.upper()), *_wrapped(letter.headline), _RULE]
    yield _wrapped(letter.greeting)
    for paragraph in letter.paragraphs:
        yield _wrapped(paragraph)
    yield from (_line(line) for line in letter.lines)
    for returned in letter.returned:
        yield from _returned(returned)
    if letter.actions:
        yield ["VIỆC CẦN LÀM", *_numbered(letter.actions)]
    if letter.button and letter.url:
        yield [*_wrapped(f"{letter.button}:"), letter.url]  # unwrapped, so that programs see one address
    yield [line for part in letter.signature for line in _wrapped(part)]
    yield [_RULE, *_wrapped(letter.reason)]


def _line(line: Line) -> list[str]:
    what = f"{line.form} – {line.title}" if line.title else line.form
    due = f"Hạn: {line.due}" if line.due else ""
    return [
        *_wrapped(what, first="* ", rest="  "),
        *_wrapped(f"{line.period}, số {line.status}", first="  "),
        *_wrapped(" – ".join(filter(None, (due, line.note))), first="  "),
    ]


def _returned(returned: Returned) -> Iterator[list[str]]:
    yield ["LỖI CẦN SỬA", *_wrapped(f"{returned.heading}: {returned.error_count} lỗi")]
    width = len(str(len(returned.mistakes)))
    for number, mistake in enumerate(returned.mistakes, 1):
        yield _mistake(f"{number:>{width}}. ", mistake)
    yield _wrapped(returned.rest)


def _mistake(label: str, mistake: Mistake) -> list[str]:
    indent = " " * len(label)
    address = f"Ô {mistake.address}" if mistake.address else ""
    said_already = all(value in mistake.message for _, value in mistake.compared)  # by the sentence before
    numbers = "" if said_already else "; ".join(f"{name}: {value}" for name, value in mistake.compared)
    said = (
        mistake.where,
        address,
        sentence(mistake.message),
        numbers,
        f"Cách sửa: {mistake.mend}" * bool(mistake.mend),
    )
    lines = [line for text in said for line in _wrapped(text, first=indent, rest=indent)]
    return [label + line.removeprefix(indent) if number == 0 else line for number, line in enumerate(lines)]


def _numbered(texts: tuple[str, ...]) -> list[str]:
    return [line for number, text in enumerate(texts, 1) for line in _wrapped(text, first=f"{number}. ", rest="   ")]


def _wrapped(text: str, first: str = "", rest: str | None = None) -> list[str]:
    """Return a text in lines; blanks and line breaks of the text itself count as one blank."""
    wrapper = TextWrapper(
        width=WIDTH,
        initial_indent=first,
        subsequent_indent=first if rest is None else rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return wrapper.wrap(" ".join(text.split()))
