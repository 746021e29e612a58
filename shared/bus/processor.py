"""A batch of Kafka records in one transaction: decode, lock, claim, handle. The consumer says when and how often."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Generic

from shared.bus.cloudevents import UnknownType, decode, readable_identity
from shared.bus.errors import BadMessageError, Reason
from shared.bus.handlers import Handlers
from shared.bus.inbox import Identity, Outcome
from shared.bus.letters import Letter
from shared.bus.partitions import UNITLESS
from shared.bus.quarantine import Cause, Place, place_of, put_aside, root_cause
from shared.bus.records import Record
from shared.bus.tracing import traced
from shared.bus.unit_of_work import UnitOfWorkFactory
from shared.bus.work import ContextT, Work
from shared.events.base import Event, EventData
from shared.failpoints import reach


@dataclass(frozen=True, slots=True)
class Received:
    """A Kafka record and what could be read of it: an event, one of a type not known, or a bad message."""

    record: Record
    unit: str
    content: Event[EventData] | UnknownType | BadMessageError

    @property
    def kind(self) -> tuple[type[object], str | None]:
        """What makes a run: neighbours of one kind are handled together, whatever type a bad message says it is."""
        return type(self.content), None if isinstance(self.content, BadMessageError) else self.content.type

    @property
    def identity(self) -> Identity | None:
        """The event's identity, None where it could not be read."""
        source, event_id = self.content.source, self.content.id
        return None if source is None or event_id is None else Identity(source, event_id)

    @property
    def outcome(self) -> Outcome:
        """What becomes of it when nothing fails."""
        if isinstance(self.content, BadMessageError):
            return Outcome.QUARANTINED
        return Outcome.SKIPPED if isinstance(self.content, UnknownType) else Outcome.HANDLED


@dataclass(slots=True)
class Tally:
    """What a committed batch did, for the metrics."""

    handled: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    skipped: int = 0


class Processor(Generic[ContextT]):
    """Takes records in, each batch in one transaction.

    `deduplicate` False is for the agencies' door, whose handler knows (unit, source, id, SHA-256) itself.
    """

    def __init__(
        self,
        handlers: Handlers[ContextT],
        units_of_work: UnitOfWorkFactory[ContextT],
        *,
        group: str,
        cluster_id: Callable[[], str],
        deduplicate: bool = True,
    ) -> None:
        self._handlers = handlers
        self._units_of_work = units_of_work
        self._group = group
        self._cluster_id = cluster_id
        self._deduplicate = deduplicate

    async def process(self, records: Sequence[Record]) -> Tally:
        """Take a batch in and commit. Whatever a handler raises comes out, and nothing was done."""
        received = [self.read(record) for record in records]
        tally = Tally()
        async with self._units_of_work.begin(units=_units_to_lock(received)) as work:
            work.cluster_id = self._cluster_id()
            fresh = await self._claim(received, work)
            tally.duplicates = len(received) - len(fresh)
            for _, run in groupby(fresh, key=lambda each: each.kind):
                await self._take(list(run), work, tally)
                await reach("consumer.mid_batch")
        return tally

    async def quarantine(self, record: Record, error: BaseException) -> None:
        """Put one record aside in a transaction of its own, because its handler failed."""
        each = self.read(record)
        async with self._units_of_work.begin(units={each.unit}) as work:
            work.cluster_id = self._cluster_id()
            if self._deduplicate and each.identity is not None:
                await work.parts.inbox.claim(work.session, [(each.identity, Outcome.QUARANTINED)])
            with traced([record]):
                await self._put_aside([Cause(record, each.unit, Reason.HANDLER_FAILED, root_cause(error))], work)

    async def replay(self, letter: Letter) -> Outcome | None:
        """Take a dead letter in as if it came now, and commit; None when another replica does or did it.

        Raises BadMessageError when it cannot be read now either, and whatever its handler raises: nothing was done.
        """
        each = self.read(letter.record)
        if isinstance(each.content, BadMessageError):
            raise each.content
        async with self._units_of_work.begin(units=_units_to_lock([each])) as work:
            work.cluster_id = letter.cluster_id
            if not await work.parts.dead_letters.hold(work.session, letter.id):
                return None
            outcome = await self._settle(each, work)
            if outcome is not Outcome.REPEATED:
                await self._take([each], work, Tally())
            await work.parts.dead_letters.settle(work.session, letter.id, outcome)
        return outcome

    async def keep(self, letter: Letter, error: BaseException) -> None:
        """Leave a dead letter where it is, because it failed again. No hook is called: it was answered before."""
        reason, detail = Reason.HANDLER_FAILED, root_cause(error)
        if isinstance(error, BadMessageError):
            reason, detail = error.reason, error.detail
        async with self._units_of_work.begin() as work:
            await work.parts.dead_letters.keep(work.session, letter.id, reason, detail)

    def read(self, record: Record) -> Received:
        """Read a record; never raises for what a sender may have done."""
        try:
            unit = self._units_of_work.topics.unit_of(record.topic, record.key)
        except ValueError as error:  # also UnicodeDecodeError
            event_id, source, ce_type = readable_identity(record.headers)
            bad = BadMessageError(Reason.UNREADABLE_KEY, str(error), id=event_id, source=source, type=ce_type)
            return Received(record, UNITLESS, bad)
        try:
            return Received(record, unit, decode(record, self._handlers.types, unit))
        except BadMessageError as error:
            return Received(record, unit, error)

    async def _claim(self, received: Sequence[Received], work: Work[ContextT]) -> list[Received]:
        """Return what was not taken in before, once each, in arrival order."""
        if not self._deduplicate:
            return list(received)
        claims = {
            each.identity: each.outcome
            for each in reversed(received)  # so that the first of equal ones decides
            if each.identity is not None and not self._is_transient(each)
        }
        unseen = await work.parts.inbox.claim(work.session, list(claims.items()))
        fresh = []
        for each in received:
            if each.identity in claims:
                if each.identity not in unseen:
                    continue
                unseen.remove(each.identity)
            fresh.append(each)
        return fresh

    async def _settle(self, each: Received, work: Work[ContextT]) -> Outcome:
        """Record what becomes of a message that is replayed, unless its event was taken in before."""
        if self._deduplicate and each.identity is not None and not self._is_transient(each):
            fresh = await work.parts.inbox.settle(work.session, each.identity, each.outcome)
            return each.outcome if fresh else Outcome.REPEATED
        return each.outcome

    def _is_transient(self, each: Received) -> bool:
        return each.content.type is not None and self._units_of_work.topics.is_transient(each.content.type)

    async def _take(self, run: Sequence[Received], work: Work[ContextT], tally: Tally) -> None:
        """Handle neighbours of one kind."""
        with traced([each.record for each in run]):
            await self._take_traced(run, work, tally)

    async def _take_traced(self, run: Sequence[Received], work: Work[ContextT], tally: Tally) -> None:
        events = []
        bad = [(each, each.content) for each in run if isinstance(each.content, BadMessageError)]
        if bad:
            await self._take_bad(bad, work)
            return
        for each in run:
            match each.content:
                case UnknownType() as unknown:
                    tally.skipped += 1
                    if self._handlers.unknown_type_hook is not None:
                        await self._handlers.unknown_type_hook(each.record, unknown, work)
                case Event() as event:
                    work.attach(event, each.record)
                    events.append(event)
        if events:
            await self._handlers.handler_of(events[0].type)(events, work)
            tally.handled[events[0].type] += len(events)

    async def _take_bad(self, bad: Sequence[tuple[Received, BadMessageError]], work: Work[ContextT]) -> None:
        """Put messages aside and answer those that were not there before."""
        causes = [Cause(each.record, each.unit, error.reason, error.detail) for each, error in bad]
        first = await self._put_aside(causes, work)
        answered = [(each.record, error) for each, error in bad if place_of(each.record) in first]
        if answered and self._handlers.bad_message_hook is not None:
            await self._handlers.bad_message_hook(answered, work)

    async def _put_aside(self, causes: Sequence[Cause], work: Work[ContextT]) -> set[Place]:
        return await put_aside(work, causes, group=self._group, cluster_id=self._cluster_id())


def _units_to_lock(received: Sequence[Received]) -> set[str]:
    """Return the units of a batch. No unit is locked only for what may be put aside, so that batches do not queue."""
    return {each.unit for each in received if each.unit != UNITLESS or isinstance(each.content, BadMessageError)}
