"""What the clock starts: signs of life of the HTTP doors, the watermark, and the agencies' topics."""

import asyncio
from collections.abc import Awaitable, Callable

from sqlalchemy.exc import DBAPIError

from services.ingest import metrics
from services.ingest.agency_topics import AgencyTopics
from services.ingest.catching_up import CatchUp
from services.ingest.http_source import HttpSource
from services.ingest.settings import IngestSettings
from services.ingest.state import IngestState
from services.ingest.watermark import WatermarkWriter
from shared.bus.quarantine import root_cause
from shared.bus.retry import StoppedError, pause, until_it_works
from shared.bus.unit_of_work import UnitOfWorkFactory
from shared.logs import get_logger

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
    ) -> None:
        self._sessions = units_of_work.sessions
        self._settings = settings
        self._http_source = http_source
        self._watermark = watermark
        self._topics = topics
        self._catch_up = catch_up
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, cluster_known: Callable[[], Awaitable[object]]) -> None:
        """Start all jobs; those that need the broker wait until `cluster_known` returns."""
        settings = self._settings
        self._tasks = [
            asyncio.create_task(self._repeat("heartbeat", self._beat, settings.heartbeat_seconds), name="heartbeat"),
            *(
                asyncio.create_task(self._repeat(name, job, seconds, cluster_known), name=name)
                for name, job, seconds in (
                    ("topics", self._topics.tick, settings.topics_seconds),
                    ("watermark", self._watermark.tick, settings.watermark_seconds),
                    ("catch_up", self._catch_up.tick, settings.heartbeat_seconds),
                )
            ),
        ]
        for task in self._tasks:
            task.add_done_callback(_report_end)

    async def stop(self, seconds_max: float = 10.0) -> None:
        """Let what is being done end, but not for ever; then close the doors' row and the broker's clients."""
        self._stopping.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds_max)
            for task in late:
                task.cancel()
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
        return all(not task.done() for task in self._tasks) or self._stopping.is_set()

    async def _beat(self) -> None:
        await self._http_source.beat(self._sessions)

    async def _repeat(
        self,
        name: str,
        job: Callable[[], Awaitable[None]],
        seconds: float,
        first: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        """Run a job again and again; while the world is broken with growing pauses. A fault of ours ends it."""

        def waits(error: BaseException) -> None:
            metrics.JOB_FAILURES.labels(name).inc()
            log.warning("job_waits", job=name, error=root_cause(error))

        if first is not None and not await self._unless_stopped(first):
            return
        try:
            while not self._stopping.is_set():
                await until_it_works(job, stopping=self._stopping, on_retry=waits)
                await pause(seconds, self._stopping)
        except StoppedError:
            return

    async def _unless_stopped(self, wait: Callable[[], Awaitable[object]]) -> bool:
        """Wait for something; return False when the service stops before."""
        waiting = asyncio.ensure_future(wait())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        waiting.cancel()
        return not self._stopping.is_set()


def _report_end(task: asyncio.Task[None]) -> None:
    """Say it loudly when a job has ended by a fault of ours."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("job_failed", job=task.get_name(), exc_info=error)
