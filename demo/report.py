"""The summary that a person reads at the end."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.align import Align
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from demo import tables
from demo.checker import Balance
from demo.checks.imbalance import Books
from demo.ledger import Outcome
from demo.sample import Sample
from demo.stack import Addresses
from demo.tables import BAD, FAINT, GOOD, View

IMBALANCES_SHOWN_MAX = 25


@dataclass(frozen=True)
class Result:
    """What the demo ends with: the books and the balance. `trouble` says what broke it off."""

    books: Books
    sample: Sample
    balance: Balance
    seed: int
    data: Path
    trouble: str | None = None

    @property
    def good(self) -> bool:
        """Whether it was played to its end and the books balance."""
        return self.trouble is None and self.balance.balanced


def show(result: Result, seconds: float, console: Console, kept: Addresses | None) -> None:
    """Print the summary. `seconds` is how long it all took; `kept` are the addresses of a stack that runs on."""
    view = View(result.books, result.sample)
    sections: list[tuple[str, Callable[[View], RenderableType]]] = [
        ("Packages by door and verdict", tables.by_door_and_verdict),
        ("Units and their forms", tables.matrix),
        ("Who was late", tables.latecomers),
        ("Mails", tables.mails),
        ("Rejected, and why", tables.rejections),
        ("Garbage, set apart", tables.apart),
        ("How fast the answer came", tables.latency),
    ]
    console.print()
    console.print(_head(result, seconds))
    for title, section in sections:
        console.print(Rule(Text(title, style="bold"), align="left", style=FAINT))
        console.print(section(view))
    console.print(Rule(Text("Where to look next", style="bold"), align="left", style=FAINT))
    console.print(_next(result, kept))
    console.print(_verdict(result))


def _head(result: Result, seconds: float) -> RenderableType:
    received = result.books.with_outcome(Outcome.RECEIVED)
    cases = {sending.case for sending in received}
    firsts = [sending for sending in received if sending.item.endswith(".1")]
    observations = sum(report.observation_count for sending in firsts for report in sending.reports)
    stories = result.books.expected.stories
    units = {story.due.unit for story in stories.values()}
    forms = {story.due.form for story in stories.values()}
    until = result.books.expected.until.astimezone(result.sample.timetable.zone)
    since = result.books.expected.started_at.astimezone(result.sample.timetable.zone)
    lines = Text(justify="center")
    lines.append("Liên thông · one month of reports, played through\n", style="bold")
    lines.append(f"{len(stories)} deliveries of {len(forms)} forms by {len(units)} units of Khánh Hòa province\n")
    lines.append(
        f"{len(cases)} packages with {observations:,} observations came, "
        f"{len(received) - len(firsts)} more to mend them\n"
    )
    lines.append(
        f"business time {since:%d/%m/%Y} to {until:%d/%m/%Y} in {seconds:.0f} s · seed {result.seed}",
        style=FAINT,
    )
    return Panel(Align.center(lines), border_style=FAINT, padding=(1, 2))


def _next(result: Result, kept: Addresses | None) -> RenderableType:
    lines = Table.grid(padding=(0, 3))
    if kept is not None:
        for name, address in {**kept.services, "mailbox": kept.mailbox, "Kafka": kept.bootstrap_servers}.items():
            lines.add_row(Text(name, style="bold"), address)
    else:
        lines.add_row(Text("make up", style="bold"), "the same stack, to play with: pages, mailbox, Kafka, tokens")
        lines.add_row(Text("python -m demo --keep", style="bold"), "plays this and leaves it running")
    lines.add_row(Text(f"{result.data}/", style="bold"), "the ledger, the mails, the logs of every part")
    lines.add_row(Text("docs/guides/", style="bold"), "how an agency sends: Kafka, HTTP, Excel")
    lines.add_row(Text("docs/events/", style="bold"), "every event that travelled here")
    return lines


def _verdict(result: Result) -> RenderableType:
    if result.good:
        words = Text("BOOKS BALANCE", style=f"bold {GOOD}", justify="center")
        words.append(
            "\nevery version judged once, every fault told once, every person told once, and nobody for nothing",
            style=FAINT,
        )
        return Panel(words, border_style=GOOD)
    parts: list[RenderableType] = []
    if result.trouble is not None:
        parts.append(Text(result.trouble, style=BAD))
    found = result.balance.imbalances
    if found:
        parts.append(tables.imbalances(found, IMBALANCES_SHOWN_MAX))
    return Panel(Group(*parts), title="THE BOOKS DO NOT BALANCE", border_style=BAD, title_align="left")
