"""Sets a consumer group that nobody is in back to where a restored database stands.

Going back too far costs time alone: the inbox drops what was taken in before the copy. Not going back far enough would
lose events, so it goes back to the first event that the inbox does not know, wherever the group stood then.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from shared.bus.clients import ClientOptions, admin_client, start_client
from shared.bus.cloudevents import readable
from shared.bus.inbox import Identity
from shared.bus.past import offsets_at
from shared.bus.records import Record
from shared.bus.topics import TopicTable

FURTHER_BACK = (timedelta(0), timedelta(hours=1), timedelta(hours=36))
"""How far before the copy a known event is looked for; the next step is the beginning."""
LEAVE_SECONDS_MAX = 15.0
"""A member that was killed counts for another 6 s, the session's length."""
POLL_SECONDS = 0.5
PROBE_MS = 500
FETCH_WAIT_MS = 10
"""A fetch that nothing answers holds up the next one, of another partition: it must not take long."""

_MEMBERS = 5
"""Where Kafka's description of a group lists its members."""

Known = Callable[[Sequence[Identity]], Awaitable[set[Identity]]]
"""Returns which of these events the restored inbox has."""


@dataclass(frozen=True, slots=True)
class Copied:
    """When the copy was taken, as far as is known (machine time), and from when on to look at what came after it.

    Kafka's times are those of other machines, and a commit is published a moment later: hence a margin.
    """

    at: datetime
    margin: timedelta = timedelta(minutes=10)

    @property
    def since(self) -> datetime:
        """Everything that was published before this is in the copy."""
        return self.at - self.margin


class GroupInUseError(Exception):
    """The groups have members: the service runs. Its arguments are their names."""


async def wait_for_empty_groups(
    bootstrap_servers: str,
    groups: Collection[str],
    seconds_max: float = LEAVE_SECONDS_MAX,
    client_options: ClientOptions | None = None,
) -> None:
    """Return when nobody is in these groups; raises GroupInUseError after `seconds_max`, and KafkaError."""
    deadline = time.monotonic() + seconds_max
    async with admin_client(bootstrap_servers, client_options) as admin:
        while True:
            used = [group for group in sorted(groups) if await _member_count(admin, group)]
            if not used:
                return
            if time.monotonic() > deadline:
                raise GroupInUseError(*used)
            await asyncio.sleep(POLL_SECONDS)


async def rewind(
    bootstrap_servers: str,
    group: str,
    partitions: Collection[TopicPartition],
    copied: Copied | None,
    *,
    known: Known,
    topics: TopicTable,
    positions: Mapping[TopicPartition, int] | None = None,
    client_options: ClientOptions | None = None,
) -> dict[TopicPartition, int]:
    """Set a group back on these partitions and return its new offsets, without those that need not move.

    `positions` are offsets that the database itself knows; elsewhere the start is looked for around the copy, and
    without one (`copied` None) it is the beginning. A group is never moved forward. Raises KafkaError, also when
    somebody has joined the group meanwhile.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=FETCH_WAIT_MS,
        **(client_options or {}),
    )
    moved: dict[TopicPartition, int] = {}
    try:
        await start_client(consumer)
        consumer.assign(list(partitions))
        begins = await consumer.beginning_offsets(list(partitions)) if partitions else {}
        for partition in sorted(partitions):
            committed = await consumer.committed(partition)
            if committed is None:
                continue  # it begins at the beginning by itself
            start = (positions or {}).get(partition)
            if start is None:
                start = None if copied is None else await _start(consumer, partition, copied, known, topics)
            start = max(begins[partition], start or 0)
            if start < committed:
                moved[partition] = start
        if moved:
            await consumer.commit(moved)
    finally:
        await consumer.stop()
    return moved


async def _start(
    consumer: AIOKafkaConsumer, partition: TopicPartition, copied: Copied, known: Known, topics: TopicTable
) -> int | None:
    """Return an offset before which the inbox has everything; None when only the beginning is sure to be one."""
    start = (await offsets_at(consumer, [partition], copied.since))[partition]
    events: list[tuple[Identity, int]] = []
    for further in FURTHER_BACK:
        events = await _events(consumer, partition, copied.since - further, copied.at, topics)
        there = await known([identity for identity, _ in events])
        if events and events[0][0] in there:
            return min([start, *(offset for identity, offset in events if identity not in there)])
    # Silence for a day and a half, but for what no inbox remembers: a group that lagged so long would have been seen.
    return None if events else start


async def _events(
    consumer: AIOKafkaConsumer, partition: TopicPartition, since: datetime, until: datetime, topics: TopicTable
) -> list[tuple[Identity, int]]:
    """Return the events of a partition that an inbox remembers, each with its offset; instants are machine time."""
    start = (await offsets_at(consumer, [partition], since))[partition]
    end = (await offsets_at(consumer, [partition], until))[partition]
    found: list[tuple[Identity, int]] = []
    consumer.seek(partition, start)
    while await consumer.position(partition) < end:
        records = (await consumer.getmany(partition, timeout_ms=PROBE_MS)).get(partition, [])
        told = ((_remembered(record, topics), record.offset) for record in records if record.offset < end)
        found += [(identity, offset) for identity, offset in told if identity is not None]
    return found


def _remembered(record: Record, topics: TopicTable) -> Identity | None:
    event_id, source, ce_type = readable(record.headers, "id", "source", "type")
    if event_id is None or source is None or ce_type is None or topics.is_transient(ce_type):
        return None
    return Identity(source, event_id)


async def _member_count(admin: AIOKafkaAdminClient, group: str) -> int:
    responses: Any = await admin.describe_consumer_groups([group])
    return sum(len(described[_MEMBERS]) for response in responses for described in response.groups)
