"""`lienthong catalogue …`: loads a catalogue, issues tokens. Writes the database; works with the service up or down."""

import asyncio
import json
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from sqlalchemy.exc import SQLAlchemyError

from services.catalogue import tokens as access_tokens
from services.catalogue.database import command_units_of_work
from services.catalogue.domain.files import CatalogueFilesError, read_catalogue
from services.catalogue.domain.sheets import FileFinding
from services.catalogue.releases import release
from services.catalogue.storage.entities import load_snapshot
from shared.access import UNIT_SCOPE_PREFIX, token_digest
from shared.bus.partitions import UNITLESS
from shared.instants import InstantError, typed_instant
from shared.settings import CommonSettings

FINDINGS_SHOWN_MAX = 50
SUFFIXES = (".csv", ".json")

app = typer.Typer(no_args_is_help=True, help="Danh mục: units, forms, rules, obligations, tokens.")
token_commands = typer.Typer(no_args_is_help=True, help="Issue and revoke access tokens.")
app.add_typer(token_commands, name="token")


@app.command()
def load(
    folder: Annotated[Path, typer.Argument(help="folder with the catalogue's files", exists=True, file_okay=False)],
    note: Annotated[str, typer.Option(help="what changed, for people")] = "",
) -> None:
    """Load a catalogue from a folder: a new release when anything changed. Doing it twice changes nothing."""
    try:
        catalogue = read_catalogue(_files(folder))
    except CatalogueFilesError as error:
        _show(error.findings)
        raise typer.Exit(1) from None

    async def main() -> None:
        async with command_units_of_work(CommonSettings()) as units_of_work, units_of_work.begin([UNITLESS]) as work:
            marker, contact_count = await release(work, catalogue, note)
        if marker is not None:
            typer.echo(
                f"Đã ban hành danh mục số {marker.release}: {marker.entity_count} mục, "
                f"{contact_count} đầu mối thay đổi.\n"
                f"Release {marker.release}: {marker.entity_count} entities, {contact_count} contacts changed."
            )
        elif contact_count:
            typer.echo(f"Chỉ đầu mối thay đổi: {contact_count}.\nOnly contacts changed: {contact_count}.")
        else:
            typer.echo("Không có gì thay đổi.\nNothing changed.")

    _run(main)


@app.command()
def tokens(
    out: Annotated[Path, typer.Option(help="JSON file to write (mode 600); tokens in it that are valid are kept")],
) -> None:
    """Issue a token for each unit and each role and write them to a file; run again, it adds what is missing."""
    held = _held(out)

    async def main() -> None:
        async with command_units_of_work(CommonSettings()) as units_of_work, units_of_work.begin([UNITLESS]) as work:
            snapshot = await load_snapshot(work.session)
            units = sorted(code for code, unit in snapshot.units.items() if unit.versions) if snapshot else []
            complete = await access_tokens.complete(work, units, held)
            # Written before the commit: a crash in between leaves tokens that do not work yet, and the next run
            # replaces them; the other way round there would be valid tokens that nobody holds.
            _write_private(out, complete)
        issued = sum(held.get(scope) != token for scope, token in complete.items())
        typer.echo(f"{out}: {len(complete)} mã, {issued} mã mới.\n{out}: {len(complete)} tokens, {issued} new.")

    _run(main)


@token_commands.command("issue")
def issue_token(
    scope: Annotated[list[str], typer.Option(help="unit:<code>, statistician, leader or operator; may be repeated")],
    subject: Annotated[str, typer.Option(help="who holds it, for logs")],
    expires: Annotated[str | None, typer.Option(help="last instant, ISO 8601 with offset (real time)")] = None,
) -> None:
    """Issue one token and print it; it is shown this once."""
    try:
        expires_at = typed_instant("--expires", expires) if expires is not None else None
    except InstantError as error:
        _fail(error.text.vi, error.text.en, code=2)

    async def main() -> None:
        try:
            async with (
                command_units_of_work(CommonSettings()) as units_of_work,
                units_of_work.begin([UNITLESS]) as work,
            ):
                token = await access_tokens.issue(work, scope, subject, expires_at)
        except access_tokens.UnknownScopeError as error:
            _fail(f"Không có quyền «{error}».", f"There is no scope “{error}”.", code=2)
        typer.echo(token)

    _run(main)


@token_commands.command("revoke")
def revoke_token(
    token: Annotated[str | None, typer.Option(help="the token itself")] = None,
    digest: Annotated[str | None, typer.Option(help="its SHA-256 in hex")] = None,
    subject: Annotated[str | None, typer.Option(help="all tokens of this holder")] = None,
) -> None:
    """Revoke tokens; services refuse them as soon as they have read so."""
    if sum(value is not None for value in (token, digest, subject)) != 1:
        _fail(
            "Cho đúng một trong ba: --token, --digest, --subject.",
            "Give exactly one of --token, --digest and --subject.",
            code=2,
        )
    wanted = token_digest(token) if token is not None else digest

    async def main() -> None:
        async with command_units_of_work(CommonSettings()) as units_of_work, units_of_work.begin([UNITLESS]) as work:
            count = await access_tokens.revoke(work, digest=wanted, subject=subject)
        if not count:
            _fail("Không tìm thấy mã nào còn hiệu lực.", "No valid token was found.")
        typer.echo(f"Đã thu hồi {count} mã.\n{count} tokens revoked.")

    _run(main)


def _run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    try:
        asyncio.run(main())
    except (SQLAlchemyError, OSError) as error:
        _fail(f"Không dùng được cơ sở dữ liệu: {error}", f"The database cannot be used: {error}")


def _fail(vi: str, en: str, code: int = 1) -> NoReturn:
    typer.echo(f"{vi}\n{en}", err=True)
    raise typer.Exit(code)


def _show(findings: tuple[FileFinding, ...]) -> None:
    for finding in findings[:FINDINGS_SHOWN_MAX]:
        typer.echo(str(finding), err=True)
    more = f" ({FINDINGS_SHOWN_MAX} / {len(findings)})" if len(findings) > FINDINGS_SHOWN_MAX else ""
    typer.echo(
        f"\n{len(findings)} lỗi{more}; chưa thay đổi gì.\n{len(findings)} faults{more}; nothing was changed.", err=True
    )


def _files(folder: Path) -> dict[str, str]:
    """Return the folder's text files by name; a file that is not UTF-8 ends the command."""
    files = {}
    for path in sorted(folder.iterdir()):
        if path.suffix in SUFFIXES and path.is_file():
            try:
                files[path.name] = path.read_text(encoding="utf-8-sig")
            except UnicodeDecodeError:
                _fail(f"{path} không phải UTF-8: lưu lại dưới dạng UTF-8.", f"{path} is not UTF-8: save it as UTF-8.")
    return files


def _held(path: Path) -> dict[str, str]:
    """Return the tokens of a file that an earlier run wrote, by scope."""
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        units, roles = dict(content["units"]), dict(content["roles"])
    except (ValueError, KeyError, TypeError):
        _fail(f"{path} không phải tệp mã truy cập: hãy chọn tệp khác.", f"{path} is no file of tokens: name another.")
    return {**{UNIT_SCOPE_PREFIX + unit: token for unit, token in units.items()}, **roles}


def _write_private(path: Path, by_scope: dict[str, str]) -> None:
    units = {
        scope.removeprefix(UNIT_SCOPE_PREFIX): token
        for scope, token in by_scope.items()
        if scope.startswith(UNIT_SCOPE_PREFIX)
    }
    roles = {scope: token for scope, token in by_scope.items() if not scope.startswith(UNIT_SCOPE_PREFIX)}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({"units": units, "roles": roles}, file, indent=2, ensure_ascii=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
