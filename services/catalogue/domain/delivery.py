"""The life of one delivery: what is known of it, and what follows. Pure, and the same whatever order facts come in.

The state is derived from facts, never set: versions received, judgements, the first acceptable version, closure.
A verdict may be read before its `received`, since they travel on two topics.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from shared.deadline import end_of_deadline
from shared.delivery_id import DeliveryId
from shared.events.catalogue import Shift
from shared.events.deadlines import ClosedReason
from shared.events.findings import Verdict


class State(StrEnum):
    """The state of a delivery (tình trạng). That its deadline passed is kept beside it."""

    PLANNED = "planned"
    OPEN = "open"
    RECEIVED = "received"
    NEEDS_EXPLANATION = "needs_explanation"
    RETURNED = "returned"
    MET_IN_TIME = "met_in_time"
    MET_LATE = "met_late"
    CLOSED_NIL = "closed_nil"
    EXEMPTED = "exempted"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Version:
    """One arrival for a delivery. `judgement` 0: not judged yet. `received` False: only its verdict was read yet."""

    number: int
    received_at: datetime
    received: bool = False
    judgement: int = 0
    verdict: Verdict | None = None
    acceptable: bool = False
    explained_at: tuple[datetime, ...] = ()

    def judged(self, judgement: int, verdict: Verdict) -> "Version":
        """Return it with one more judgement; the highest one counts, an acceptable one stays acceptable."""
        acceptable = self.acceptable or verdict.acceptable
        if judgement <= self.judgement:
            return replace(self, acceptable=acceptable)
        return replace(self, judgement=judgement, verdict=verdict, acceptable=acceptable)

    def awaits_explained(self, before: datetime) -> bool:
        """Whether an explanation that came before an instant has no judgement yet."""
        explanation_count = sum(instant < before for instant in self.explained_at)
        return self.verdict is Verdict.NEEDS_EXPLANATION and self.judgement < 1 + explanation_count


@dataclass(frozen=True, slots=True)
class Met:
    """The first acceptable version."""

    version: int
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is known of one delivery. Instants are business time; `due_at` None: history, never due."""

    id: DeliveryId
    due_rule: str
    shift: Shift
    open_days_before: int
    opens_at: datetime
    due_at: datetime | None
    release: int
    deadline_version: int = 1
    extended: bool = False
    opened_at: datetime | None = None
    passed_at: datetime | None = None
    met: Met | None = None
    closed: ClosedReason | None = None
    versions: Mapping[int, Version] = field(default_factory=dict)

    @property
    def latest(self) -> Version | None:
        """The version with the highest number."""
        return self.versions[max(self.versions)] if self.versions else None

    @property
    def is_settled(self) -> bool:
        """Whether nothing more is expected: met, or closed."""
        return self.met is not None or self.closed is not None

    @property
    def state(self) -> State:
        """The state that follows from the facts."""
        if self.closed is not None:
            return State(self.closed.value)
        if self.met is not None:
            return State.MET_IN_TIME if self.met_in_time else State.MET_LATE
        if self.opened_at is None:
            return State.PLANNED
        return State.OPEN if self.latest is None else _state_of(self.latest)

    @property
    def met_in_time(self) -> bool:
        """Whether the first acceptable version was received before the deadline's end; history always was."""
        return self.met is not None and (self.due_at is None or self.met.received_at < end_of_deadline(self.due_at))

    def with_version(self, version: Version) -> "Delivery":
        """Return it with a version as it is known now."""
        return replace(self, versions={**self.versions, version.number: version})


Versions = Mapping[int, Version]


def received(versions: Versions, number: int, received_at: datetime) -> Version:
    """Return a version that was received."""
    version = versions.get(number) or Version(number, received_at)
    return replace(version, received=True, received_at=received_at)


def judged(versions: Versions, number: int, judgement: int, verdict: Verdict, received_at: datetime) -> Version:
    """Return a version with a judgement; nothing of it may have been read yet. The verdict too says when it came."""
    version = versions.get(number) or Version(number, received_at)
    return replace(version, received_at=received_at).judged(judgement, verdict)


def explained(versions: Versions, number: int, explained_at: datetime) -> Version:
    """Return a version with an explanation."""
    version = versions.get(number) or Version(number, explained_at)
    return replace(version, explained_at=tuple(sorted((*version.explained_at, explained_at))))


@dataclass(frozen=True, slots=True)
class MetEffect:
    """The delivery was met."""

    met: Met
    in_time: bool


@dataclass(frozen=True, slots=True)
class PassedEffect:
    """The deadline passed; `state` is what it was at the deadline."""

    state: State


Effect = MetEffect | PassedEffect


def settle(delivery: Delivery, watermark: datetime | None, now: datetime) -> tuple[Delivery, tuple[Effect, ...]]:
    """Return the delivery with what follows from its facts, and the effects to tell of.

    `watermark`: everything received up to then has been read. A delivery that is not open yet is left alone.
    """
    if delivery.opened_at is None or delivery.is_settled:
        return delivery, ()
    first = min((version for version in delivery.versions.values() if version.acceptable), key=_number, default=None)
    if first is not None:
        delivery = replace(delivery, met=Met(first.number, first.received_at))
        return delivery, (MetEffect(Met(first.number, first.received_at), delivery.met_in_time),)
    state = state_at_deadline(delivery, watermark)
    if state is None:
        return delivery, ()
    return replace(delivery, passed_at=now), (PassedEffect(state),)


def state_at_deadline(delivery: Delivery, watermark: datetime | None) -> State | None:
    """Return the state in which the deadline passed; None while it has not, or while it cannot be told.

    It cannot be told before the watermark is at the deadline's end (a door may hold something that was in time), nor
    before what was in time is judged.
    """
    if delivery.due_at is None or delivery.passed_at is not None:
        return None
    end = end_of_deadline(delivery.due_at)
    if watermark is None or watermark < end:
        return None
    in_time = [version for version in delivery.versions.values() if version.received_at < end]
    if not in_time:
        return State.OPEN
    latest = max(in_time, key=_number)
    return None if _awaits_judgement(latest, delivery.versions, end) else _state_of(latest)


def _awaits_judgement(version: Version, versions: Versions, end: datetime) -> bool:
    """Whether a judgement is still to come of what was in time: the version, or an explanation of it.

    A unit's reports and explanations are judged in one order. So once a newer version is judged, an explanation of
    this one has its answer, or came after that version and never gets one: it holds nothing up.
    """
    if version.judgement == 0:
        return True
    newer_is_judged = any(other.number > version.number and other.judgement > 0 for other in versions.values())
    return not newer_is_judged and version.awaits_explained(end)


def superseded_by(met: DeliveryId, other: Delivery) -> bool:
    """Whether a delivery that was met makes another one needless: a higher status of the same figures came.

    History is not superseded: it may be loaded in any order.
    """
    return (
        (other.id.unit, other.id.form, other.id.period) == (met.unit, met.form, met.period)
        and other.id.status.rank < met.status.rank
        and other.opened_at is not None
        and other.due_at is not None
        and not other.is_settled
    )


def redated(delivery: Delivery, due_at: datetime, *, extended: bool = False) -> Delivery:
    """Return an open delivery with another date, as the next version of its deadline."""
    return replace(
        delivery,
        due_at=due_at,
        deadline_version=delivery.deadline_version + 1,
        passed_at=None,
        extended=extended,
    )


def _state_of(version: Version) -> State:
    match version.verdict:
        case None:
            return State.RECEIVED
        case Verdict.NEEDS_EXPLANATION:
            return State.NEEDS_EXPLANATION
        case _:
            return State.RETURNED


def _number(version: Version) -> int:
    return version.number
