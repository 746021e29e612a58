"""`python -m demo`: start the stack, play a month, check the books, stop the stack."""

import secrets
from pathlib import Path
from typing import Annotated

import typer

from demo.run import run
from demo.stack import StackError
from demo.terminal import end_like_an_interrupt, report_console

DEFAULT_DATA = Path(".lienthong-demo")
SEEDS = 10_000


def main(
    data: Annotated[Path, typer.Option(help="data folder of its own, emptied at the start")] = DEFAULT_DATA,
    seed: Annotated[int | None, typer.Option(help="deals the packages; a new one each time unless given")] = None,
    *,
    keep: Annotated[bool, typer.Option("--keep", help="leave the stack running at the end")] = False,
) -> None:
    """Play one month of reports against the whole stack. Ends with status 0 only when the books balance."""
    end_like_an_interrupt()
    console = report_console()
    try:
        good = run(data, secrets.randbelow(SEEDS) if seed is None else seed, console, keep=keep)
    except KeyboardInterrupt:
        console.print("[yellow]interrupted; the stack is stopped[/]")
        raise typer.Exit(130) from None
    except StackError as error:
        console.print(f"[red]{error}[/]")
        raise typer.Exit(1) from None
    raise typer.Exit(0 if good else 1)


if __name__ == "__main__":
    typer.run(main)
