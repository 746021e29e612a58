"""The topics that a service is the sole producer of: made at its start, and again on each new cluster."""

import asyncio
from collections.abc import Awaitable, Callable, Collection

import structlog
from aiokafka.errors import KafkaError

from shared.bus.clients import ClientOptions
from shared.bus.errors import TopicMismatchError
from shared.bus.quarantine import root_cause
from shared.bus.retry import Backoff
from shared.bus.topic_admin import ensure_topics
from shared.bus.topics import Topic, TopicTable

log = structlog.get_logger(__name__)


class OwnTopics:
    """Makes a service's own topics of the table, and further ones that it asks for. `made`: all its own are there."""

    def __init__(
        self, bootstrap_servers: str, service: str, topics: TopicTable, client_options: ClientOptions | None = None
    ) -> None:
        self.made = asyncio.Event()
        self._bootstrap_servers = bootstrap_servers
        self._client_options = dict(client_options or {})
        self._table = topics
        self._own = {topic.name: topic for topic in topics.topics_of(service)}
        self._further: dict[str, Topic] = {}
        self._wanted = asyncio.Event()

    async def ensure(self, topics: Collection[Topic]) -> None:
        """Make further topics, now and on each new cluster.

        Raises KafkaError, and TopicMismatchError for some of them; the others are made then.
        """
        try:
            await self._ensure(topics)
        except TopicMismatchError as error:
            self._further.update({topic.name: topic for topic in topics if topic.name not in error.faults})
            raise
        self._further.update({topic.name: topic for topic in topics})

    async def ensure_named(self, names: Collection[str]) -> None:
        """Make topics that rows are waiting for, and that nobody asked for since the start; raises KafkaError.

        A topic of the wrong shape is said, and stops nothing.
        """
        wanted = [self._table.topic_of(name) for name in names if name not in self._own]
        if wanted:
            await _tolerant(lambda: self.ensure(wanted))

    async def keep(self) -> None:
        """Make all, for the cluster that answers now and for each that comes after; for ever."""
        while True:
            self._wanted.clear()
            await until_done("make topics", lambda: self._ensure(self._own.values()))
            self.made.set()
            if self._further:
                await until_done("make further topics", lambda: _tolerant(lambda: self._ensure(self._further.values())))
            await self._wanted.wait()

    def begin_again(self) -> None:
        """Have all made again: another cluster answers."""
        self._wanted.set()

    async def _ensure(self, topics: Collection[Topic]) -> None:
        await ensure_topics(self._bootstrap_servers, topics, self._client_options)


async def until_done(what: str, action: Callable[[], Awaitable[None]]) -> None:
    """Try for ever: nothing can be done before the broker is there and its topics are as they should be."""
    backoff = Backoff(seconds_max=5.0)
    while True:
        try:
            return await action()
        except (KafkaError, OSError) as error:
            log.warning("bus_waits", to=what, error=root_cause(error))
        except TopicMismatchError as error:
            log.error("topic_mismatch", error=str(error))  # noqa: TRY400 -- the message says it all
        await backoff.pause()


async def _tolerant(action: Callable[[], Awaitable[None]]) -> None:
    try:
        await action()
    except TopicMismatchError as error:
        log.error("topic_mismatch", error=str(error))  # noqa: TRY400 -- the message says it all
