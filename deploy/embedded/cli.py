"""`lienthong up`."""

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from shared.instants import InstantError, typed_instant


class ClockKind(StrEnum):
    """Which business clock a stack runs on."""

    REAL = "real"
    SIMULATED = "simulated"


def up(  # noqa: PLR0917 - typer's form
    data: Annotated[Path, typer.Option(help="folder that keeps everything")] = Path(".lienthong"),
    clock: Annotated[ClockKind, typer.Option(help="business time: machine time, or one that can be moved")] = (
        ClockKind.SIMULATED
    ),
    start: Annotated[str, typer.Option(help="business instant at which a new folder's simulated clock begins")] = (
        "2024-06-10T07:00:00+07:00"
    ),
    bootstrap_servers: Annotated[
        str | None,
        typer.Option(envvar="LIENTHONG_BOOTSTRAP_SERVERS", help="Apache Kafka to use in place of ours"),
    ] = None,
    database_url: Annotated[
        str | None, typer.Option(envvar="LIENTHONG_DATABASE_URL", help="PostgreSQL to use in place of ours")
    ] = None,
    smtp_url: Annotated[
        str | None, typer.Option(envvar="LIENTHONG_SMTP_URL", help="mail server to use in place of ours")
    ] = None,
    empty: Annotated[  # noqa: FBT002 - typer's form
        bool, typer.Option("--empty", help="first remove what an earlier stack kept in the folder")
    ] = False,
    sample: Annotated[Path | None, typer.Option(help="sample to load when the catalogue is empty")] = None,
) -> None:
    """Run broker, database, mail server and all services, and stay; Ctrl-C stops them."""
    # Imported here: a container that runs one service has none of the embedded parts' packages.
    from deploy.embedded.errors import EmbeddedError  # noqa: PLC0415
    from deploy.embedded.report import ConsoleReport  # noqa: PLC0415
    from deploy.embedded.stack import DEFAULT_SAMPLE, Stack  # noqa: PLC0415
    from deploy.embedded.supervisor import supervise  # noqa: PLC0415

    try:
        begins = typed_instant("--start", start)
    except InstantError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    report = ConsoleReport(Console())
    stack = Stack(
        data,
        clock=clock.value,
        start=begins,
        bootstrap_servers=bootstrap_servers,
        database_url=database_url,
        smtp_url=smtp_url,
        begin_empty=empty,
        sample=sample or DEFAULT_SAMPLE,
        report=report,
    )
    try:
        asyncio.run(supervise(stack, report))
    except EmbeddedError as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False)
        raise typer.Exit(1) from None
