"""The planter plays a whole month against a system in memory, and says what is missing when there is a fault."""

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock

import pytest

from demo.checks.imbalance import Imbalance
from demo.dispatch import Dispatch
from demo.facts import Facts, PackageStatus
from demo.ledger import LedgerFile, Sending, Sent, read_ledger
from demo.planter import Planter
from demo.scenario import Scenario
from demo.settler import NotSettledError
from demo.stands import Stand
from tests.demo.ideal import IdealSystem
from tests.demo.test_scenario import START, dealt, sample

PATIENCE_SECONDS = 0.5
AFTER = timedelta(seconds=5)


@dataclass
class InMemory:
    """Stack, onlooker and doors over an ideal system; `lose` takes facts away from what is seen."""

    system: IdealSystem
    ledger: Path
    lost_mails: int = 0
    lost_judgements: int = 0
    announced_first: bool = True

    def __post_init__(self) -> None:
        self.asked: dict[str, PackageStatus] = {}
        self._lock = Lock()
        self.system.now = START
        self.system.start()

    def check(self) -> None:
        """The stack runs."""

    def advance_clock(self, to: datetime) -> None:
        self.system.advance(to)

    def look_into_mailbox(self) -> None:
        """It is always open."""

    def ask_for_status(self, packages: Iterable[tuple[str, str]], pool: Executor) -> None:
        for package, _ in packages:
            self.asked[package] = self.system.statuses[package]

    def watermark(self) -> datetime | None:
        return self.system.now + AFTER

    def business_times(self) -> list[datetime]:
        return [self.system.now] * 4

    def facts(self) -> Facts:
        with self._lock:
            facts = self.system.facts()
        mails, judgements = len(facts.mails) - self.lost_mails, len(facts.judgements) - self.lost_judgements
        return replace(
            facts,
            mails=facts.mails[:mails],
            judgements=facts.judgements[:judgements],
            statuses=tuple(self.asked.values()),
        )

    def send(self, dispatch: Dispatch) -> Sent:
        with self._lock:
            lines = [entry for entry in read_ledger(self.ledger) if isinstance(entry, Sending)]
            self.announced_first &= any(entry.item == dispatch.item for entry in lines)
            return self.system.take(dispatch)


class Silent:
    """Progress that nobody watches."""

    def stand(self, stand: Stand) -> None: ...

    def sent(self, dispatch: Dispatch) -> None: ...

    def waiting(self, missing: Sequence[Imbalance]) -> None: ...

    def settled(self) -> None: ...


def planter(world: InMemory, scenario: Scenario, ledger: LedgerFile) -> Planter:
    return Planter(
        scenario,
        sample(),
        stack=world,
        outside=world,
        doors=(world, world),
        ledger=ledger,
        progress=Silent(),
        settle_seconds_max=PATIENCE_SECONDS,
    )


def test_a_month_is_played_and_its_books_balance(tmp_path: Path) -> None:
    scenario, path = dealt(3), tmp_path / "ledger.jsonl"
    with LedgerFile(path) as ledger:
        world = InMemory(IdealSystem(sample()), path)
        played = planter(world, scenario, ledger)
        played.play()
        assert played.balance().imbalances == ()
    assert world.announced_first
    assert set(world.asked) == set(world.system.statuses)
    assert list(read_ledger(path)) == played.entries
    planned = {dispatch.item for case in scenario.cases for dispatch in case.dispatches}
    planned |= {dispatch.item for dispatch in scenario.intruders}
    assert {entry.item for entry in played.entries if isinstance(entry, Sending)} == planned


@pytest.mark.parametrize(("mails", "judgements", "kind"), [(1, 0, "mail_missing"), (0, 1, "judgement_missing")])
def test_it_does_not_go_on_without_what_must_come(tmp_path: Path, mails: int, judgements: int, kind: str) -> None:
    path = tmp_path / "ledger.jsonl"
    with LedgerFile(path) as ledger:
        world = InMemory(IdealSystem(sample()), path, lost_mails=mails, lost_judgements=judgements)
        with pytest.raises(NotSettledError, match=kind):
            planter(world, dealt(3), ledger).play()
