"""`python -m demo`: start the stack, play a month, check the books, stop the stack."""

import secrets
import signal
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console

from demo.run import run
from demo.stack import StackError

DEFAULT_DATA = Path(".lienthong-demo")
REPORT_WIDTH = 140  # where the output goes to a file; a terminal has its own
SEEDS = 10_000


def main(
    data: Annotated[Path, typer.Option(help="data folder of its own, emptied at the start")] = DEFAULT_DATA,
    seed: Annotated[int | None, typer.Option(help="deals the packages; a new one each time unless given")] = None,
    *,
    keep: Annotated[bool, typer.Option("--keep", help="leave the stack running at the end")] = False,
) -> None:
    """Play one month of reports against the whole stack. Ends with status 0 only when the books balance."""
    signal.signal(signal.SIGTERM, _as_interrupt)
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=REPORT_WIDTH)
    try:
        good = run(data, secrets.randbelow(SEEDS) if seed is None else seed, console, keep=keep)
    except KeyboardInterrupt:
        console.print("[yellow]interrupted; the stack is stopped[/]")
        raise typer.Exit(130) from None
    except StackError as error:
        console.print(f"[red]{error}[/]")
        raise typer.Exit(1) from None
    raise typer.Exit(0 if good else 1)


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    typer.run(main)
