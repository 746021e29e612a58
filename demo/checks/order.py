"""Nothing is overtaken: the versions of a unit are published and judged in the order in which they came."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from demo.checks.imbalance import Books, Imbalance
from demo.facts import Judgement, Received

Version = tuple[str, int]


def each_version_follows_the_one_before(books: Books) -> Iterator[Imbalance]:
    """Look for the versions of a delivery on `submissions` one after the other, as they are numbered."""
    seen: dict[str, list[int]] = defaultdict(list)
    for fact in books.facts.received:
        seen[fact.delivery].append(fact.version)
    for delivery, versions in seen.items():
        for before, after in pairwise(versions):
            if after < before:
                yield Imbalance("out_of_order", delivery, f"received v{after} after v{before}")


def each_unit_is_judged_in_order(books: Books) -> Iterator[Imbalance]:
    """Compare the order of a unit's first judgements with that of its versions, as far as both are seen.

    Whatever a version is compared with had to be judged before it.
    """
    received = _by_unit(books.facts.received)
    judged = _by_unit([fact for fact in books.facts.judgements if fact.number == 1])
    for unit, versions in judged.items():
        place = {version: number for number, version in enumerate(received.get(unit, []))}
        known = [version for version in versions if version in place]
        for before, after in pairwise(known):
            if place[after] < place[before]:
                yield Imbalance("out_of_order", unit, f"{_name(after)} was judged after {_name(before)}")


def _by_unit(facts: list[Judgement] | tuple[Received, ...]) -> dict[str, list[Version]]:
    found: dict[str, list[Version]] = defaultdict(list)
    for fact in facts:
        found[fact.delivery.partition("/")[0]].append((fact.delivery, fact.version))
    return found


def _name(version: Version) -> str:
    return f"{version[0]} v{version[1]}"
