"""`lienthong ingest …`: send files as an agency does, and load the accepted history of earlier periods."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from services.ingest.client import ApiError, Doors, TokenFile
from services.ingest.history import HistoryError, read_history, send_history
from services.ingest.printing import print_status
from shared.logs import configure_logs

app = typer.Typer(no_args_is_help=True, help="The doors: send packages, load history.")

Url = Annotated[str, typer.Option(envvar="LIENTHONG_INGEST_URL", help="ingest's address")]


@app.command()
def send(  # noqa: PLR0917 -- typer passes them by name
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help=".json or .xlsx")],
    unit: Annotated[str, typer.Option(help="code of the unit that sends")],
    url: Url,
    token: Annotated[str | None, typer.Option(envvar="LIENTHONG_TOKEN", help="access token")] = None,
    tokens: Annotated[Path | None, typer.Option(exists=True, help="tokens.json of the stack, instead")] = None,
    wait: Annotated[float, typer.Option(help="seconds to wait for the verdict")] = 60.0,
) -> None:
    """Send files and print their verdicts; exit 1 when one is not accepted."""
    secret = token or (TokenFile.read(tokens).of_unit(unit) if tokens else None)
    if secret is None:
        typer.echo("Cần --token hoặc --tokens.\nGive --token or --tokens.", err=True)
        raise typer.Exit(2)

    contents = [(file.name, file.read_bytes()) for file in files]

    async def run() -> bool:
        good = True
        async with httpx.AsyncClient(timeout=60) as client:
            doors = Doors(client, url)
            for name, content in contents:
                status = await doors.post_file(name, content, unit, secret)
                if status.get("state") == "received":
                    status = await doors.wait_for_verdict(status["package_id"], secret, wait)
                good &= print_status(name, status)
        return good

    if not _run(run):
        raise typer.Exit(1)


@app.command()
def history(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="folder of CSV files")],
    ingest_url: Annotated[str, typer.Option(envvar="LIENTHONG_INGEST_URL", help="ingest's address")],
    tokens: Annotated[Path, typer.Option(exists=True, help="tokens.json of the stack")],
    seconds_max: Annotated[float, typer.Option(help="to wait for deliveries to open and for verdicts")] = 300.0,
) -> None:
    """Send accepted figures of earlier periods through the HTTP door; safe to run again. Exit 1 when one fails."""
    configure_logs("ingest-history", level="WARNING")

    async def run() -> bool:
        packages = read_history(folder)
        limits = httpx.Limits(max_connections=16)
        async with httpx.AsyncClient(timeout=60, limits=limits) as client:
            failures = await send_history(packages, Doors(client, ingest_url), TokenFile.read(tokens), seconds_max)
        for failure in failures:
            typer.echo(failure, err=True)
        typer.echo(f"{len(packages) - len(failures)}/{len(packages)} gói được chấp nhận / packages accepted")
        return not failures

    if not _run(run):
        raise typer.Exit(1)


def _run(work: Callable[[], Coroutine[Any, Any, bool]]) -> bool:
    try:
        return asyncio.run(work())
    except (ApiError, HistoryError, httpx.HTTPError, json.JSONDecodeError, KeyError, OSError) as error:
        typer.echo(f"Không làm được / it did not work: {type(error).__name__}: {error}", err=True)
        return False
