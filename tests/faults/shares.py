"""Parts of one town, so that several tests may use it: deliveries of their own, agencies of their own, own books."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from demo.facts import Answer, DeadlineFact
from demo.records import Fact
from deploy.embedded.stack import DEFAULT_START
from tests.parts import until
from tests.system.agencies import Agencies, Package, packages
from tests.system.books import disorder, imbalances
from tests.system.town import Town

ROUNDS = 4


@dataclass
class Share:
    """One test's part of the town: its own deliveries, its own agencies, and the facts since it began."""

    town: Town
    rounds: Sequence[Sequence[Package]]
    begin: int = field(init=False)

    def __post_init__(self) -> None:
        self.begin = len(self.town.reader.facts())

    @property
    def deliveries(self) -> set[str]:
        return {str(delivery) for package in self.rounds[0] for delivery in package.deliveries}

    @property
    def reserved(self) -> str:
        """A delivery that may get another date, so that nobody can say when it is told of."""
        return max(self.deliveries)

    def facts(self) -> list[Fact]:
        return self.town.reader.facts()[self.begin :]

    def disorder(self) -> list[str]:
        return disorder(fact for fact in self.facts() if getattr(fact, "delivery", None) in self.deliveries)

    def imbalances(self) -> list[str]:
        return imbalances(self.town.agencies.acknowledged, self.town.agencies.by_kafka, self.facts())

    def answers(self) -> set[tuple[str, str, str | None]]:
        """Return event id, kind and package of each answer on the agencies' topics."""
        return {(fact.event_id, fact.kind, fact.package_id) for fact in self.facts() if isinstance(fact, Answer)}

    def deadlines(self) -> Counter[tuple[str, int, str]]:
        """Count the deadline events by (delivery, deadline version, kind)."""
        return Counter(
            (fact.delivery, fact.deadline_version, fact.change)
            for fact in self.facts()
            if isinstance(fact, DeadlineFact)
        )

    async def settle(self) -> None:
        with suppress(TimeoutError):  # the assertion says more
            await until(lambda: not self.imbalances(), seconds=60)
        assert self.imbalances() == []


def a_share(town: Town, number: int, count: int) -> Share:
    """Return the part of a number (from 0) of so many; no delivery is in two of them."""
    agencies = Agencies(town.agencies.addresses, town.agencies.kafka_units, town.client)
    everything = packages(town.sample, 1000, open_at=DEFAULT_START)
    per_round = next(i for i, each in enumerate(everything[1:], 1) if each.deliveries == everything[0].deliveries)
    # Of several statuses the first alone: a higher one that another test sends would close it.
    figures = [{(each.unit, each.form, each.period) for each in one.deliveries} for one in everything[:per_round]]
    chosen = [place for place, its in enumerate(figures) if not any(its & before for before in figures[:place])]
    mine = chosen[number::count]
    rounds = [[everything[number * per_round + place] for place in mine] for number in range(ROUNDS)]
    return Share(replace(town, agencies=agencies), rounds)
