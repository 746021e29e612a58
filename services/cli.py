"""The `lienthong` command: gathers each service's subcommands; nothing else lives here."""

import asyncio
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from deploy.embedded.cli import up
from shared.clock import ClockFile
from shared.instants import InstantError, typed_instant
from shared.settings import CommonSettings

CLOCK_LEAD_SECONDS = 1.0  # a new offset holds a second from now, so that every process has read it by then


class LazyGroup(TyperGroup):
    """Imports a service's subcommands when they are asked for: no command pays for what it does not use."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands."""
        return [*COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command by its name, None when there is none."""
        if cmd_name in COMMANDS:
            command = typer.main.get_command(import_module(COMMANDS[cmd_name]).app)
            command.name = cmd_name
            return command
        return super().get_command(ctx, cmd_name)


main = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="Liên thông: official statistics on time.",
)
main.command()(up)
clock_commands = typer.Typer(no_args_is_help=True, help="The simulated business clock.")
main.add_typer(clock_commands, name="clock")


class Service(StrEnum):
    """The services that `serve` knows."""

    CATALOGUE = "catalogue"
    INGEST = "ingest"
    VALIDATE = "validate"
    NOTIFY = "notify"


COMMANDS = {**{service.value: f"services.{service.value}.cli" for service in Service}, "dlq": "services.dlq"}
"""Subcommands by name, and where they are."""


@main.command()
def serve(service: Service) -> None:
    """Run one service until SIGTERM or Ctrl-C. Everything it needs comes from the environment (`LIENTHONG_…`)."""
    import uvicorn  # noqa: PLC0415 -- `lienthong clock` does without

    from shared.logs import configure_logs  # noqa: PLC0415 -- as above
    from shared.vital import end_process  # noqa: PLC0415 -- as above

    settings = CommonSettings()
    configure_logs(service.value, settings.log_format, settings.log_level)
    build_app = import_module(f"services.{service.value}.app").build_app
    uvicorn.run(
        build_app(settings, on_loss=end_process),
        host=settings.http_host,
        port=settings.http_port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=10,
    )


@main.command()
def migrate() -> None:
    """Bring the database schemas of all services to their newest version."""
    from shared.database import migrate as migrate_schemas  # noqa: PLC0415 -- as above
    from shared.logs import configure_logs  # noqa: PLC0415 -- as above

    settings = CommonSettings()
    configure_logs("migrate", settings.log_format, "WARNING")
    asyncio.run(migrate_schemas([service.value for service in Service], settings.database_url))


@main.command()
def recover(
    service: Service,
    copied: Annotated[
        str | None, typer.Option(help="when the copy was taken, ISO 8601 with offset; unless said, its last event")
    ] = None,
) -> None:
    """Make a service whole again whose database was restored from a copy; it must not run. See docs/operations."""
    from services.recover import run  # noqa: PLC0415 -- as above

    run(service.value, copied)


@clock_commands.command()
def advance(
    to: Annotated[str | None, typer.Option(help="business instant to move to, ISO 8601 with offset")] = None,
    by: Annotated[float | None, typer.Option(help="hours to move by; negative moves back")] = None,
    data: Annotated[Path, typer.Option(help="data folder of `lienthong up`")] = Path(".lienthong"),
) -> None:
    """Move business time of a simulated stack; refused where business time is machine time."""
    path = CommonSettings().clock or data / "clock"
    if not path.exists():
        typer.echo(
            f"Không có đồng hồ mô phỏng ở {path}: hệ thống chạy theo giờ thật.\n"
            f"No simulated clock at {path}: this stack runs on real time.",
            err=True,
        )
        raise typer.Exit(1)
    if (to is None) == (by is None):
        typer.echo("Cho đúng một trong hai: --to hoặc --by.\nGive exactly one of --to and --by.", err=True)
        raise typer.Exit(2)
    file = ClockFile(path)
    start = datetime.now(UTC) + timedelta(seconds=CLOCK_LEAD_SECONDS)
    try:
        target = typed_instant("--to", to) if to is not None else start + file.offset_at(start)
        target += timedelta(hours=by or 0)
    except InstantError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    except (OverflowError, ValueError):  # ValueError: nan
        typer.echo(f"--by: không đi được {by} giờ.\n--by: {by} hours lead nowhere.", err=True)
        raise typer.Exit(2) from None
    file.append(target - start, start)
    typer.echo(f"{target.isoformat()} từ/from {start.isoformat()}")


if __name__ == "__main__":
    main()
