"""`lienthong validate …`: looks at rules before they are released."""

import csv
from pathlib import Path
from typing import Annotated

import typer

from services.validate.domain.rules.language import RuleSyntaxError, parse

app = typer.Typer(no_args_is_help=True, help="Kiểm tra: the rule language (docs/rules.md).")


@app.command()
def rule(
    expression: Annotated[str, typer.Argument(help="such as `required(*)`")],
) -> None:
    """Say how an expression is read, or where it cannot be."""
    try:
        typer.echo(str(parse(expression)))
    except RuleSyntaxError as error:
        typer.echo(f"{error.text.vi}\n{error.text.en}", err=True)
        raise typer.Exit(1) from None


@app.command()
def rules(
    file: Annotated[Path, typer.Argument(help="a catalogue's rules.csv", exists=True, dir_okay=False)],
) -> None:
    """Read every expression of a file of rules, and name all that cannot be read."""
    faults = read = 0
    with file.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines)
        for row in reader:
            read += 1
            try:
                parse(row.get("expression") or "")
            except RuleSyntaxError as error:
                faults += 1
                typer.echo(
                    f"{file}:{reader.line_num} {row.get('code')}\n  {error.text.vi}\n  {error.text.en}", err=True
                )
    typer.echo(f"{read} quy tắc, {faults} lỗi / {read} rules, {faults} faults")
    if faults or not read:
        raise typer.Exit(1)
