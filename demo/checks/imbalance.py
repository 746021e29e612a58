"""What the checks read, and what they yield."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from demo.expectations import Expectations
from demo.facts import Answer, Facts
from demo.ledger import AnyEntry, Outcome, Sending, Sent
from demo.timetable import Timetable

KeyT = TypeVar("KeyT", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Imbalance:
    """One thing that does not balance: `kind` is a code, `subject` says of what, `detail` what was seen instead."""

    kind: str
    subject: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.subject}: {self.detail}"


@dataclass(frozen=True)
class Books:
    """Both sides: the ledger with what follows from it, and the facts."""

    ledger: tuple[AnyEntry, ...]
    expected: Expectations
    facts: Facts
    timetable: Timetable
    history: frozenset[str]

    @cached_property
    def sent(self) -> dict[str, Sent]:
        """What came back at once, by item."""
        return {entry.item: entry for entry in self.ledger if isinstance(entry, Sent)}

    @cached_property
    def answers(self) -> dict[tuple[str, str, str | int | None], list[Answer]]:
        """The answers on the topics by unit, kind and what they answer: an id, or an offset where there was none."""
        found = defaultdict(list)
        for answer in self.facts.answers:
            found[answer.unit, answer.kind, answer.name].append(answer)
        return found

    def with_outcome(self, *outcomes: Outcome) -> list[Sending]:
        """Return the sendings that must end so."""
        return [sending for sending in self.expected.sendings if sending.outcome in outcomes]

    def is_current(self, delivery: str) -> bool:
        """Whether a delivery belongs to these books: everything but history does."""
        return delivery not in self.history


def compare(
    name: str, expected: Iterable[KeyT], seen: Iterable[KeyT], show: Callable[[KeyT], str] = str
) -> Iterator[Imbalance]:
    """Yield `<name>_missing`, `<name>_doubled` and `<name>_unexpected`, comparing both sides as bags."""
    wanted, found = Counter(iter(expected)), Counter(iter(seen))  # a mapping's keys, not its values
    for key in sorted(wanted.keys() | found.keys(), key=show):
        if found[key] < wanted[key]:
            yield Imbalance(f"{name}_missing", show(key), f"expected {wanted[key]}, seen {found[key]}")
        elif not wanted[key]:
            yield Imbalance(f"{name}_unexpected", show(key), f"seen {found[key]}, expected none")
        elif found[key] > wanted[key]:
            yield Imbalance(f"{name}_doubled", show(key), f"expected {wanted[key]}, seen {found[key]}")
