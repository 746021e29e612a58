"""What the broker has forgotten: outbox rows that are marked as sent and are in no log any more. See the design.

They lose their mark, so that the relay finds them among its unsent rows: in order, with their first ids, before the
newer rows of their lane. The readers' inboxes drop what they had. Killed half-way, it is begun again.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from sqlalchemy import BigInteger, Integer, Table, Text, and_, bindparam, func, null, select, true, tuple_, update

from shared.bus import metrics
from shared.bus.clients import REQUEST_TIMEOUT_MS, ClientOptions, admin_client, start_client
from shared.bus.cluster import ClusterWatch
from shared.bus.errors import WrongTopicError
from shared.bus.lock_session import LockSession
from shared.bus.topics import TopicTable
from shared.bus.unsent import PAGE_ROWS_MAX, Lane
from shared.failpoints import reach

ROWS_AT_ONCE = 2_000
OVERLAP = PAGE_ROWS_MAX
"""So many offsets before the end of a shortened log are published again, too: that may be what a batch has written
over them that was in flight when the process died, and that nobody has noted."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SentLane:
    """What a slot has sent to one partition of one cluster, as far as it is still known."""

    cluster_id: str
    lane: Lane
    last_offset: int


@dataclass(frozen=True, slots=True)
class Loss:
    """Rows of a lane, from an offset on, that their cluster has no more. `shortened`: the cluster itself is there."""

    cluster_id: str
    lane: Lane
    from_offset: int
    shortened: bool


MakeTopics = Callable[[Collection[str]], Awaitable[None]]
"""Makes topics by name as the table has them."""


class SentRows(Protocol):
    """The rows that are marked as sent, through the session that holds the slot's lock."""

    async def lanes(self, session: LockSession, slot: int) -> list[SentLane]:
        """Return where rows of a slot were sent, a few index probes each."""
        ...

    async def take_back(self, session: LockSession, slot: int, loss: Loss) -> int:
        """Make rows unsent again and return how many; lowest offsets first, so that the rest is found after a kill."""
        ...


class PostgresSentRows:
    """The sent rows of one service's outbox."""

    def __init__(self, table: Table) -> None:
        mine = and_(table.c.slot == bindparam("of_slot", type_=Integer), table.c.sent_at.is_not(None))
        place = (table.c.cluster_id, table.c.topic, table.c.partition)
        # From one lane to the next by the index: there are few lanes and very many rows.
        first = select(*place).where(mine).order_by(*place).limit(1).subquery()
        found = select(*first.c).cte("lane", recursive=True)
        following = (
            select(*place)
            .where(mine, tuple_(*place) > tuple_(found.c.cluster_id, found.c.topic, found.c.partition))
            .order_by(*place)
            .limit(1)
            .lateral()
        )
        lane = found.union_all(select(*following.c).select_from(found.join(following, true())))
        last = (
            select(func.max(table.c.sent_offset))
            .where(
                mine,
                table.c.cluster_id == lane.c.cluster_id,
                table.c.topic == lane.c.topic,
                table.c.partition == lane.c.partition,
            )
            .scalar_subquery()
        )
        self.lanes_statement = select(lane.c.cluster_id, lane.c.topic, lane.c.partition, last.label("last_offset"))
        lost = (
            select(table.c.id)
            .where(
                mine,
                table.c.cluster_id == bindparam("cluster", type_=Text),
                table.c.topic == bindparam("lost_topic", type_=Text),
                table.c.partition == bindparam("lost_partition", type_=Integer),
                table.c.sent_offset >= bindparam("from_offset", type_=BigInteger),
            )
            .order_by(table.c.sent_offset)
            .limit(ROWS_AT_ONCE)
        )
        self.take_back_statement = (
            update(table)
            .where(table.c.id.in_(lost.scalar_subquery()))
            .values(sent_at=null(), cluster_id=null(), sent_offset=null())
            .returning(table.c.id)
        )

    async def lanes(self, session: LockSession, slot: int) -> list[SentLane]:
        """Return where rows of a slot were sent, a few index probes each."""
        rows = await session.execute(self.lanes_statement, {"of_slot": slot})
        return [SentLane(row.cluster_id, (row.topic, row.partition), row.last_offset) for row in rows]

    async def take_back(self, session: LockSession, slot: int, loss: Loss) -> int:
        """Make rows unsent again, some at once, until all are."""
        topic, partition = loss.lane
        values = {
            "of_slot": slot,
            "cluster": loss.cluster_id,
            "lost_topic": topic,
            "lost_partition": partition,
            "from_offset": loss.from_offset,
        }
        count = 0
        while taken := len(await session.execute(self.take_back_statement, values)):
            count += taken
            if taken < ROWS_AT_ONCE:
                break
        return count


class OtherClusterError(KafkaError):
    """Another cluster answers than the one that was known: to be noticed first."""


class LogEnds:
    """Asks the broker where logs end, each time with clients of its own: old ones may know of an old broker."""

    def __init__(self, bootstrap_servers: str, client_options: ClientOptions | None = None) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._client_options = dict(client_options or {})

    async def of(self, cluster_id: str, lanes: Collection[Lane]) -> dict[Lane, int]:
        """Return the end of each lane that this cluster has.

        Raises OtherClusterError when another one answers, KafkaError when none does.
        """
        async with admin_client(self._bootstrap_servers, self._client_options) as admin:
            if (found := str((await admin.describe_cluster())["cluster_id"])) != cluster_id:
                raise OtherClusterError(f"cluster {found} answers, {cluster_id} did")
            if not lanes:
                return {}
            there = {
                (topic["topic"], part["partition"])
                for topic in await admin.describe_topics(sorted({topic for topic, _ in lanes}))
                if topic["error_code"] == 0
                for part in topic["partitions"]
                if part["error_code"] == 0
            }
        wanted = [TopicPartition(*lane) for lane in sorted(there & set(lanes))]
        if not wanted:
            return {}
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap_servers,
            group_id=None,
            enable_auto_commit=False,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            **self._client_options,
        )
        try:
            await start_client(consumer)
            ends = await consumer.end_offsets(wanted)
        finally:
            await consumer.stop()
        return {(each.topic, each.partition): end for each, end in ends.items()}


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at a slot found: losses, and the highest offset in each lane that is there."""

    losses: Sequence[Loss]
    last_offsets: Mapping[Lane, int]

    @property
    def shortened(self) -> bool:
        """Whether a log is shorter than it was, so that readers may stand beyond its end."""
        return any(loss.shortened for loss in self.losses)


class Sweep:
    """Finds what the broker has forgotten of a slot, and takes it back."""

    def __init__(
        self,
        rows: SentRows,
        ends: LogEnds,
        *,
        cluster: ClusterWatch,
        topics: TopicTable,
        service: str,
        make_topics: MakeTopics,
    ) -> None:
        self._rows = rows
        self._ends = ends
        self._cluster = cluster
        self._topics = topics
        self._service = service
        self._make_topics = make_topics

    async def look(self, session: LockSession, slot: int, written_over: Mapping[Lane, int] | None = None) -> Found:
        """Compare a slot's sent rows with the logs; `written_over`: offsets that new rows got though others had them.

        Raises KafkaError while the broker is away.
        """
        cluster_id = self._cluster.cluster_id
        lanes = [each for each in await self._rows.lanes(session, slot) if self._is_ours(each, cluster_id)]
        ends = await self._ends.of(cluster_id, {each.lane for each in lanes if each.cluster_id == cluster_id})
        return compare(lanes, ends, cluster_id, written_over or {})

    async def take_back(self, session: LockSession, slot: int, losses: Sequence[Loss]) -> None:
        """Make lost rows unsent, and the topics that a new cluster lacks; raises KafkaError."""
        await self._make_topics({loss.lane[0] for loss in losses if not loss.shortened})
        for loss in losses:
            count = await self._rows.take_back(session, slot, loss)
            metrics.RELAY_FORGOTTEN.labels(self._service).inc(count)
            log.warning(
                "forgotten_rows",
                slot=slot,
                topic=loss.lane[0],
                partition=loss.lane[1],
                cluster=loss.cluster_id,
                from_offset=loss.from_offset,
                count=count,
            )
            await reach("relay.sweep")

    def _is_ours(self, sent: SentLane, cluster_id: str) -> bool:
        """Whether rows of a lane are published again one by one; another cluster gets a topic kept whole as a whole."""
        try:
            topic = self._topics.topic_of(sent.lane[0])
        except WrongTopicError:  # of an earlier version
            return False
        return sent.cluster_id == cluster_id or topic.retention_ms is not None


def compare(
    lanes: Sequence[SentLane], ends: Mapping[Lane, int], cluster_id: str, written_over: Mapping[Lane, int]
) -> Found:
    """Tell what is lost. A topic that is not there is none: whoever deleted it knows why, and it may come again."""
    losses = []
    last_offsets = {sent.lane: sent.last_offset for sent in lanes if sent.cluster_id == cluster_id}
    last_offsets |= {lane: end - 1 for lane, end in ends.items()}
    for sent in lanes:
        if sent.cluster_id != cluster_id:
            losses.append(Loss(sent.cluster_id, sent.lane, 0, shortened=False))
            continue
        end = min(ends.get(sent.lane, sent.last_offset + 1), written_over.get(sent.lane, sent.last_offset + 1))
        if sent.last_offset >= end:
            losses.append(Loss(cluster_id, sent.lane, max(0, end - OVERLAP), shortened=True))
    return Found(losses, last_offsets)
