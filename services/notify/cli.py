"""`lienthong notify …`: asks the running service who will be mailed."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import httpx
import typer
from rich.console import Console
from rich.table import Table

TIMEOUT_SECONDS = 20.0

app = typer.Typer(no_args_is_help=True, help="Nhắc việc: who was mailed, who will be.")


@app.callback()
def commands() -> None:
    """Keep `upcoming` a subcommand while it is the only one."""


@app.command()
def upcoming(
    *,
    days: Annotated[int, typer.Option(min=1, max=92, help="how many days ahead (business time)")] = 1,
    url: Annotated[str | None, typer.Option(envvar="LIENTHONG_NOTIFY_URL", help="address of the service")] = None,
    token: Annotated[
        str | None, typer.Option(envvar="LIENTHONG_TOKEN", help="token of a statistician or an operator")
    ] = None,
    data: Annotated[Path, typer.Option(help="data folder of `lienthong up`, where url and token are not given")] = Path(
        ".lienthong"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="print what the service answers")] = False,
) -> None:
    """Tell who will be mailed, when and why, if nothing changes until then."""
    if url is None or token is None:
        known_url, known_token = _running_stack(data)
        url, token = url or known_url, token or known_token
    rows = _ask(f"{url.rstrip('/')}/v1/upcoming", token, days)
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    if not rows:
        typer.echo(f"Không ai được gửi thư trong {days} ngày tới.\nNobody will be mailed within {days} days.")
        return
    Console().print(_table(rows))


def _running_stack(data: Path) -> tuple[str, str]:
    """Return address and token from the files of a running stack; ends the command where there is none."""
    try:
        addresses = json.loads((data / "addresses.json").read_text(encoding="utf-8"))
        tokens = json.loads(Path(addresses["tokens"]).read_text(encoding="utf-8"))
        return str(addresses["notify"]), str(tokens["roles"]["statistician"])
    except (OSError, ValueError, KeyError):
        _fail(
            f"Không thấy hệ thống đang chạy ở {data}: cho --url và --token.",
            f"No running stack in {data}: give --url and --token.",
        )


def _ask(url: str, token: str, days: int) -> list[dict[str, Any]]:
    try:
        answer = httpx.get(
            url, params={"days": days}, headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT_SECONDS
        )
    except httpx.HTTPError as error:
        _fail(f"Không gọi được {url}: {error}", f"{url} cannot be reached: {error}")
    if answer.status_code != httpx.codes.OK:
        _fail(f"{url} trả lời {answer.status_code}: {answer.text}", f"{url} answered {answer.status_code}")
    rows: list[dict[str, Any]] = answer.json()
    return rows


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(title="Thư sẽ gửi · upcoming mails")
    for heading in ("lúc · at", "vì · why", "báo cáo · delivery", "hạn · due", "đầu mối · contacts"):
        table.add_column(heading)
    for row in rows:
        table.add_row(
            _clock(row["at"]),
            f"{row['step']}\n{row['why']['vi']}",
            row["delivery_id"],
            _clock(row["due_at"]),
            "\n".join(f"{each['name']} ({each['contact_id']})" for each in row["contacts"]) or "– không có ai · nobody",
        )
    return table


def _clock(instant: str) -> str:
    return datetime.fromisoformat(instant).strftime("%d/%m/%Y %H:%M")


def _fail(vi: str, en: str) -> NoReturn:
    typer.echo(f"{vi}\n{en}", err=True)
    raise typer.Exit(1)
