"""`lienthong recover <service>`: after a service's database was restored from a copy, before the service runs again."""

import asyncio
from datetime import datetime
from importlib import import_module
from typing import NoReturn

import typer
from aiokafka.errors import KafkaError
from sqlalchemy.exc import SQLAlchemyError

from shared.bus.recovery import Findings, recover
from shared.bus.rewind import GroupInUseError
from shared.instants import InstantError, typed_instant
from shared.logs import configure_logs
from shared.settings import CommonSettings
from shared.text import Text

NOT_RECOVERED = 1
WRONG_OPTION = 2


def run(service: str, copied: str | None) -> None:
    """Recover a service and print what was done and what is left for a person; exit status 0 only if it is whole."""
    settings = CommonSettings()
    configure_logs("recover", settings.log_format, "WARNING")
    recovery = import_module(f"services.{service}.recovering").RECOVERY
    try:
        findings = asyncio.run(recover(recovery, settings, _instant(copied)))
    except InstantError as error:
        _fail(error.text, WRONG_OPTION)
    except GroupInUseError as error:
        groups = ", ".join(error.args)
        _fail(
            Text(
                vi=f"{service} đang chạy (nhóm {groups}). Dừng mọi bản của dịch vụ rồi chạy lại lệnh.",
                en=f"{service} is running (group {groups}). Stop all its replicas and run this again.",
            ),
            NOT_RECOVERED,
        )
    except (KafkaError, SQLAlchemyError, OSError) as error:
        _fail(
            Text(
                vi=f"Chưa xong, ĐỪNG khởi động {service}: {error}. Sửa rồi chạy lại lệnh.",
                en=f"Not done, do NOT start {service}: {error}. Mend this and run the command again.",
            ),
            NOT_RECOVERED,
        )
    _show(service, findings)


def _instant(typed: str | None) -> datetime | None:
    return None if typed is None else typed_instant("--copied", typed)


def _fail(text: Text, code: int) -> NoReturn:
    typer.echo(f"{text.vi}\n{text.en}", err=True)
    raise typer.Exit(code)


def _show(service: str, findings: Findings) -> None:
    for text in findings.done:
        typer.echo(f"{text.vi}\n{text.en}")
    if findings.left:
        typer.echo("\nViệc còn lại cho người vận hành:\nLeft for a person:")
    for text in findings.left:
        typer.echo(f"- {text.vi}\n- {text.en}")
    typer.echo(f"\nXong. Khởi động {service}.\nDone. Start {service}.")
