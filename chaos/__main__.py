"""`python -m chaos --kills N --seed S`: break the stack N times while work flows, and balance the books."""

import secrets
from pathlib import Path
from typing import Annotated

import typer

from chaos.proxies import NoToxiproxyError, find
from chaos.run import Order, run
from demo.stack import StackError
from demo.terminal import end_like_an_interrupt, report_console
from deploy.embedded.errors import EmbeddedError

SEEDS = 10_000


def main(
    kills: Annotated[int, typer.Option(min=0, help="how many faults")] = 200,
    seed: Annotated[
        int | None, typer.Option(help="deals packages and faults; a new one each time unless given")
    ] = None,
    data: Annotated[Path, typer.Option(help="data folder of its own, emptied at the start")] = Path(".lienthong-chaos"),
    *,
    proxies: Annotated[bool, typer.Option("--proxies", help="break connections, too, by Toxiproxy")] = False,
    toxiproxy: Annotated[Path | None, typer.Option(help="Toxiproxy's program, where it is not on the path")] = None,
) -> None:
    """Break the whole stack on purpose while packages flow. Ends with status 0 only when the books balance."""
    end_like_an_interrupt()
    console = report_console()
    try:
        program = find(toxiproxy) if proxies or toxiproxy is not None else None
        good = run(Order(data, kills, secrets.randbelow(SEEDS) if seed is None else seed, program), console)
    except KeyboardInterrupt:
        console.print("[yellow]interrupted; the stack is stopped[/]")
        raise typer.Exit(130) from None
    except (StackError, EmbeddedError, NoToxiproxyError) as error:
        console.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from None
    raise typer.Exit(0 if good else 1)


if __name__ == "__main__":
    typer.run(main)
