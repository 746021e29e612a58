"""What the agencies send while things break: the month that the demo plays, and round after round of more. Pure."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from demo.delivery import Delivery
from demo.dispatch import Case, Dispatch, PackageBody
from demo.fates import Fate, ImpossibleFateError, Owed, Story
from demo.faults import Fault
from demo.intruders import garbage, wrong_packages
from demo.ledger import Door, Outcome
from demo.oracle import Oracle
from demo.sample import Sample
from demo.scenario import UNFINISHED, Scenario
from demo.stands import Chances, Stand

REVISIONS, REPETITIONS, REUSES, INTRUDERS = 6, 3, 1, 1  # in a round
FATES = {
    Fate.RIGHT: 8,
    Fate.MENDED: 4,
    Fate.EXPLAINED: 3,
    Fate.FORESEEN: 2,
    Fate.MENDED_TWICE: 1,
    Fate.ABANDONED: 1,
}
SURPRISES = frozenset({Fate.EXPLAINED, Fate.FORESEEN})
MISTAKES = (Fault.TOTAL, Fault.MISSING, Fault.UNIT, Fault.PARTS)
CONFLICT = 409


@dataclass(frozen=True, slots=True)
class Errand:
    """One thing to send: for the first time, or `again`. Who is not `patient` does not wait for the receipt on Kafka
    before going on to the next errand of the same sequence.
    """

    dispatch: Dispatch
    again: bool = False
    patient: bool = True


Sequence_ = Sequence[Errand]
"""What is sent one after the other; several sequences go side by side."""


class Traffic:
    """Deals the errands of one run from its seed, and remembers what it has dealt."""

    def __init__(self, sample: Sample, scenario: Scenario) -> None:
        self._sample = sample
        self._scenario = scenario
        self._oracle = Oracle(sample)
        self._versions: Counter[Delivery] = Counter()
        self._sent: list[Dispatch] = []
        self._reused: set[str] = set()

    def of_stand(self, stand: Stand) -> list[list[Errand]]:
        """Return what the demo's month has at a stand: a sequence for each package, wave after wave."""
        every = [dispatch for case in self._scenario.cases for dispatch in case.dispatches]
        here = sorted((each for each in every if each.stand == stand.number), key=lambda each: each.wave)
        sequences: dict[str, list[Errand]] = {}
        for dispatch in [*here, *(each for each in self._scenario.intruders if each.stand == stand.number)]:
            sequences.setdefault(dispatch.case, []).append(Errand(dispatch))
        return self._dealt(list(sequences.values()))

    def round(self, stand: Stand, number: int) -> list[list[Errand]]:
        """Return one more round at a stand: revisions, repetitions, names used again, nonsense."""
        chance = random.Random(f"round {self._scenario.seed} {stand.number} {number}")  # noqa: S311 - a game
        prefix = f"s{stand.number}r{number}"
        sequences = [
            *self._revisions(stand, prefix, chance),
            *self._repetitions(chance),
            *self._reuses(prefix, chance),
            *self._intruders(stand, prefix, chance),
        ]
        return self._dealt(sequences)

    def _dealt(self, sequences: list[list[Errand]]) -> list[list[Errand]]:
        for sequence in sequences:
            for errand in sequence:
                if errand.again:
                    continue
                self._sent.append(errand.dispatch)
                if errand.dispatch.outcome is Outcome.RECEIVED:
                    for report in errand.dispatch.reports:
                        self._versions[Delivery.parse(report.delivery)] = report.version
        return sequences

    def _revisions(self, stand: Stand, prefix: str, chance: random.Random) -> Iterator[list[Errand]]:
        cases = [case for case in self._scenario.cases if self._may_be_revised(case, stand)]
        for case in chance.sample(cases, k=min(REVISIONS, len(cases))):
            patient = chance.random() < 0.5
            yield [
                Errand(dispatch, patient=patient)
                for dispatch in self._story(case, stand, f"{case.name}-{prefix}", chance)
            ]

    def _may_be_revised(self, case: Case, stand: Stand) -> bool:
        """Whether its own story has been told to a good end, and no firmer figure closes it."""
        told = bool(case.dispatches) and max(dispatch.stand for dispatch in case.dispatches) <= stand.number
        return told and Fate(case.fate) not in UNFINISHED and self._alone(case)

    def _alone(self, case: Case) -> bool:
        """Whether the unit owes this form once: a surprise that is accepted must not surprise another report."""
        return all(
            other is case or (other.unit, other.form) != (case.unit, case.form) for other in self._scenario.cases
        )

    def _story(self, case: Case, stand: Stand, name: str, chance: random.Random) -> Sequence[Dispatch]:
        reports = tuple(self._sample.reports[delivery] for delivery in case.deliveries)
        when = Chances((stand.number,), (), ())
        owed = Owed(name, case.unit, case.form, case.status, reports, self._door(case.unit, chance), when)
        fate = chance.choices(list(FATES), list(FATES.values()))[0]
        first, second = chance.sample(MISTAKES, k=2)
        for each, fault in ((fate, first), (fate, second), (Fate.RIGHT, None)):
            story = Story(owed, self._oracle, chance, versions=dict(self._versions))
            try:
                return [replace(dispatch, case=case.name) for dispatch in story.tell(each, fault, Fault.MISSING)]
            except ImpossibleFateError:
                continue
        raise ImpossibleFateError(f"{name}: nothing can be sent")

    def _door(self, unit: str, chance: random.Random) -> Door:
        doors = [Door.JSON, Door.JSON, Door.EXCEL]
        return chance.choice([Door.KAFKA] * 6 + doors if self._sample.units[unit].kafka_door else doors)

    def _repetitions(self, chance: random.Random) -> Iterator[list[Errand]]:
        """Yield things that are sent again, as they were: whoever is not sure whether they came does so."""
        known = [each for each in self._sent if _is_package(each) and each.used_key is None]
        for dispatch in chance.sample(known, k=min(REPETITIONS, len(known))):
            yield [Errand(dispatch, again=True)]

    def _reuses(self, prefix: str, chance: random.Random) -> Iterator[list[Errand]]:
        """Yield other content under the name of a package that was taken."""
        known = [
            each
            for each in self._sent
            if each.outcome is Outcome.RECEIVED and each.door is not Door.EXCEL and each.item not in self._reused
        ]
        for number, dispatch in enumerate(chance.sample(known, k=min(REUSES, len(known)))):
            self._reused.add(dispatch.item)
            yield [Errand(_reusing(dispatch, f"u{number}-{prefix}"))]

    def _intruders(self, stand: Stand, prefix: str, chance: random.Random) -> Iterator[list[Errand]]:
        here = (stand, stand)  # there, the last stand is left out
        kinds = [*wrong_packages(self._sample, here, chance), *garbage(self._sample, here, chance)]
        for dispatch in chance.sample(kinds, k=INTRUDERS):
            item = f"{dispatch.item}-{prefix}"
            yield [Errand(replace(dispatch, item=item, case=item))]


def _is_package(dispatch: Dispatch) -> bool:
    return dispatch.outcome in {Outcome.RECEIVED, Outcome.EXPLAINED} or (
        dispatch.outcome is Outcome.REJECTED and isinstance(dispatch.body, PackageBody)
    )


def _reusing(dispatch: Dispatch, item: str) -> Dispatch:
    if not isinstance(dispatch.body, PackageBody):
        raise TypeError(f"{dispatch.item} is no package")
    on_kafka = dispatch.door is Door.KAFKA
    return replace(
        dispatch,
        item=item,
        case=item,
        what="an id used again",
        outcome=Outcome.REJECTED if on_kafka else Outcome.REFUSED,
        body=replace(dispatch.body, document_number=f"{dispatch.body.document_number}/{item}"),
        reports=(),
        status_expected=None if on_kafka else CONFLICT,
        used_key=dispatch.key,
    )
