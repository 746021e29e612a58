"""`lienthong dlq …`: what could not be processed, and asking its service to try again. Works on the database alone."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from asyncpg.exceptions import InterfaceError, PostgresError
from pydantic import ValidationError
from sqlalchemy import Table
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from services.dlq_text import line_of, outcome_of, page_of
from shared.bus.errors import Reason
from shared.bus.inbox import Outcome
from shared.bus.letters import Letter, Which, find_letters, request_replay
from shared.bus.tables import bus_tables
from shared.bus.topics import SERVICES
from shared.database import make_engine, schema_metadata
from shared.delivery_id import normalise_code
from shared.instants import InstantError, typed_instant
from shared.settings import CommonSettings

POLL_SECONDS = 0.2
IDS_SHOWN_MAX = 20

app = typer.Typer(no_args_is_help=True, help="Thư chết: what could not be processed; look at it, replay it.")

ServiceName = Annotated[str, typer.Argument(metavar="SERVICE", help=", ".join(SERVICES))]
Data = Annotated[Path, typer.Option(help="data folder of `lienthong up`, where LIENTHONG_DATABASE_URL is not set")]
TopicName = Annotated[str | None, typer.Option("--topic", help="of this topic")]
ReasonCode = Annotated[str | None, typer.Option("--reason", help="with this reason: " + ", ".join(Reason))]
UnitCode = Annotated[str | None, typer.Option("--unit", help="of this unit")]
Since = Annotated[str | None, typer.Option("--since", help="last seen at or after this instant, ISO 8601 with offset")]
DATA = Path(".lienthong")

Sessions = async_sessionmaker[AsyncSession]


@app.command("list")
def list_letters(
    *,
    service: Annotated[str | None, typer.Option(help="of this service alone: " + ", ".join(SERVICES))] = None,
    topic: TopicName = None,
    reason: ReasonCode = None,
    unit: UnitCode = None,
    since: Since = None,
    done: Annotated[bool, typer.Option("--done", help="also those that were replayed")] = False,
    limit: Annotated[int, typer.Option(min=1, help="so many of each service, the newest")] = 50,
    data: Data = DATA,
) -> None:
    """List dead letters, the newest first."""
    services = SERVICES if service is None else (_service(service),)
    which = _which((), topic, reason, unit, since, put_aside_only=not done)

    async def main(sessions: Sessions) -> None:
        total = 0
        for name in services:
            async with sessions() as session:
                letters = await find_letters(session, _table(name), which, limit)
            for letter in letters:
                typer.echo(line_of(name, letter))
            if len(letters) == limit:
                typer.echo(f"{name}: chỉ hiện {limit} thư mới nhất (--limit) · the newest {limit} alone (--limit)")
            total += len(letters)
        typer.echo(f"{total} thư chết · {total} dead letters")

    _run(main, data)


@app.command()
def show(
    service: ServiceName,
    letter_id: Annotated[int, typer.Argument(metavar="ID", help="its number in `list`")],
    *,
    whole: Annotated[bool, typer.Option("--whole", help="a long body, too")] = False,
    data: Data = DATA,
) -> None:
    """Show one dead letter: where it came from, why it is one, its headers and body as far as they can be read."""
    table = _table(_service(service))

    async def main(sessions: Sessions) -> None:
        async with sessions() as session:
            letters = await find_letters(session, table, Which(ids=(letter_id,)))
        if not letters:
            _fail(f"{service} không có thư chết số {letter_id}.", f"{service} has no dead letter {letter_id}.")
        for line in page_of(service, letters[0], whole=whole):
            typer.echo(line)

    _run(main, data)


@app.command()
def replay(
    service: ServiceName,
    ids: Annotated[list[int] | None, typer.Argument(metavar="[ID]…", help="their numbers in `list`")] = None,
    *,
    topic: TopicName = None,
    reason: ReasonCode = None,
    unit: UnitCode = None,
    since: Since = None,
    every: Annotated[bool, typer.Option("--all", help="all that are put aside")] = False,
    wait: Annotated[float, typer.Option(min=0, help="seconds to wait for what becomes of them; 0: do not")] = 0.0,
    data: Data = DATA,
) -> None:
    """Have a service try dead letters again: mend the cause first. They must fulfil all that is given.

    Exit 1 when there is none, or when one that was waited for is not done.
    """
    table = _table(_service(service))
    which = _which(ids or (), topic, reason, unit, since)
    if which.everything != every:
        _fail(
            "Cho số thư chết, hoặc --topic, --reason, --unit, --since; hoặc riêng --all cho tất cả.",
            "Give numbers, or --topic, --reason, --unit, --since; or --all alone for all of them.",
            code=2,
        )

    async def main(sessions: Sessions) -> None:
        async with sessions.begin() as session:
            marked = await request_replay(session, table, which)
            others = await find_letters(session, table, which) if ids else []
        for letter in others:
            if letter.id not in marked:
                typer.echo(f"{service} {letter.id}: {outcome_of(letter)}")
        unknown = sorted(set(ids or ()) - {letter.id for letter in others})
        if unknown:
            listed = ", ".join(map(str, unknown))
            typer.echo(f"{service} không có thư chết: {listed}\n{service} has no such dead letters: {listed}", err=True)
        if not marked and not others:
            _fail("Không có thư chết nào để phát lại.", "There is no dead letter to replay.")
        if marked:
            shown = ", ".join(map(str, marked[:IDS_SHOWN_MAX])) + (", …" if len(marked) > IDS_SHOWN_MAX else "")
            typer.echo(
                f"Đã yêu cầu {service} phát lại {len(marked)} thư: {shown}\n"
                f"{service} is asked to replay {len(marked)} dead letters: {shown}"
            )
        if wait and marked and not await _became(sessions, service, table, marked, wait):
            raise typer.Exit(1)
        if unknown:
            raise typer.Exit(1)

    _run(main, data)


async def _became(sessions: Sessions, service: str, table: Table, ids: Sequence[int], seconds_max: float) -> bool:
    """Wait until nothing is waiting any more; say what became of it, and return whether all is done."""
    deadline = time.monotonic() + seconds_max
    while True:
        async with sessions() as session:
            letters = await find_letters(session, table, Which(ids=ids))
        waiting = [
            letter for letter in letters if letter.replayed_at is None and letter.replay_requested_at is not None
        ]
        if not waiting or time.monotonic() > deadline:
            break
        await asyncio.sleep(POLL_SECONDS)
    left = [letter for letter in letters if letter.outcome == Outcome.QUARANTINED.value]
    for letter in reversed(left[:IDS_SHOWN_MAX] if len(letters) > IDS_SHOWN_MAX else letters):
        typer.echo(f"{service} {letter.id}: {outcome_of(letter)}{_why(letter)}")
    done = len(letters) - len(left)
    typer.echo(f"{done}/{len(letters)} thư đã xong · {done}/{len(letters)} dead letters are done")
    return not left


def _why(letter: Letter) -> str:
    if letter.outcome != Outcome.QUARANTINED.value or letter.replay_requested_at is not None:
        return ""
    return f", {letter.reason}: {letter.detail}"


def _service(name: str) -> str:
    if name not in SERVICES:
        listed = ", ".join(SERVICES)
        _fail(f"Không có dịch vụ «{name}»: {listed}.", f"There is no service “{name}”: {listed}.", code=2)
    return name


def _table(service: str) -> Table:
    return bus_tables(schema_metadata(service)).dead_letters


def _which(
    ids: Sequence[int],
    topic: str | None,
    reason: str | None,
    unit: str | None,
    since: str | None,
    *,
    put_aside_only: bool = False,
) -> Which:
    if reason is not None and reason not in set(Reason):
        listed = ", ".join(Reason)
        _fail(f"Không có lý do «{reason}»: {listed}.", f"There is no reason “{reason}”: {listed}.", code=2)
    instant: datetime | None = None
    try:
        instant = typed_instant("--since", since) if since is not None else None
    except InstantError as error:
        _fail(error.text.vi, error.text.en, code=2)
    return Which(
        ids=ids,
        topic=topic,
        reason=reason,
        unit=normalise_code(unit) if unit is not None else None,
        since=instant,
        put_aside_only=put_aside_only,
    )


def _run(main: Callable[[Sessions], Awaitable[None]], data: Path) -> None:
    async def run() -> None:
        async with _sessions(data) as sessions:
            await main(sessions)

    try:
        asyncio.run(run())
    except ValidationError as error:
        _fail(f"Thiết lập sai: {error}", f"The settings are wrong: {error}", code=2)
    except (SQLAlchemyError, PostgresError, InterfaceError, OSError) as error:
        line = str(error).partition("\n")[0]
        _fail(f"Không dùng được cơ sở dữ liệu: {line}", f"The database cannot be used: {line}")


@asynccontextmanager
async def _sessions(data: Path) -> AsyncIterator[Sessions]:
    engine = make_engine(_database_url(data), "dlq", pool_size=1)
    try:
        yield async_sessionmaker(engine, expire_on_commit=False)
    finally:
        await engine.dispose()


def _database_url(data: Path) -> str:
    """Return the database of the settings, else that of the stack that runs in the folder."""
    settings = CommonSettings()
    if "database_url" not in settings.model_fields_set:
        try:
            return str(json.loads((data / "addresses.json").read_text(encoding="utf-8"))["database_url"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # no stack runs there: the default says which database is looked for
    return settings.database_url


def _fail(vi: str, en: str, code: int = 1) -> NoReturn:
    typer.echo(f"{vi}\n{en}", err=True)
    raise typer.Exit(code)
