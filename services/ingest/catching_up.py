"""Knows when the deadline events of the time before the start are read.

Until then a delivery that has been opened may not be known here, and a report for it would be rejected for good.
"""

from datetime import datetime, timedelta

from services.ingest.broker_offsets import Offsets
from services.ingest.domain.watermark import Asked
from services.ingest.state import IngestState
from services.ingest.storage.sources import Partition
from shared.logs import get_logger

log = get_logger(__name__)


class CatchUp:
    """Compares once at the start how far the deadlines reached with how far our group has committed since."""

    def __init__(self, state: IngestState, offsets: Offsets) -> None:
        self._state = state
        self._offsets = offsets
        self._asked: dict[Partition, Asked] | None = None
        self._since: datetime | None = None

    async def tick(self) -> None:
        """Look again. Raises KafkaError while the broker is away."""
        state = self._state
        if state.deadlines_read:
            return
        now = state.clock.machine_now()
        if not self._asked or self._since is None:  # a topic that is not there is one whose producer is yet to come
            self._asked, self._since = await self._offsets.ask(now), now
        if not self._asked:
            return
        committed = await self._offsets.committed()
        if all(asked.settled(committed.get(partition, 0)) for partition, asked in self._asked.items()):
            log.info("deadlines_read", partitions=len(self._asked))
        elif now - self._since > timedelta(seconds=state.settings.catch_up_seconds_max):
            log.warning("deadlines_not_read", committed=committed)  # a lost commit must not close the doors for ever
        else:
            return
        state.deadlines_read = True
        await self._offsets.close()

    async def close(self) -> None:
        """Close the client."""
        await self._offsets.close()
