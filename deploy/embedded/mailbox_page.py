"""The mailbox over HTTP: pages for people, JSON for programs."""

import html
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from deploy.embedded.mailbox import Mail, Mailbox

HERE = ZoneInfo("Asia/Ho_Chi_Minh")
SHOWN_MAX = 500  # newest mails on the page; the JSON list has them all

PAGE = """<!doctype html><html lang="vi"><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"><style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1c2733 }}
h1 {{ font-size: 1.3rem }} small, .en {{ color: #66727f; font-weight: normal }} a {{ color: #0b5cad }}
table {{ border-collapse: collapse; width: 100% }} th, td {{ text-align: left; padding: .45rem .6rem }}
th {{ border-bottom: 2px solid #c9d3dc; white-space: nowrap }} td {{ border-bottom: 1px solid #e6ebf0 }}
td.when {{ white-space: nowrap; font-variant-numeric: tabular-nums }} tr:hover td {{ background: #f5f8fb }}
input {{ font: inherit; padding: .3rem .5rem; width: 20rem }}
pre {{ white-space: pre-wrap; background: #f5f8fb; padding: 1rem }}
iframe {{ border: 1px solid #c9d3dc; width: 100%; height: 36rem }} td.header {{ overflow-wrap: anywhere }}
</style><body>{body}</body></html>"""

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


def mailbox_app(mailbox: Mailbox, lifespan: Lifespan | None = None) -> Starlette:
    """Return the application: `/`, `/messages/{id}`, `/api/messages`, `/api/messages/{id}`, `…/raw`."""
    pages = MailboxPages(mailbox)
    return Starlette(
        lifespan=lifespan,
        routes=[
            Route("/", pages.page_of_all),
            Route("/messages/{id}", pages.page_of_one),
            Route("/api/messages", pages.list_all),
            Route("/api/messages/{id}", pages.one),
            Route("/api/messages/{id}/raw", pages.raw),
        ],
    )


class MailboxPages:
    """The handlers; plain functions run in a thread, for they read files."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    def list_all(self, request: Request) -> Response:  # noqa: ARG002 - starlette's form
        """List all mails, first come first, without their parts."""
        return JSONResponse([_summary(mail) for mail in self._mailbox.mails()])

    def one(self, request: Request) -> Response:
        """Return one mail with its text and HTML parts."""
        mail = self._find(request)
        if mail is None:
            return JSONResponse({"title": "Không có thư này", "title_en": "There is no such mail"}, status_code=404)
        return JSONResponse({**_summary(mail), "text": mail.text, "html": mail.html})

    def raw(self, request: Request) -> Response:
        """Return the bytes as they came, behind the envelope's trace headers."""
        try:
            content = self._mailbox.raw(request.path_params["id"])
        except KeyError:
            return Response(status_code=404)
        return Response(content, media_type="message/rfc822")

    def page_of_all(self, request: Request) -> Response:
        """Show the newest mails; `?q=` keeps those with that text in subject or addresses."""
        wanted = request.query_params.get("q", "")
        mails = [mail for mail in self._mailbox.mails() if wanted.casefold() in _searched(mail)]
        rows = "".join(_row(mail) for mail in reversed(mails[-SHOWN_MAX:]))
        more = f" · {SHOWN_MAX} thư mới nhất <span class=en>newest</span>" if len(mails) > SHOWN_MAX else ""
        body = (
            f"<h1>Hộp thư <span class=en>Mailbox</span> <small>{len(mails)} thư{more}</small></h1>"
            f'<form><input name=q value="{html.escape(wanted)}" placeholder="Tìm địa chỉ, tiêu đề · search"></form>'
            "<table><tr><th>Ngày <span class=en>Date</span><th>Đến <span class=en>To</span>"
            f"<th>Tiêu đề <span class=en>Subject</span></tr>{rows}</table>"
        )
        return HTMLResponse(PAGE.format(title="Hộp thư · Mailbox", body=body))

    def page_of_one(self, request: Request) -> Response:
        """Show one mail: its HTML in a frame that may run nothing and load nothing, its text, all its headers."""
        mail = self._find(request)
        if mail is None:
            body = "<h1>Không có thư này <span class=en>There is no such mail</span></h1>"
            return HTMLResponse(PAGE.format(title="404", body=body), status_code=404)
        headers = "".join(
            f"<tr><td>{html.escape(name)}<td class=header>{html.escape(value)}</tr>"
            for name, value in mail.headers.items()
        )
        parts = ""
        if mail.html is not None:
            parts += f'<iframe sandbox srcdoc="{html.escape(mail.html)}"></iframe>'
        if mail.text is not None:
            parts += f"<h2>Văn bản <span class=en>Text</span></h2><pre>{html.escape(mail.text)}</pre>"
        link = html.escape(f"/api/messages/{mail.id}/raw")
        body = (
            f"<p><a href=/>← Hộp thư <span class=en>Mailbox</span></a><h1>{html.escape(mail.subject)}</h1>"
            f"<p>{_when(mail.date)} · {html.escape(mail.sender)} → {html.escape(', '.join(mail.recipients))}</p>"
            f"{parts}<h2>Đầu thư <span class=en>Headers</span></h2><table>{headers}</table>"
            f'<p><a href="{link}">Thư gốc <span class=en>Raw mail</span></a>'
        )
        answer = HTMLResponse(PAGE.format(title=html.escape(mail.subject), body=body))
        answer.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
        return answer

    def _find(self, request: Request) -> Mail | None:
        try:
            return self._mailbox.mail(request.path_params["id"])
        except KeyError:
            return None


def _summary(mail: Mail) -> dict[str, Any]:
    return {
        "id": mail.id,
        "message_id": mail.message_id,
        "from": mail.sender,
        "to": list(mail.recipients),
        "subject": mail.subject,
        "date": mail.date.isoformat() if mail.date is not None else None,
        "headers": mail.headers,
    }


def _searched(mail: Mail) -> str:
    return " ".join((mail.subject, mail.sender, *mail.recipients)).casefold()


def _row(mail: Mail) -> str:
    link = html.escape(f"/messages/{mail.id}")
    recipients = html.escape(", ".join(mail.recipients))
    subject = html.escape(mail.subject) or "–"
    return f'<tr><td class=when>{_when(mail.date)}<td>{recipients}<td><a href="{link}">{subject}</a></tr>'


def _when(date: datetime | None) -> str:
    return f"{date.astimezone(HERE):%d/%m/%Y %H:%M}" if date is not None else "–"
