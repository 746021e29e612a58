"""Knows when the deadline events of the time before the start are read.

Until then a delivery that has been opened may not be known here, and a report for it would be rejected for good.
"""

from services.ingest.broker_offsets import Offsets
from services.ingest.domain.watermark import Asked
from services.ingest.state import IngestState
from services.ingest.storage.sources import Partition, read_progress
from shared.bus.unit_of_work import UnitOfWorkFactory
from shared.logs import get_logger

log = get_logger(__name__)


class CatchUp:
    """Compares how far the deadlines reached at the start with how far they are in the database since."""

    def __init__(self, units_of_work: UnitOfWorkFactory[IngestState], state: IngestState, offsets: Offsets) -> None:
        self._units_of_work = units_of_work
        self._state = state
        self._offsets = offsets
        self._asked: dict[Partition, Asked] = {}

    async def tick(self) -> None:
        """Look again, for as long as it takes. Raises KafkaError while the broker is away."""
        state = self._state
        if state.deadlines_read:
            return
        if not self._asked:  # a topic that is not there is one whose producer is yet to come
            self._asked = await self._offsets.ask(state.clock.machine_now())
        if not self._asked:
            return
        # The group's offsets know of messages put aside; ours know what a commit that was lost does not.
        reached = await self._offsets.committed()
        async with self._units_of_work.sessions() as session:
            for partition, offset in (await read_progress(session, state.cluster_id())).items():
                reached[partition] = max(offset, reached.get(partition, 0))
        if not all(asked.settled(reached.get(partition, 0)) for partition, asked in self._asked.items()):
            return
        state.deadlines_read = True
        log.info("deadlines_read", partitions=len(self._asked))
        await self._offsets.close()

    async def close(self) -> None:
        """Close the client."""
        await self._offsets.close()
