"""What became of each delivery, as the outside shows it; and how long verdicts took. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil

from demo.facts import Facts, Judgement
from demo.ledger import AnyEntry, Door, Outcome, Sending
from demo.timetable import Due


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """The end of one delivery: `verdict` of the version that met it, or of its last one; None when nothing came."""

    due: Due
    in_time: bool | None
    verdict: str | None
    version_count: int
    received_at: datetime | None

    @property
    def late_days(self) -> int | None:
        """Days between the deadline and the receipt of the version that met it; None where that was in time."""
        if self.in_time is not False or self.received_at is None:
            return None
        return max(1, ceil((self.received_at - self.due.due_at).total_seconds() / 86_400))


def outcomes(dues: Iterable[Due], facts: Facts) -> dict[str, DeliveryOutcome]:
    """Return the end of each delivery."""
    met = {fact.delivery: fact for fact in facts.deadlines if fact.change == "met"}
    received = {(fact.delivery, fact.version): fact.received_at for fact in facts.received}
    latest: dict[tuple[str, int], Judgement] = {}
    for judgement in sorted(facts.judgements, key=lambda fact: fact.number):
        latest[judgement.delivery, judgement.version] = judgement
    versions: dict[str, list[int]] = defaultdict(list)
    for delivery, version in received:
        versions[delivery].append(version)
    found = {}
    for due in dues:
        ending = met.get(due.delivery)
        version = (ending.version if ending is not None else None) or max(versions[due.delivery], default=0)
        verdict = latest.get((due.delivery, version))
        found[due.delivery] = DeliveryOutcome(
            due,
            ending.in_time if ending is not None else None,
            verdict.verdict if verdict is not None else None,
            len(versions[due.delivery]),
            received.get((due.delivery, version)),
        )
    return found


def latencies(ledger: Iterable[AnyEntry], facts: Facts) -> dict[Door, list[float]]:
    """Return seconds of machine time from before the send to the verdict on the topic, by door, sorted."""
    appended: dict[tuple[str, int], datetime] = {}
    for judgement in facts.judgements:
        if judgement.number == 1:
            appended.setdefault((judgement.delivery, judgement.version), judgement.appended_at)
    found: dict[Door, list[float]] = {door: [] for door in Door}
    for entry in ledger:
        if isinstance(entry, Sending) and entry.outcome is Outcome.RECEIVED:
            ends = [appended.get((report.delivery, report.version)) for report in entry.reports]
            known = [end for end in ends if end is not None]
            if known:
                found[entry.door].append(max(0.0, (max(known) - entry.machine_at).total_seconds()))
    return {door: sorted(seconds) for door, seconds in found.items()}


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """Return the nearest-rank percentile of sorted numbers, None of none."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None
