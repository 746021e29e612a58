"""Which Kafka cluster answers. Another id at the same address means another log: topics and offsets start anew."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog
from aiokafka.errors import KafkaError

from shared.bus import metrics
from shared.bus.clients import REQUEST_TIMEOUT_MS, ClientOptions, admin_client
from shared.bus.retry import Backoff

POLL_SECONDS = 5.0
FRESH_SECONDS = 10.0
"""An older answer says nothing of the broker any more."""

log = structlog.get_logger(__name__)


class ClusterWatch:
    """Asks the broker for its cluster id every few seconds and tells of a change."""

    def __init__(self, bootstrap_servers: str, service: str, client_options: ClientOptions | None = None) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._service = service
        self._client_options = dict(client_options or {})
        self._cluster_id: str | None = None
        self.epoch = 0
        """Counts when the log may have become another one: another cluster, or a broker that answers again."""
        self._known = asyncio.Event()
        self._answered_at: float | None = None
        self._listeners: list[Callable[[str], Awaitable[None]]] = []

    @property
    def cluster_id(self) -> str:
        """The id of the cluster that answered last; raises RuntimeError before the first answer."""
        if self._cluster_id is None:
            raise RuntimeError("no Kafka cluster has answered yet")
        return self._cluster_id

    @property
    def reachable(self) -> bool:
        """Whether the broker answered when it was last asked, and that not long ago."""
        return self._answered_at is not None and time.monotonic() - self._answered_at < FRESH_SECONDS

    def suspect(self) -> None:
        """Say that somebody has lost a connection: the next one may lead to another log."""
        self.epoch += 1

    def on_change(self, listener: Callable[[str], Awaitable[None]]) -> None:
        """Call `listener` with the new id when another cluster answers (not for the first answer)."""
        self._listeners.append(listener)

    async def wait_known(self) -> str:
        """Wait for the first answer and return the cluster id."""
        await self._known.wait()
        return self.cluster_id

    async def run(self) -> None:
        """Ask for ever, until cancelled."""
        backoff = Backoff(first_seconds=0.2, seconds_max=POLL_SECONDS)
        while True:
            try:
                async with asyncio.timeout(REQUEST_TIMEOUT_MS / 1000):
                    found = await self._ask()
            except (KafkaError, OSError) as error:
                if self._answered_at is not None:
                    log.warning("broker_unreachable", error=str(error) or type(error).__name__)
                self._answered_at = None
                await backoff.pause()
                continue
            backoff = Backoff(first_seconds=0.2, seconds_max=POLL_SECONDS)
            if self._answered_at is None:
                self.epoch += 1
            self._answered_at = time.monotonic()
            await self._take(found)
            await asyncio.sleep(POLL_SECONDS)

    async def _ask(self) -> str:
        # A client of its own each time: one that outlives a broker may hold on to the address of a dead one.
        async with admin_client(self._bootstrap_servers, self._client_options) as admin:
            return str((await admin.describe_cluster())["cluster_id"])

    async def _take(self, found: str) -> None:
        before, self._cluster_id = self._cluster_id, found
        self._known.set()
        if before is not None and before != found:
            self.epoch += 1
            metrics.CLUSTER_CHANGES.labels(self._service).inc()
            log.warning("cluster_changed", before=before, now=found)
            for listener in self._listeners:
                await listener(found)
