"""What the running service holds in memory and gives to handlers, requests and jobs."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime

from services.ingest.http_source import HttpSource
from services.ingest.metrics import RELEASE
from services.ingest.settings import IngestSettings
from services.ingest.storage.arrivals import Arrivals
from shared.access import AccessTable
from shared.bus.records import Record
from shared.bus.topics import AGENCY_ANSWERS, Topic
from shared.catalogue.reader import CatalogueReader
from shared.catalogue.snapshot import Snapshot
from shared.clock import Clock
from shared.objects import ObjectStore
from shared.problems import UnavailableError

WORKBOOKS_AT_ONCE_MAX = 2


@dataclass
class IngestState:
    """The catalogue in force, the tokens, the originals, what is known of the door, and the topics made so far.

    `ensure_topics` makes topics and checks them; `cluster_id` names the broker that answers.
    """

    reader: CatalogueReader
    access: AccessTable
    objects: ObjectStore
    arrivals: Arrivals
    http_source: HttpSource
    settings: IngestSettings
    clock: Clock
    cluster_id: Callable[[], str]
    ensure_topics: Callable[[Collection[Topic]], Awaitable[None]]
    answers_made: set[str] = field(default_factory=set)
    workbooks: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(WORKBOOKS_AT_ONCE_MAX))
    """Lets so many workbooks be read at once: each may take seconds of one core."""
    deadlines_read: bool = False
    """Whether the deadline events of the time before the start are read."""

    def __post_init__(self) -> None:
        self.reader.on_release(lambda snapshot: RELEASE.set(snapshot.release))

    @property
    def snapshot(self) -> Snapshot:
        """The catalogue in force; raises UnavailableError before the first release."""
        if self.reader.snapshot is None:
            raise UnavailableError("no catalogue release has arrived yet")
        return self.reader.snapshot

    def open_doors(self) -> frozenset[str]:
        """Return the units whose Kafka door is on today; none before the first release."""
        snapshot, today = self.reader.snapshot, self.clock.now().date()
        if snapshot is None:
            return frozenset()
        versions = {code: snapshot.unit(code, today) for code in snapshot.units}
        return frozenset(code for code, version in versions.items() if version is not None and version.kafka_door)

    def business_at(self, record: Record) -> datetime:
        """Return when the broker appended a message, in business time."""
        return self.clock.business_at(datetime.fromtimestamp(record.timestamp / 1000, UTC))

    async def ensure_answers(self, units: Collection[str]) -> None:
        """Make sure that these units' answers topics exist: a row for a topic that is not there would block its slot.

        Raises KafkaError while the broker is away, TopicMismatchError when it does not let us.
        """
        missing = [unit for unit in units if unit not in self.answers_made]
        if missing:
            await self.ensure_topics([AGENCY_ANSWERS.for_unit(unit) for unit in missing])
            self.answers_made.update(missing)
