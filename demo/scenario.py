"""Deals the packages of the month to doors and fates, from a seed. Pure."""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from demo.delivery import Delivery
from demo.dispatch import Case, Dispatch
from demo.fates import Fate, ImpossibleFateError, Owed, Story
from demo.faults import Fault
from demo.intruders import garbage, wrong_packages
from demo.ledger import Door
from demo.oracle import FIRMEST_FIRST, Oracle
from demo.sample import Sample
from demo.stands import Stand, chances, stands

KAFKA_SHARE = 0.78  # of the packages of units whose Kafka door is on; the others show that it closes no other door

# What must be told, the hardest to place first; all other packages are right and in time.
QUOTAS: tuple[tuple[Fate, Fault | None, Fault | None, int], ...] = (
    (Fate.MENDED, Fault.PARTS, None, 2),
    (Fate.MENDED_LATE, Fault.PARTS, None, 1),
    (Fate.EXPLAINED_LATE, None, None, 1),
    (Fate.FORESEEN, None, None, 3),
    (Fate.EXPLAINED, None, None, 4),
    (Fate.MENDED, Fault.UNIT, None, 2),
    (Fate.ABANDONED, Fault.UNIT, None, 1),
    (Fate.MENDED, Fault.TOTAL, None, 3),
    (Fate.MENDED_LATE, Fault.TOTAL, None, 1),
    (Fate.MENDED, Fault.MISSING, None, 2),
    (Fate.MENDED_LATE, Fault.MISSING, None, 1),
    (Fate.MENDED_TWICE, Fault.TOTAL, Fault.MISSING, 1),
    (Fate.NEVER, None, None, 5),
    (Fate.LATE, None, None, 7),
)
UNFINISHED = frozenset({Fate.NEVER, Fate.ABANDONED})


class ScenarioError(Exception):
    """The sample does not hold what the demo wants to show."""


@dataclass(frozen=True)
class Scenario:
    """All that is going to be sent. `intruders` are wrong packages and garbage."""

    seed: int
    stands: Sequence[Stand]
    cases: Sequence[Case]
    intruders: Sequence[Dispatch]

    def waves(self, stand: int) -> Iterator[list[Dispatch]]:
        """Yield what is sent at a stand, a wave at a time."""
        every = [dispatch for case in self.cases for dispatch in case.dispatches] + list(self.intruders)
        here = [dispatch for dispatch in every if dispatch.stand == stand]
        for wave in sorted({dispatch.wave for dispatch in here}):
            yield [dispatch for dispatch in here if dispatch.wave == wave]


def deal(sample: Sample, seed: int, start: datetime) -> Scenario:
    """Return the scenario of a seed; `start` is where business time begins. Raises ScenarioError."""
    chance = random.Random(seed)  # noqa: S311 - a game, and a repeatable one
    at = stands(sample.timetable, start)
    owed = _with_doors(list(_packages(sample, at)), sample, chance)
    fates = _with_fates(owed, Oracle(sample), chance)
    cases = [
        Case(each.name, each.unit, each.form, each.status, each.deliveries, each.door, fate.value, dispatches)
        for each, (fate, dispatches) in zip(owed, fates, strict=True)
    ]
    intruders = [*wrong_packages(sample, at, chance), *garbage(sample, at, chance)]
    return Scenario(seed, at, cases, intruders)


def _packages(sample: Sample, at: Sequence[Stand]) -> Iterator[Owed]:
    """Yield one package for each unit, form, status and due date, in the order of the timetable."""
    groups: dict[tuple[str, str, str, datetime], list[Delivery]] = defaultdict(list)
    for delivery, due in sample.dues.items():
        groups[delivery.unit, delivery.form, delivery.status, due.due_at].append(delivery)
    for number, ((unit, form, status, _), deliveries) in enumerate(groups.items(), 1):
        deliveries.sort(key=lambda delivery: delivery.month_count)
        dues = [sample.dues[delivery] for delivery in deliveries]
        reports = tuple(sample.reports[delivery] for delivery in deliveries)
        when = chances(dues, sample.timetable, at)
        yield Owed(f"p{number:02d}", unit, form, status, reports, Door.JSON, when)


def _with_doors(owed: Sequence[Owed], sample: Sample, chance: random.Random) -> list[Owed]:
    may_publish = [each.name for each in owed if sample.units[each.unit].kafka_door]
    publish = set(chance.sample(may_publish, k=round(len(may_publish) * KAFKA_SHARE)))
    others = [each.name for each in owed if each.name not in publish]
    excel = set(chance.sample(others, k=len(others) // 2))
    doors = dict.fromkeys(publish, Door.KAFKA) | dict.fromkeys(excel, Door.EXCEL)
    return [replace(each, door=doors.get(each.name, Door.JSON)) for each in owed]


def _with_fates(owed: Sequence[Owed], oracle: Oracle, chance: random.Random) -> list[tuple[Fate, Sequence[Dispatch]]]:
    """Give each package its fate. A firmer report of the same period is sent once the one before it has ended."""
    followed = {each.name for each in owed if _firmer(each, owed)}
    apart = [_apart(each, owed) for each in owed]
    told: dict[str, tuple[Fate, Sequence[Dispatch]]] = {}
    free = list(apart)
    chance.shuffle(free)
    for fate, fault, second, count in QUOTAS:
        for _ in range(count):
            for each in free:
                if fate in UNFINISHED and each.name in followed:
                    continue
                try:
                    told[each.name] = (fate, Story(each, oracle, chance).tell(fate, fault, second))
                except ImpossibleFateError:
                    continue
                free.remove(each)
                break
            else:
                raise ScenarioError(f"no package is left for: {fate} ({fault or 'no fault'})")
    for each in free:
        told[each.name] = (Fate.RIGHT, Story(each, oracle, chance).tell(Fate.RIGHT))
    return [told[each.name] for each in owed]


def _firmer(each: Owed, owed: Sequence[Owed]) -> list[Owed]:
    """Return the packages with a firmer figure for the same period."""
    return [other for other in owed if _firmness(other) > _firmness(each) and _same_series(each, other)]


def _apart(each: Owed, owed: Sequence[Owed]) -> Owed:
    """Keep two packages on one period apart: the firmer comes after the other's last chance, which ends before that.

    Otherwise the first would be closed as superseded before it has ended.
    """
    firmer = _firmer(each, owed)
    softer = [other for other in owed if _firmness(other) < _firmness(each) and _same_series(each, other)]
    when = each.chances
    if softer:
        when = when.after(max(_last_chance(other, owed) for other in softer))
    if firmer:
        when = when.until(_last_chance(each, owed))
    return replace(each, chances=when)


def _last_chance(each: Owed, owed: Sequence[Owed]) -> int:
    """Return the last stand for a package with firmer ones behind it, which need a stand of their own in time."""
    return min([min(each.chances.late), *(max(other.chances.in_time) - 1 for other in _firmer(each, owed))])


def _same_series(one: Owed, other: Owed) -> bool:
    periods = {delivery.period for delivery in one.deliveries}
    return (
        one is not other
        and (one.unit, one.form) == (other.unit, other.form)
        and any(delivery.period in periods for delivery in other.deliveries)
    )


def _firmness(each: Owed) -> int:
    return -FIRMEST_FIRST.index(each.status)
