"""Makes the topics of the agencies whose Kafka door the catalogue has switched on."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from services.ingest import metrics
from services.ingest.state import IngestState
from services.ingest.storage.sources import add_kafka_sources, drop_source, source_id
from shared.bus.errors import TopicMismatchError
from shared.bus.topics import AGENCY_SUBMISSIONS, agency_topics
from shared.bus.unit_of_work import UnitOfWorkFactory
from shared.logs import get_logger

REFUSED_PAUSE_SECONDS = 60.0

log = get_logger(__name__)


class AgencyTopics:
    """Looks at each release; on another cluster the bus makes again what was made through it once."""

    def __init__(self, units_of_work: UnitOfWorkFactory[IngestState], state: IngestState) -> None:
        self._units_of_work = units_of_work
        self._state = state
        self._made: frozenset[str] = frozenset()
        self._refused: dict[str, datetime] = {}

    @property
    def refused(self) -> Collection[str]:
        """The units whose topics the broker, or the shape that they have, does not allow; an alarm says so."""
        return self._refused.keys()

    async def tick(self) -> None:
        """Make what is missing; a topic that is refused costs its agency alone. Raises KafkaError while it may pass."""
        missing = self._state.open_doors() - self._made - self._lately_refused()
        if not missing:
            return
        # First the source: a message that comes right after the topic is made must not be overtaken by the watermark.
        async with self._units_of_work.sessions() as session, session.begin():
            await add_kafka_sources(session, [_partition_of(unit) for unit in missing])
        refused = await self._make(missing)
        made = missing - refused.keys()
        self._made |= made
        self._state.answers_made |= made
        if made:
            log.info("agency_topics_made", units=sorted(made))
        await self._note(refused, made)

    def _lately_refused(self) -> set[str]:
        """Return the units that are not tried again yet: while one is tried, the watermark waits for its topic."""
        since = self._state.clock.machine_now() - timedelta(seconds=REFUSED_PAUSE_SECONDS)
        return {unit for unit, at in self._refused.items() if at > since}

    async def _make(self, units: Collection[str]) -> dict[str, str]:
        """Make both topics of each unit; return why they cannot be had, by unit."""
        try:
            await self._state.ensure_topics(agency_topics(sorted(units)))
        except TopicMismatchError as error:
            faults = {unit: [error.faults.get(topic.name) for topic in agency_topics([unit])] for unit in units}
            return {unit: "; ".join(filter(None, said)) for unit, said in faults.items() if any(said)}
        return {}

    async def _note(self, refused: Mapping[str, str], made: Collection[str]) -> None:
        """Alarm; nobody waits for a topic that does not come. One of a wrong shape is there and asked all the same."""
        async with self._units_of_work.sessions() as session, session.begin():
            for unit in refused:
                await drop_source(session, source_id(_partition_of(unit)))
        for unit, error in refused.items():
            if unit not in self._refused:
                log.error("agency_topic_refused", unit=unit, error=error)
            self._refused[unit] = self._state.clock.machine_now()
        for unit in made:
            self._refused.pop(unit, None)
        metrics.TOPICS_REFUSED.set(len(self._refused))


def _partition_of(unit: str) -> tuple[str, int]:
    return AGENCY_SUBMISSIONS.for_unit(unit).name, 0
