"""`lienthong validate …`: looks at rules before they are released."""

from typing import Annotated

import typer

from services.validate.domain.rules.language import RuleSyntaxError, parse

app = typer.Typer(no_args_is_help=True, help="Kiểm tra: the rule language.")


@app.callback()
def commands() -> None:
    """Keep `rule` a subcommand, though it is the only one."""


@app.command()
def rule(
    expression: Annotated[str, typer.Argument(help="in the rule language, see docs/rules.md")],
) -> None:
    """Say whether an expression can be read, and where it cannot."""
    try:
        typer.echo(repr(parse(expression)))
    except RuleSyntaxError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
