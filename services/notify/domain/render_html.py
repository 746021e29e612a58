"""A letter as HTML that mail programs show alike: layout by tables, styles inline, nothing loaded from elsewhere."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape

from services.notify.domain.letter import Letter, Line, Mistake, Returned
from services.notify.domain.words import sentence


@dataclass(frozen=True, slots=True)
class _Colours:
    """The colours of one kind of mail: band and button, tinted ground, its border, words that stand out."""

    strong: str
    ground: str
    border: str
    words: str


_BLUE = _Colours("#1d4f91", "#eef4fb", "#c9dcf1", "#9a3412")
_COLOURS = {
    "reminder": _BLUE,
    "passed": _Colours("#b42318", "#fef3f0", "#f6cfc7", "#b42318"),
    "returned": _Colours("#6b2c91", "#f7f1fb", "#e0cdec", "#b42318"),
}
_FONT = "font-family:'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"
_INK, _QUIET, _HAIR = "#1f2933", "#52606d", "#e4e7eb"


def render_html(letter: Letter) -> str:
    """Return the letter as a whole HTML document, at most 640 px wide, readable on a phone; all its text escaped."""
    colours = _COLOURS.get(letter.tone, _BLUE)
    inside = "\n".join(_sections(letter, colours))
    return f"""<!DOCTYPE html>
<html lang="vi">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light">
<title>{escape(letter.subject)}</title>
</head>
<body style="margin:0;padding:0;background:#eceff3;-webkit-text-size-adjust:100%">
{_preview(letter)}
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="background:#eceff3">
<tr><td align="center" style="padding:16px 8px">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" \
style="max-width:640px;background:#ffffff;border-collapse:separate;border:1px solid {_HAIR};\
border-radius:8px;overflow:hidden;text-align:left">
{inside}
</table>
</td></tr>
</table>
</body>
</html>
"""


def _sections(letter: Letter, colours: _Colours) -> Iterator[str]:
    for note in letter.notes:
        yield _row(
            f"<strong>⚠</strong>&nbsp; {escape(note)}",
            padding="10px 24px",
            style=f"background:#fff4cc;border-bottom:1px solid #f0d77b;color:#5c4500;{_text(14)}",
        )
    yield _row(
        f'<div style="{_text(12)};letter-spacing:1px;text-transform:uppercase;color:#ffffff;opacity:.85">'
        f"{escape(letter.kicker)}</div>"
        f'<h1 style="margin:4px 0 0;{_text(21)};line-height:1.35;font-weight:600;color:#ffffff">'
        f"{escape(letter.headline)}</h1>",
        padding="20px 24px 22px",
        style=f"background:{colours.strong}",
    )
    yield _row("".join(_paragraph(text) for text in (letter.greeting, *letter.paragraphs)), padding="22px 24px 6px")
    if letter.lines:
        yield _row(_lines(letter.lines, colours), padding="6px 24px 14px")
    for returned in letter.returned:
        yield _row(_returned(returned, colours), padding="8px 24px 14px")
    if letter.actions:
        yield _row(_title("Việc cần làm") + _numbered(letter.actions, colours), padding="8px 24px 10px")
    if letter.button and letter.url:
        yield _row(_button(letter.button, letter.url, colours), padding="6px 24px 22px")
    yield _row(
        "".join(
            f'<div style="{_text(15)};color:{_INK};{"font-weight:600" if number else ""}">{escape(part)}</div>'
            for number, part in enumerate(letter.signature)
        ),
        padding="4px 24px 22px",
    )
    yield _row(
        escape(letter.reason),
        padding="14px 24px 16px",
        style=f"background:#f8f9fb;border-top:1px solid {_HAIR};color:{_QUIET};{_text(12)};line-height:1.55",
    )


def _preview(letter: Letter) -> str:
    """Return the words that mail programs show in the list beside the subject."""
    text = " ".join(letter.paragraphs[:1])
    return f'<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">{escape(text)}</div>'


def _lines(lines: Iterable[Line], colours: _Colours) -> str:
    rows = "".join(_line(line, colours) for line in lines)
    head = f"{_text(12)};font-weight:600;color:{_QUIET};padding:8px 12px;border-bottom:1px solid {colours.border}"
    return (
        f'<table width="100%" cellpadding="0" cellspacing="0" border="0" style="border:1px solid {colours.border};'
        'border-collapse:separate;border-radius:6px;overflow:hidden">'
        f'<tr style="background:{colours.ground}"><th align="left" style="{head}">Báo cáo</th>'
        f'<th align="left" width="34%" style="{head}">Hạn gửi</th></tr>{rows}</table>'
    )


def _line(line: Line, colours: _Colours) -> str:
    cell = f"padding:10px 12px;vertical-align:top;border-bottom:1px solid {_HAIR};color:{_INK};{_text(14)}"
    title = f'<div style="padding-top:1px">{escape(line.title)}</div>' if line.title else ""
    emphasis = f"color:{colours.words};font-weight:600" if line.urgent else f"color:{_QUIET}"
    note = f'<div style="{_text(13)};{emphasis}">{escape(sentence(line.note))}</div>' if line.note else ""
    return (
        f'<tr><td style="{cell}"><div style="font-weight:600">{_breakable(line.form)}</div>{title}'
        f'<div style="{_text(13)};color:{_QUIET};padding-top:2px">{escape(line.period)} · '
        f"số {escape(line.status)}</div></td>"
        f'<td width="34%" style="{cell}"><div>{escape(sentence(line.due))}</div>{note}</td></tr>'
    )


def _returned(returned: Returned, colours: _Colours) -> str:
    hidden = (
        f'<div style="{_text(14)};color:{colours.words};font-weight:600;padding:12px 0 2px;overflow-wrap:anywhere">'
        f"{escape(returned.rest)}</div>"
        if returned.rest
        else ""
    )
    mistakes = "".join(_mistake(number, mistake) for number, mistake in enumerate(returned.mistakes, 1))
    return (
        f'{_title("Lỗi cần sửa")}<div style="{_text(14)};color:{_INK};padding-bottom:8px">'
        f"<strong>{_breakable(returned.heading)}</strong> · "
        f'<span style="color:{colours.words};font-weight:600">{returned.error_count} lỗi</span></div>'
        f'<table width="100%" cellpadding="0" cellspacing="0" border="0" '
        f'style="border-top:2px solid {colours.border}">{mistakes}</table>{hidden}'
    )


def _mistake(number: int, mistake: Mistake) -> str:
    where = f'<div style="font-weight:600">{_breakable(mistake.where)}</div>' if mistake.where else ""
    address = (
        f'<div style="padding-top:2px"><span style="{_text(12)};color:{_QUIET}">Ô</span> '
        f'<span style="font-family:Consolas,Menlo,monospace;font-size:13px;background:#f1f3f6;padding:1px 6px;'
        f'border-radius:3px">{_breakable(mistake.address)}</span></div>'
        if mistake.address
        else ""
    )
    mend = (
        f'<div style="padding-top:5px;color:#1c5d38"><strong>Cách sửa:</strong> {escape(mistake.mend)}</div>'
        if mistake.mend
        else ""
    )
    cell = f"padding:11px 0;vertical-align:top;border-bottom:1px solid {_HAIR};color:{_INK};{_text(14)}"
    return (
        f'<tr><td width="28" style="{cell};color:{_QUIET};font-weight:600">{number}.</td><td style="{cell}">'
        f'{where}{address}<div style="padding-top:5px">{escape(sentence(mistake.message))}</div>'
        f"{_compared(mistake)}{mend}</td></tr>"
    )


def _compared(mistake: Mistake) -> str:
    """Return what was sent and what the rule gives, beside each other."""
    cells = "".join(
        f'<td width="50%" style="padding:6px 10px;vertical-align:top;background:{ground};{_text(14)};color:{_INK}">'
        f'<div style="{_text(12)};color:{_QUIET}">{label}</div>'
        f'<div style="font-weight:600;font-variant-numeric:tabular-nums">{_breakable(value)}</div></td>'
        for (label, value), ground in zip(mistake.compared, ("#fdf0ee", "#eef7f1"), strict=False)
    )
    if not cells:
        return ""
    table = '<table width="100%" cellpadding="0" cellspacing="0" border="0" style="margin-top:6px"><tr>'
    return f"{table}{cells}</tr></table>"


def _numbered(texts: Iterable[str], colours: _Colours) -> str:
    rows = "".join(
        f'<tr><td width="30" style="padding:5px 0;vertical-align:top;{_text(15)};font-weight:600;'
        f'color:{colours.strong}">{number}.</td>'
        f'<td style="padding:5px 0;{_text(15)};color:{_INK};overflow-wrap:anywhere">{escape(text)}</td></tr>'
        for number, text in enumerate(texts, 1)
    )
    return f'<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0">{rows}</table>'


def _button(label: str, url: str, colours: _Colours) -> str:
    address = escape(url)
    return (
        '<table role="presentation" cellpadding="0" cellspacing="0" border="0"><tr>'
        f'<td style="background:{colours.strong};border-radius:6px">'
        f'<a href="{address}" style="display:inline-block;padding:12px 22px;{_text(16)};font-weight:600;'
        f'color:#ffffff;text-decoration:none">{escape(label)}</a></td></tr></table>'
        f'<div style="{_text(12)};color:{_QUIET};padding-top:8px;word-break:break-all">{address}</div>'
    )


def _title(text: str) -> str:
    return f'<h2 style="margin:0;padding-bottom:6px;{_text(16)};font-weight:600;color:{_INK}">{escape(text)}</h2>'


def _paragraph(text: str) -> str:
    return f'<p style="margin:0 0 12px;{_text(15)};color:{_INK}">{escape(text)}</p>'


def _row(content: str, *, padding: str, style: str = "") -> str:
    return f'<tr><td style="padding:{padding};{style}">{content}</td></tr>'


def _text(size: int) -> str:
    """Return the style of text of so many pixels; each cell says it, as mail programs do not hand it down."""
    return f"{_FONT};font-size:{size}px;line-height:1.5"


def _breakable(text: str) -> str:
    """Return a code or cell name, escaped, that a phone may break after a slash or a full stop between digits."""
    return escape(text).replace("/", "/<wbr>").replace("!", "!<wbr>")
