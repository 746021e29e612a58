"""What a person sees: a line for each stretch of time, and the books at the end."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from chaos.plan import PHASES, PHASES_WITH_PROXIES, Act
from demo.checks.imbalance import Imbalance
from demo.stands import Stand

if TYPE_CHECKING:
    from chaos.agencies import Agencies
    from chaos.breaker import Breaker, Broken

SHOWN_MAX = 40
DOUBLED = "_doubled"
LOST = ("_missing", "_not_acknowledged", "not_refused", "not_played")
NAGGED = frozenset({"mail_unexpected", "mail_doubled", "mail_without_reason", "mail_to_several", "mail_failed"})
KINDS = ("lost", "doubled", "out of order", "wrongly nagged", "otherwise wrong")


def kind_of(imbalance: Imbalance) -> str:
    """Return what an imbalance is, in one of the five words of the summary."""
    if imbalance.kind in NAGGED:
        return "wrongly nagged"
    if imbalance.kind == "out_of_order":
        return "out of order"
    if imbalance.kind.endswith(LOST):
        return "lost"
    return "doubled" if imbalance.kind.endswith(DOUBLED) else "otherwise wrong"


class Watcher:
    """Tells how it goes, a line at a time."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun = time.monotonic()
        self._stand: Stand | None = None
        self._since = self._begun
        self._broken = 0
        self._sent = 0

    def stand(self, stand: Stand) -> None:
        """Tell that business time moves on."""
        self._stand, self._since = stand, time.monotonic()

    def left(self, agencies: "Agencies", breaker: "Breaker", rounds: int) -> None:
        """Tell what was done where it stood: the books balance so far."""
        at = f"{self._stand.at:%d/%m/%Y %H:%M}" if self._stand is not None else ""
        broken, sent = len(breaker.broken), agencies.sent_count
        self._console.print(
            f"[green]✓[/] {at}  {broken - self._broken} faults, {sent - self._sent} sent, {rounds} rounds, "
            f"{time.monotonic() - self._since:.0f} s"
        )
        self._broken, self._sent = broken, sent

    def waiting(self, missing: Sequence[Imbalance]) -> None:
        """Tell nothing while it waits."""

    def settled(self) -> None:
        """Tell nothing when it has come."""


@dataclass(frozen=True)
class Result:
    """What a run ends with. `trouble` says what broke it off."""

    seed: int
    planned: int
    broken: Sequence["Broken"]
    imbalances: Sequence[Imbalance]
    sent_count: int
    again_count: int
    unanswered_count: int
    unwilling: Mapping[int, int]
    seconds: float
    data: Path
    trouble: str | None = None

    @property
    def good(self) -> bool:
        """Whether all that was planned was broken, and the books balance."""
        return self.trouble is None and not self.imbalances and len(self.broken) == self.planned


def show(result: Result, console: Console) -> None:
    """Print the summary."""
    table = Table("phase", "faults", "killed", "stopped", "ended", "harmed", box=None, header_style="bold")
    counts: Counter[tuple[str, Act | None]] = Counter()
    for each in result.broken:
        counts[each.fault.phase, None] += 1
        counts[each.fault.phase, each.fault.act] += len(each.processes)
    for phase in PHASES_WITH_PROXIES:
        if not counts[phase, None] and phase not in PHASES:
            continue
        acts = [str(counts[phase, act] or "") for act in Act]
        table.add_row(phase, str(counts[phase, None]), *acts)
    console.print(table)
    console.print(
        f"{len(result.broken)} of {result.planned} faults; {result.sent_count} things sent, {result.again_count} of "
        f"them again, {result.unanswered_count} because no answer had come"
    )
    if result.unwilling:
        refusals = ", ".join(f"{count} times {status}" for status, count in sorted(result.unwilling.items()))
        console.print(f"HTTP answered {refusals}, and the same was sent again under its key")
    kinds = Counter(kind_of(each) for each in result.imbalances)
    console.print(", ".join(f"{kind}: {kinds[kind]}" for kind in KINDS))
    for imbalance in list(result.imbalances)[:SHOWN_MAX]:
        console.print(f"  {imbalance}", markup=False)
    if result.trouble is not None:
        console.print(result.trouble, style="red", markup=False)
    if not result.good:
        console.print(f"The ledger, the faults and all logs are in {result.data}/")
    verdict = "[green]BOOKS BALANCE[/]" if result.good else "[red]THE BOOKS DO NOT BALANCE[/]"
    console.print(f"{verdict}  seed {result.seed}, {result.seconds:.0f} s")
