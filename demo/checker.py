"""Do the books balance? Compares what the ledger announced with what was seen outside. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from demo.checks import arrivals, deadlines, faults, judgements, mails, order
from demo.checks.imbalance import Books, Imbalance
from demo.expectations import expectations_of
from demo.facts import Facts
from demo.ledger import AnyEntry
from demo.timetable import Timetable

Check = Callable[[Books], Iterator[Imbalance]]

CHECKS: tuple[Check, ...] = (
    arrivals.each_package_is_acknowledged_once,
    arrivals.each_answer_answers_something,
    arrivals.each_version_is_received_once,
    order.each_version_follows_the_one_before,
    judgements.each_version_has_its_judgement,
    order.each_unit_is_judged_in_order,
    judgements.each_package_has_its_answer,
    judgements.figures_are_the_accepted_ones,
    faults.each_wrong_package_is_rejected_once,
    faults.each_garbage_item_is_set_apart_once,
    faults.each_repetition_is_answered_alike,
    deadlines.each_delivery_is_opened_once,
    deadlines.each_delivery_ends_as_it_must,
    mails.each_step_is_told_once,
    mails.each_mail_is_on_record,
)


@dataclass(frozen=True)
class Balance:
    """The result: no imbalance means that the books balance."""

    imbalances: tuple[Imbalance, ...]

    @property
    def balanced(self) -> bool:
        """Whether nothing is missing, doubled or wrong."""
        return not self.imbalances

    def by_kind(self) -> Counter[str]:
        """Return how many imbalances there are of each kind."""
        return Counter(imbalance.kind for imbalance in self.imbalances)


def check(ledger: Iterable[AnyEntry], facts: Facts, timetable: Timetable, history: Iterable[str]) -> Balance:
    """Compare the books. `history` are deliveries of earlier periods, which may be seen without being announced."""
    entries = tuple(ledger)
    books = Books(entries, expectations_of(entries, timetable), facts, timetable, frozenset(history))
    return Balance(tuple(imbalance for run in CHECKS for imbalance in run(books)))
