"""Replays dead letters that an operator has marked: each goes through the path that it took the first time."""

import asyncio
from collections.abc import Sequence
from typing import Generic

import structlog

from shared.bus import metrics
from shared.bus.consumer import Consumer
from shared.bus.inbox import Outcome
from shared.bus.letters import Letter
from shared.bus.quarantine import root_cause
from shared.bus.retry import StoppedError, is_transient, pause, until_it_works
from shared.bus.unit_of_work import UnitOfWorkFactory
from shared.bus.work import ContextT

POLL_SECONDS = 1.0

log = structlog.get_logger(__name__)


class Replayer(Generic[ContextT]):
    """Takes the marked dead letters of one service's consumers in, the oldest first, each in a transaction of its own.

    Any number of replicas may run it: the unit's lock and a lock of the row keep one letter for one of them. While the
    guard holds a consumer, its letters wait, too.
    """

    def __init__(
        self,
        units_of_work: UnitOfWorkFactory[ContextT],
        consumers: Sequence[Consumer[ContextT]],
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        """`consumers` may still grow until `run`."""
        self._units_of_work = units_of_work
        self._consumers = consumers
        self._poll_seconds = poll_seconds
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Let the letter at hand end; `run` returns then."""
        self._stopping.set()

    async def run(self) -> None:
        """Look for marked letters until stopped; while the world is broken, try again without end."""
        try:
            while not self._stopping.is_set():
                while await until_it_works(self.replay_next, stopping=self._stopping, on_retry=self._on_retry):
                    pass
                await pause(self._poll_seconds, self._stopping)
        except StoppedError:
            return

    async def replay_next(self) -> bool:
        """Replay one letter; return whether there may be another one. What is transient comes out."""
        consumers = {each.subscription.group: each for each in self._consumers if not each.held}
        async with self._units_of_work.sessions() as session:
            letter = await self._units_of_work.parts.dead_letters.next_to_replay(session, list(consumers))
        if letter is None:
            return False
        processor = consumers[letter.consumer_group].processor
        try:
            outcome = await processor.replay(letter)
        except Exception as error:
            if is_transient(error):
                raise
            await processor.keep(letter, error)
            self._count(letter, Outcome.QUARANTINED)
            log.exception("dead_letter_failed_again", error=root_cause(error), **_facts(letter))
            return True
        if outcome is None:
            return False  # another replica is at it
        self._count(letter, outcome)
        log.info("dead_letter_replayed", outcome=outcome.value, **_facts(letter))
        return True

    def _count(self, letter: Letter, outcome: Outcome) -> None:
        metrics.REPLAYED.labels(self._units_of_work.service, letter.consumer_group, outcome.value).inc()

    def _on_retry(self, error: BaseException) -> None:
        log.warning("replay_waits", error=root_cause(error))


def _facts(letter: Letter) -> dict[str, object]:
    place = {"topic": letter.topic, "partition": letter.partition, "offset": letter.offset}
    return {"letter": letter.id, "group": letter.consumer_group, **place}
