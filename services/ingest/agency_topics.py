"""Makes the topics of the agencies whose Kafka door the catalogue has switched on."""

from services.ingest.state import IngestState
from services.ingest.storage.sources import add_kafka_sources
from shared.bus.topics import AGENCY_SUBMISSIONS, agency_topics
from shared.bus.unit_of_work import UnitOfWorkFactory
from shared.logs import get_logger

log = get_logger(__name__)


class AgencyTopics:
    """Looks at each release; on another cluster the bus makes again what was made through it once."""

    def __init__(self, units_of_work: UnitOfWorkFactory[IngestState], state: IngestState) -> None:
        self._units_of_work = units_of_work
        self._state = state
        self._made: frozenset[str] = frozenset()

    async def tick(self) -> None:
        """Make what is missing. Raises KafkaError while the broker is away."""
        missing = self._state.open_doors() - self._made
        if not missing:
            return
        # First the source: a message that comes right after the topic is made must not be overtaken by the watermark.
        async with self._units_of_work.sessions() as session, session.begin():
            await add_kafka_sources(session, [(AGENCY_SUBMISSIONS.for_unit(unit).name, 0) for unit in missing])
        await self._state.ensure_topics(agency_topics(sorted(missing)))
        self._made |= missing
        self._state.answers_made |= missing
        log.info("agency_topics_made", units=sorted(missing))
