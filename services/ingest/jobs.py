"""What the clock starts: signs of life of the HTTP doors, the watermark, and the agencies' topics."""

import asyncio

from sqlalchemy.exc import DBAPIError

from services.ingest import metrics
from services.ingest.agency_topics import AgencyTopics
from services.ingest.catching_up import CatchUp
from services.ingest.http_source import HttpSource
from services.ingest.settings import IngestSettings
from services.ingest.state import IngestState
from services.ingest.watermark import WatermarkWriter
from shared.bus.quarantine import root_cause
from shared.bus.unit_of_work import UnitOfWorkFactory
from shared.jobs import STOP_SECONDS_MAX, Job, JobRunner
from shared.logs import get_logger
from shared.vital import OnLoss

log = get_logger(__name__)


class Jobs:
    """Ingest's jobs. `start` them with the service; `stop` ends them between two transactions."""

    def __init__(
        self,
        units_of_work: UnitOfWorkFactory[IngestState],
        settings: IngestSettings,
        *,
        http_source: HttpSource,
        watermark: WatermarkWriter,
        topics: AgencyTopics,
        catch_up: CatchUp,
        on_loss: OnLoss | None = None,
    ) -> None:
        self._sessions = units_of_work.sessions
        self._settings = settings
        self._http_source = http_source
        self._watermark = watermark
        self._topics = topics
        self._catch_up = catch_up
        self._runner = JobRunner(metrics.JOB_FAILURES, on_loss)

    def start(self, cluster_known: Job) -> None:
        """Start all jobs; those that need the broker wait until `cluster_known` returns."""
        settings = self._settings
        self._runner.repeat("heartbeat", self._beat, settings.heartbeat_seconds)
        self._runner.repeat("topics", self._topics.tick, settings.topics_seconds, after=cluster_known)
        self._runner.repeat("watermark", self._watermark.tick, settings.watermark_seconds, after=cluster_known)
        self._runner.repeat("catch_up", self._catch_up.tick, settings.heartbeat_seconds, after=cluster_known)

    async def stop(self, seconds_max: float = STOP_SECONDS_MAX) -> None:
        """Let what is being done end, but not for ever; then close the doors' row and the broker's clients."""
        await self._runner.stop(seconds_max)
        await self._watermark.close()
        await self._catch_up.close()
        try:
            async with asyncio.timeout(seconds_max):
                await self._http_source.stop(self._sessions)
        except (OSError, TimeoutError, DBAPIError) as error:
            log.warning("source_not_closed", error=root_cause(error))  # its lease runs out by itself

    @property
    def alive(self) -> bool:
        """Whether no job has ended by a fault of ours; readiness tells."""
        return self._runner.alive

    async def _beat(self) -> None:
        await self._http_source.beat(self._sessions)
