"""Everything of the bus that one service runs: cluster watch, topics, relay, tables and consumers, in this order."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Generic

import structlog
from aiokafka.errors import KafkaError
from faststream.kafka import KafkaBroker
from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.bus.clearing import clear_daily
from shared.bus.clients import ClientOptions, start_client
from shared.bus.cluster import ClusterWatch
from shared.bus.consumer import HOLD_SECONDS, Consumer
from shared.bus.group_commits import refuse_commits_of_strangers
from shared.bus.guard import Guard
from shared.bus.handlers import Handlers
from shared.bus.header_names import read_any_header_name
from shared.bus.own_topics import OwnTopics, until_done
from shared.bus.processor import Processor
from shared.bus.publisher import Publisher
from shared.bus.quarantine import root_cause
from shared.bus.relay import Relay
from shared.bus.replay import Replayer
from shared.bus.subscription import BATCH_RECORDS_MAX, PARTITION_BYTES_MAX, Subscription
from shared.bus.sweep import LogEnds, Sweep
from shared.bus.table import Apply, CompactedTable
from shared.bus.topic_admin import wait_for_topics
from shared.bus.topics import Topic
from shared.bus.unit_of_work import UnitOfWorkFactory
from shared.bus.work import ContextT
from shared.vital import OnLoss, VitalTasks

GRACEFUL_SECONDS = 20.0
"""How long a transaction in flight may take at the end."""
STOP_MARGIN_SECONDS = 5.0
WATCH_SECONDS = 2.0

log = structlog.get_logger(__name__)


class ServiceBus(Generic[ContextT]):
    """The bus as one service sees it. Add consumers and tables, then start.

    `before_consuming` is awaited when all tables are ready, so that no event is judged by an empty catalogue.
    `on_loss` is called when a part that should run for ever has ended by a fault of ours.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        engine: AsyncEngine,
        outbox: Table,
        units_of_work: UnitOfWorkFactory[ContextT],
        client_options: ClientOptions | None = None,
        before_consuming: Callable[[], Awaitable[None]] | None = None,
        on_loss: OnLoss | None = None,
    ) -> None:
        read_any_header_name()
        refuse_commits_of_strangers()
        self.service = units_of_work.service
        self._bootstrap_servers = bootstrap_servers
        self._client_options = dict(client_options or {})
        self._units_of_work = units_of_work
        self._before_consuming = before_consuming
        self._topics = OwnTopics(bootstrap_servers, self.service, units_of_work.topics, client_options)
        self.cluster = ClusterWatch(bootstrap_servers, self.service, client_options)
        self._publisher = Publisher(bootstrap_servers, client_options, self.cluster.suspect)
        self.sweep = Sweep(
            units_of_work.parts.sent_rows,
            LogEnds(bootstrap_servers, client_options),
            cluster=self.cluster,
            topics=units_of_work.topics,
            service=self.service,
            make_topics=self._topics.ensure_named,
        )
        self.relay = Relay(
            engine,
            outbox,
            service=self.service,
            publisher=self._publisher,
            cluster=self.cluster,
            sweep=self.sweep,
            wakeup=units_of_work.wakeup,
            topics=units_of_work.topics,
        )
        self.consumers: list[Consumer[ContextT]] = []
        self.tables: list[CompactedTable] = []
        self._replayer = Replayer(units_of_work, self.consumers)
        self._broker = KafkaBroker(
            bootstrap_servers,
            logger=_faststream_log(),
            log_level=logging.DEBUG,  # a line for each batch received and processed
            apply_types=False,
            consumer_only=True,
            graceful_timeout=GRACEFUL_SECONDS,
            metadata_max_age_ms=5_000,
            client_id=f"lienthong-{self.service}",
            **self._client_options,
        )
        self._parts = VitalTasks(on_loss)
        self._relaying = VitalTasks(on_loss)  # apart, as it is not cancelled: its batches in flight are to end
        self._consuming = asyncio.Event()
        self.cluster.on_change(self._on_cluster_change)

    def consumer(
        self,
        group: str,
        handlers: Handlers[ContextT],
        *,
        topics: Collection[str] = (),
        pattern: str | None = None,
        records_max: int = BATCH_RECORDS_MAX,
        partition_bytes_max: int = PARTITION_BYTES_MAX,
        deduplicate: bool = True,
        guard: Guard | None = None,
        hold_seconds: float = HOLD_SECONDS,
    ) -> Consumer[ContextT]:
        """Add a subscription; `deduplicate` False for the agencies' door, whose handler knows duplicates itself."""
        processor = Processor(
            handlers,
            self._units_of_work,
            group=group,
            cluster_id=lambda: self.cluster.cluster_id,
            deduplicate=deduplicate,
        )
        subscription = Subscription(
            group=group,
            topics=tuple(topics),
            pattern=pattern,
            records_max=records_max,
            partition_bytes_max=partition_bytes_max,
        )
        consumer = Consumer(
            subscription,
            processor,
            service=self.service,
            divide=self._units_of_work.parts.divide,
            guard=guard,
            hold_seconds=hold_seconds,
        )
        consumer.register(self._broker)
        self.consumers.append(consumer)
        return consumer

    def table(
        self,
        topic: str,
        apply: Apply,
        *,
        on_reset: Callable[[], None] | None = None,
        on_ready: Callable[[], None] | None = None,
    ) -> CompactedTable:
        """Add a topic that is read whole into memory."""
        table = CompactedTable(
            self._bootstrap_servers,
            topic,
            apply,
            service=self.service,
            on_reset=on_reset,
            on_ready=on_ready,
            client_options=self._client_options,
        )
        self.tables.append(table)
        return table

    async def ensure(self, topics: Collection[Topic]) -> None:
        """Make further topics, now and on each new cluster, as ingest does for agencies.

        Raises KafkaError, and TopicMismatchError for some of them; the others are made then.
        """
        await self._topics.ensure(topics)

    def start(self) -> None:
        """Start everything in the background, and return at once: `readiness` tells how far it is."""
        self._parts.start("cluster watch", self.cluster.run())
        self._parts.start("topics", self._keep_topics())
        self._parts.start("clearing", self._clear())
        self._parts.start("bus", self._come_up(), once=True)
        for table in self.tables:
            self._parts.start(f"table {table.topic}", table.run())

    async def wait_ready(self) -> None:
        """Wait until it consumes."""
        await self._consuming.wait()

    async def stop(self) -> None:
        """Stop reading, let transactions and batches in flight end, close. Rows not published stay in the outbox."""
        self._parts.expect_end()
        self._relaying.expect_end()
        for consumer in self.consumers:
            consumer.stop()
        self._replayer.stop()
        self.relay.stop()
        try:
            async with asyncio.timeout(GRACEFUL_SECONDS + STOP_MARGIN_SECONDS):
                await self._broker.stop()
        except (KafkaError, TimeoutError) as error:
            log.warning("broker_not_closed", error=root_cause(error))
        await self._parts.cancel(STOP_MARGIN_SECONDS)
        await self._relaying.wait(STOP_MARGIN_SECONDS)
        await self._publisher.stop()

    def readiness(self) -> dict[str, bool]:
        """Return what is in order, by part.

        `broker`, `parts` (none has ended), `topics`, `relay`, `table <topic>`, `assignment <group>`,
        `work` (no batch is tried again and again), `guard`.
        """
        return {
            "broker": self.cluster.reachable,
            "parts": self._parts.alive and self._relaying.alive,
            "topics": self._topics.made.is_set(),
            "relay": self.relay.connected,
            **{f"table {table.topic}": table.ready.is_set() for table in self.tables},
            **{f"assignment {each.subscription.group}": each.assigned for each in self.consumers},
            "work": not any(consumer.hindered for consumer in self.consumers),
            "guard": not any(consumer.held for consumer in self.consumers),
        }

    async def _come_up(self) -> None:
        await self._topics.made.wait()
        self._relaying.start("relay", self.relay.run())
        foreign = {name for consumer in self.consumers for name in consumer.subscription.topics}
        if foreign:
            await until_done(
                "wait for topics",
                lambda: wait_for_topics(self._bootstrap_servers, foreign, self._client_options),
            )
        for table in self.tables:
            await table.ready.wait()
        if self._before_consuming is not None:
            await self._before_consuming()
        if self.consumers:
            await until_done("start consumers", self._start_broker)
            self._parts.start("consumers", self._watch_consumers())
            self._parts.start("replay", self._replayer.run())
        self._consuming.set()
        log.info("bus_ready", service=self.service)

    async def _keep_topics(self) -> None:
        await self.cluster.wait_known()
        await self._topics.keep()

    async def _clear(self) -> None:
        await clear_daily(self._units_of_work.parts.clearing, self._units_of_work.sessions, self.service)

    async def _watch_consumers(self) -> None:
        """End, as a fault, when a consumer has stopped reading though nobody stopped it."""
        while not any(consumer.lost for consumer in self.consumers):  # noqa: ASYNC110 -- their library tells nobody
            await asyncio.sleep(WATCH_SECONDS)

    async def _start_broker(self) -> None:
        try:
            await start_client(self._broker)
        except BaseException:
            await self._broker.stop()  # half-started subscribers would be started a second time
            raise

    async def _on_cluster_change(self, _: str) -> None:
        """Read the tables anew and make the topics, neither waiting for the other."""
        self._topics.made.clear()
        for table in self.tables:
            table.reset()
        await self._publisher.renew()  # what it has in hand must not reach the new topics before what they lack
        self._topics.begin_again()


def _faststream_log() -> logging.Logger:
    """Return a log of our own: FastStream's has a handler of its own, and warns of topics that are not its business."""
    faststream = logging.getLogger("shared.bus.faststream")
    faststream.filters[:] = [lambda record: not record.getMessage().startswith("Topic creation is skipped")]
    return faststream
