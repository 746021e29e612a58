"""The past of the topics without a broker: what a service's outbox held before its database was restored."""

import re
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition
from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.bus.past import Past
from shared.bus.records import Record
from shared.bus.recovery import Adopt, Findings, Reached
from shared.bus.rewind import Copied
from shared.settings import CommonSettings

NOWHERE = "127.0.0.1:9"
CLUSTER = "test-cluster"


class WrittenPast(Past):
    """Knows records instead of reading them; all are from after the copy."""

    def __init__(self, records: Sequence[Record], since: datetime | None = None) -> None:
        super().__init__(NOWHERE, since)
        self.written = list(records)

    async def records(
        self, pattern: str, *, whole: bool = False, starts: Mapping[TopicPartition, int] | None = None
    ) -> AsyncIterator[Record]:
        first = starts or {}
        for each in self.written:
            begin = first.get(TopicPartition(each.topic, each.partition), 0)
            if re.fullmatch(pattern, each.topic) and each.offset >= begin:
                yield each

    async def partitions(self, pattern: str) -> list[TopicPartition]:
        raise NotImplementedError("there is no broker")

    async def cluster_id(self) -> str:
        raise NotImplementedError("there is no broker")


async def read_back(adopt: Adopt, units_of_work: Any, records: Sequence[Record], since: datetime) -> Findings:
    """Let a service's recovery read these records as the past of its topics; `since` is when the copy was taken."""
    findings = Findings()
    async with units_of_work.begin() as work:
        await adopt(work, Reached(CommonSettings(), WrittenPast(records, since), CLUSTER, Copied(since)), findings)
    return findings


async def published(session: AsyncSession, outbox: Table, without: Collection[str] = ()) -> list[Record]:
    """Return an outbox's rows as they would stand on their topics, but for the events of some ids."""
    rows = await session.execute(select(outbox).order_by(outbox.c.id))
    return [a_record(row) for row in rows if row.event_id not in without]


def a_record(row: Any) -> Record:
    """Return one row of an outbox as a record; its offset is its number."""
    value = None if row.value is None else bytes(row.value)
    return ConsumerRecord(
        topic=row.topic,
        partition=row.partition,
        offset=row.id,
        timestamp=int(datetime.now(UTC).timestamp() * 1000),
        timestamp_type=0,
        key=row.key.encode(),
        value=value,
        checksum=None,
        serialized_key_size=len(row.key),
        serialized_value_size=len(value or b""),
        headers=tuple((name, text.encode()) for name, text in row.headers.items()),
    )
