"""Validate on a real database, without a broker: records are handed to the processor, the outbox is read."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID, uuid4

import orjson
from aiokafka import ConsumerRecord
from sqlalchemy import Table, func, select
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker

from services.validate.handlers import handlers
from services.validate.settings import ValidateSettings
from services.validate.state import ValidateState
from services.validate.storage.tables import SERVICE, bus
from shared.access import AccessTable
from shared.bus.cloudevents import encode
from shared.bus.partitions import slot_of
from shared.bus.parts import Parts
from shared.bus.processor import Processor
from shared.bus.records import Record
from shared.bus.topics import SUBMISSIONS
from shared.bus.unit_of_work import UnitOfWorkFactory
from shared.bus.wakeup import RelayWakeup
from shared.catalogue.reader import CatalogueReader
from shared.catalogue.snapshot import Snapshot
from shared.events.base import Event, EventData
from shared.events.catalogue import ReleaseV1
from shared.events.cells import CellValue
from shared.events.submissions import Channel, Explanation, SubmissionExplainedV1, SubmissionReceivedV1
from tests.builders.rule_forms import a_delivery

DataT = TypeVar("DataT", bound=EventData)
PACKAGE = UUID(int=7)
NOW = datetime(2024, 6, 12, 3, tzinfo=UTC)
INGEST = "urn:lienthong:ingest"


class SetClock:
    """Shows one instant, of both times."""

    def machine_now(self) -> datetime:
        return NOW

    def business_at(self, machine: datetime) -> datetime:
        return machine

    def now(self) -> datetime:
        return NOW


@dataclass
class World:
    """`parts` and `reader` are the real ones unless a test leaves one out."""

    engine: AsyncEngine
    parts: Parts = field(default_factory=lambda: Parts.of(SERVICE, bus))
    reader: CatalogueReader = field(default_factory=CatalogueReader)
    settings: ValidateSettings = field(default_factory=lambda: ValidateSettings(release_wait_seconds_max=0.2))

    def __post_init__(self) -> None:
        clock = SetClock()
        self.sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        self.state = ValidateState(self.reader, AccessTable(clock), self.settings, clock)
        self.units_of_work = UnitOfWorkFactory(
            sessions=self.sessions,
            service=SERVICE,
            clock=clock,
            context=lambda: self.state,
            parts=self.parts,
            wakeup=RelayWakeup(),
        )
        self.processor = Processor(handlers, self.units_of_work, group="validate.events", cluster_id=lambda: "cluster")

    async def release(self, snapshot: Snapshot) -> None:
        """Let the catalogue's topic bring a release."""
        for record in catalogue_records(snapshot):
            await self.reader.apply(record)

    async def take(self, *data: EventData, again: bool = False) -> list[Record]:
        """Take events in as one batch, with `again` a second time in a batch of its own; return their records."""
        records = [a_record(each, offset) for offset, each in enumerate(data)]
        await self.processor.process(records)
        if again:
            await self.processor.process(records)
        return records

    async def published(self, data_type: type[DataT]) -> list[DataT]:
        """Return what is in the outbox of one type, in order."""
        return [data_type.model_validate(orjson.loads(value)) for _, value in await self._rows(data_type)]

    async def headers(self, data_type: type[EventData]) -> list[dict[str, str]]:
        """Return the attributes of what is in the outbox of one type, in order."""
        return [headers for headers, _ in await self._rows(data_type)]

    async def count(self, table: Table) -> int:
        async with self.sessions() as session:
            return await session.scalar(select(func.count()).select_from(table)) or 0

    async def _rows(self, data_type: type[EventData]) -> list[tuple[Any, Any]]:
        async with self.sessions() as session:
            rows = await session.execute(
                select(bus.outbox.c.headers, bus.outbox.c.value)
                .where(bus.outbox.c.headers["ce_type"].astext == data_type.ce_type)
                .order_by(bus.outbox.c.id)
            )
        return [(headers, value) for headers, value in rows]


def received(
    cells: Iterable[CellValue],
    period: str = "2024-06",
    *,
    status: str = "estimate",
    version: int = 1,
    release: int = 1,
    explained: Iterable[str] = (),
) -> SubmissionReceivedV1:
    return SubmissionReceivedV1(
        delivery_id=a_delivery(period, status),
        package_id=PACKAGE,
        version=version,
        received_at=NOW,
        release=release,
        channel=Channel.HTTP_JSON,
        cells=tuple(cells),
        explanations=tuple(Explanation(rule=rule, text="vì…") for rule in explained),
    )


def explained(*rules: str, period: str = "2024-06", version: int = 1) -> SubmissionExplainedV1:
    return SubmissionExplainedV1(
        delivery_id=a_delivery(period),
        package_id=PACKAGE,
        version=version,
        explained_at=NOW,
        explanations=tuple(Explanation(rule=rule, text="vì…") for rule in rules),
    )


def an_event(data: EventData, event_id: str | None = None) -> Event[EventData]:
    """Return the event as ingest publishes it; the id is random unless said."""
    delivery = getattr(data, "delivery_id", None)
    return Event(
        id=event_id or str(uuid4()),
        source=INGEST,
        type=data.ce_type,
        time=NOW,
        data=data,
        unit=delivery.unit if delivery else "",
        subject=str(delivery) if delivery else None,
        correlation_id=str(PACKAGE),
    )


def a_record(data: EventData, offset: int = 0, topic: str = SUBMISSIONS.name) -> Record:
    event = an_event(data)
    message = encode(event)
    return ConsumerRecord(
        topic=topic,
        partition=slot_of(event.unit),
        offset=offset,
        timestamp=int(NOW.timestamp() * 1000),
        timestamp_type=0,
        key=message.key,
        value=message.value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=message.headers,
    )


def catalogue_data(snapshot: Snapshot) -> list[EventData]:
    """Return a release as the catalogue publishes it: entities, then the marker."""
    entities: list[EventData] = [snapshot.calendar]
    for kind in (snapshot.code_lists, snapshot.indicators, snapshot.forms, snapshot.rules, snapshot.obligations):
        entities += list(kind.values())
    return [*entities, ReleaseV1(release=snapshot.release, published_at=NOW, entity_count=len(entities))]


def catalogue_records(snapshot: Snapshot) -> list[Record]:
    return [a_record(each, topic="catalogue") for each in catalogue_data(snapshot)]
