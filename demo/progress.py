"""Progress while the demo runs: what business time it is, what was sent, what is awaited."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

from demo.checks.imbalance import Imbalance
from demo.dispatch import Dispatch
from demo.ledger import Door, Outcome
from demo.scenario import Scenario
from demo.stands import Stand
from demo.tables import DOOR_NAMES

KINDS_SHOWN_MAX = 3
LAST_HOUR = 23  # a deadline is the end of its day
WORDS = {
    "received_answer": "receipts",
    "version": "receipts",
    "judgement": "verdicts",
    "verdict_answer": "answers",
    "mail": "mails",
    "sent_notification": "records of mails",
    "figures": "figures",
    "rejected_answer": "rejections",
    "dead_letter": "dead letters",
    "opened": "openings",
    "met": "reports met",
    "passed": "deadlines passed",
    "status": "status pages",
    "watermark": "the watermark",
}
OTHERS = {
    Outcome.EXPLAINED: "explanations",
    Outcome.REJECTED: "wrong packages",
    Outcome.DEAD_LETTER: "garbage",
    Outcome.REFUSED: "garbage",
}


class Watcher:
    """Shows a line that moves, and leaves one line behind for each stand."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", style="grey58"),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("starting the stack", total=None, note="")
        self._counts: Counter[str] = Counter()
        self._stand: Stand | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave_line()
        self._bar.stop()

    def starting(self, seconds: float) -> None:
        """Tell how long the stack has been starting."""
        self._bar.update(self._task, note=f"Kafka, PostgreSQL, mail, four services, sample … {seconds:.0f} s")

    def stopping(self) -> None:
        """Tell that the stack is told to stop."""
        self._leave_line()
        self._bar.update(self._task, description="stopping the stack", total=None, note="")

    def began(self, scenario: Scenario, seconds: float) -> None:
        """Tell that the stack is up and what is planned."""
        self._console.print(f"[green]✓[/] stack up in {seconds:.0f} s")
        planned = sum(len(case.dispatches) for case in scenario.cases) + len(scenario.intruders)
        self._bar.update(self._task, total=planned, completed=0, note="")

    def stand(self, stand: Stand) -> None:
        """Move on to a stand; leave a line for the one before it."""
        self._leave_line()
        self._stand = stand
        self._bar.update(self._task, description=f"{stand.at:%d/%m/%Y %H:%M}", note="the clock moves")

    def sent(self, dispatch: Dispatch) -> None:
        """Count something that was sent."""
        received = dispatch.outcome is Outcome.RECEIVED
        self._counts[DOOR_NAMES[Door(dispatch.door)] if received else OTHERS[dispatch.outcome]] += 1
        self._bar.update(self._task, advance=1, note=f"{dispatch.unit}: {dispatch.what}")

    def waiting(self, missing: Sequence[Imbalance]) -> None:
        """Show what is awaited."""
        kinds = Counter(WORDS.get(_kind(imbalance), _kind(imbalance)) for imbalance in missing)
        shown = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(KINDS_SHOWN_MAX))
        self._bar.update(self._task, note=f"waiting for {shown}" if shown else "")

    def settled(self) -> None:
        """Show that nothing is awaited."""
        self._bar.update(self._task, note="the books balance so far")

    def _leave_line(self) -> None:
        if self._stand is None:
            return
        passed = ", ".join(f"{at:%d/%m}" if at.hour == LAST_HOUR else f"{at:%d/%m %H:%M}" for at in self._stand.passes)
        counts = ", ".join(f"{count} {name}" for name, count in sorted(self._counts.items()))
        moment = self._stand.at + timedelta(seconds=30)
        self._console.print(
            f"[green]✓[/] {moment:%d/%m/%Y %H:%M}  {counts or 'nothing sent'}"
            + (f"  [grey58]passed {passed}[/]" if passed else "")
        )
        self._counts.clear()
        self._stand = None


def _kind(imbalance: Imbalance) -> str:
    return imbalance.kind.rpartition("_")[0]
