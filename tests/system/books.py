"""The books of a system test: what was acknowledged against what the topics say."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from demo.facts import Answer, DeadLetter, Judgement, Received
from demo.records import Fact


def versions_judged(facts: Iterable[Fact]) -> Counter[tuple[str, int]]:
    """Count judgement 1 by (delivery, version)."""
    return Counter((fact.delivery, fact.version) for fact in facts if isinstance(fact, Judgement) and fact.number == 1)


def imbalances(acknowledged: Counter[str], by_kafka: int, facts: Iterable[Fact]) -> list[str]:
    """Return what is lost, doubled, out of order or put aside; nothing when the books balance."""
    facts = list(facts)
    wanted = {(delivery, version) for delivery, count in acknowledged.items() for version in range(1, count + 1)}
    received = Counter((fact.delivery, fact.version) for fact in facts if isinstance(fact, Received))
    judged = versions_judged(facts)
    found = []
    for name, counted in (("received", received), ("judged", judged)):
        ours = Counter({key: count for key, count in counted.items() if key[0] in acknowledged})
        found += [f"{name} never: {key}" for key in sorted(wanted - set(ours))]
        found += [f"{name} {count} times: {key}" for key, count in sorted(ours.items()) if count > 1]
        found += [f"{name}, but nobody sent it: {key}" for key in sorted(set(ours) - wanted)]
    order: dict[str, list[int]] = defaultdict(list)
    for fact in facts:
        if isinstance(fact, Judgement) and fact.number == 1 and fact.delivery in acknowledged:
            order[fact.delivery].append(fact.version)
    found += [f"out of order: {delivery} {seen}" for delivery, seen in order.items() if seen != sorted(seen)]
    found += [f"put aside: {fact.topic}/{fact.offset}: {fact.detail}" for fact in facts if isinstance(fact, DeadLetter)]
    answered = sum(1 for fact in facts if isinstance(fact, Answer) and fact.kind == "received")
    found += [f"{answered} receipts for {by_kafka} packages on Kafka"] if answered != by_kafka else []
    return found


def disorder(facts: Iterable[Fact]) -> list[str]:
    """Return the units whose versions were not judged for the first time in the order in which they were received."""
    received: dict[str, list[tuple[str, int]]] = defaultdict(list)
    judged: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for fact in facts:
        if isinstance(fact, Received):
            received[_unit(fact.delivery)].append((fact.delivery, fact.version))
        elif isinstance(fact, Judgement) and fact.number == 1:
            judged[_unit(fact.delivery)].append((fact.delivery, fact.version))
    return sorted(unit for unit in received | judged if received[unit] != judged[unit])


def _unit(delivery: str) -> str:
    return delivery.partition("/")[0]
