"""The catalogue on a real database, without a broker: events are handed to the handlers, the outbox is read."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import orjson
from aiokafka import ConsumerRecord
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from services.catalogue.domain.entities import Catalogue
from services.catalogue.handlers import handlers
from services.catalogue.jobs import Jobs
from services.catalogue.releases import release
from services.catalogue.settings import CatalogueSettings
from services.catalogue.state import CatalogueState
from services.catalogue.storage.tables import SERVICE, bus
from shared.access import AccessTable
from shared.bus.partitions import UNITLESS
from shared.bus.parts import Parts
from shared.bus.topics import TOPICS
from shared.bus.unit_of_work import UnitOfWorkFactory
from shared.delivery_id import DeliveryId
from shared.events.base import Event, EventData
from shared.events.catalogue import ReleaseV1
from shared.events.deadlines import DeadlineEvent
from shared.events.findings import Verdict
from shared.events.submissions import Channel, SubmissionExplainedV1, SubmissionReceivedV1, WatermarkV1
from shared.events.validation_results import (
    ReassessmentReason,
    ValidationCompletedV1,
    ValidationReassessedV1,
)

DataT = TypeVar("DataT", bound=EventData)
PACKAGE = UUID(int=7)


@dataclass
class SetClock:
    """Shows what the test says; machine time is the same here."""

    at: datetime

    def machine_now(self) -> datetime:
        return self.at

    def business_at(self, machine: datetime) -> datetime:
        return machine

    def now(self) -> datetime:
        return self.at


@dataclass
class World:
    """`parts` are the real ones unless a test leaves one out."""

    engine: AsyncEngine
    clock: SetClock
    parts: Parts | None = None
    settings: CatalogueSettings = field(default_factory=CatalogueSettings)

    def __post_init__(self) -> None:
        self.state = CatalogueState(AccessTable(self.clock))
        self.units_of_work = UnitOfWorkFactory.of(
            self.engine, service=SERVICE, tables=bus, clock=self.clock, context=lambda: self.state, parts=self.parts
        )
        self.jobs = Jobs(self.units_of_work, self.state, self.settings)

    async def load(self, catalogue: Catalogue) -> ReleaseV1 | None:
        async with self.units_of_work.begin([UNITLESS]) as work:
            marker, _ = await release(work, catalogue)
        return marker

    async def load_and_open(self, catalogue: Catalogue) -> None:
        await self.load(catalogue)
        await self.jobs.tick()

    async def feed(self, *data: EventData) -> None:
        """Hand events to their handlers, each in a transaction of its own, with the locks that the consumer takes."""
        for each in data:
            delivery = getattr(each, "delivery_id", None)
            unit = delivery.unit if delivery is not None else UNITLESS
            event: Event[Any] = Event(
                id=str(uuid4()),
                source="urn:lienthong:test",
                type=each.ce_type,
                time=self.clock.now(),
                data=each,
                unit=unit,
                correlation_id=str(PACKAGE),
            )
            async with self.units_of_work.begin([unit] if unit else []) as work:
                if isinstance(each, WatermarkV1):
                    for slot in range(12):
                        work.attach(event, a_record(slot))
                        await handlers.handler_of(each.ce_type)([event], work)
                else:
                    await handlers.handler_of(each.ce_type)([event], work)

    async def watermark(self, at: datetime) -> None:
        """All doors have published up to an instant; then the sweeper looks."""
        await self.feed(WatermarkV1(at=at, after=None))
        await self.jobs.sweep()

    async def published(self, data_type: type[DataT]) -> list[DataT]:
        """Return what is in the outbox of one type, in order."""
        async with self.units_of_work.sessions() as session:
            rows = await session.execute(
                select(bus.outbox.c.value)
                .where(bus.outbox.c.headers["ce_type"].astext == data_type.ce_type)
                .order_by(bus.outbox.c.id)
            )
        return [data_type.model_validate(orjson.loads(value)) for value in rows.scalars()]

    async def told(self, delivery: DeliveryId) -> list[str]:
        """Return the deadline events of a delivery as `met 1` (type and deadline version), in order."""
        async with self.units_of_work.sessions() as session:
            rows = await session.execute(select(bus.outbox.c.value, bus.outbox.c.headers).order_by(bus.outbox.c.id))
        kinds = {data_type.ce_type: data_type for data_type in TOPICS.topic_of("deadlines").types}
        told = []
        for value, headers in rows:
            if headers["ce_type"] in kinds and headers["ce_subject"] == str(delivery):
                data = kinds[headers["ce_type"]].model_validate(orjson.loads(value))
                assert isinstance(data, DeadlineEvent)
                told.append(f"{headers['ce_type'].split('.')[3]} {data.deadline_version}")
        return told


def a_record(partition: int) -> "ConsumerRecord[bytes, bytes]":
    return ConsumerRecord(
        topic="submissions",
        partition=partition,
        offset=0,
        timestamp=0,
        timestamp_type=0,
        key=b"",
        value=b"",
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=(),
    )


def received(delivery: DeliveryId, version: int, at: datetime) -> SubmissionReceivedV1:
    return SubmissionReceivedV1(
        delivery_id=delivery,
        package_id=PACKAGE,
        version=version,
        received_at=at,
        release=1,
        channel=Channel.HTTP_JSON,
        cells=(),
    )


def explained(delivery: DeliveryId, version: int, at: datetime) -> SubmissionExplainedV1:
    return SubmissionExplainedV1.model_validate(
        {
            "delivery_id": delivery,
            "package_id": PACKAGE,
            "version": version,
            "explained_at": at,
            "explanations": [{"rule": "R1", "text": "vì"}],
        }
    )


def judged(
    delivery: DeliveryId, version: int, verdict: Verdict, at: datetime, judgement: int = 1
) -> ValidationCompletedV1 | ValidationReassessedV1:
    common: dict[str, Any] = {
        "delivery_id": delivery,
        "package_id": PACKAGE,
        "version": version,
        "judgement": judgement,
        "received_at": at,
        "judged_at": at + timedelta(seconds=1),
        "release": 1,
        "verdict": verdict,
        "error_count": 0,
        "warning_count": 0,
        "findings": (),
    }
    if judgement == 1:
        return ValidationCompletedV1(**common)
    return ValidationReassessedV1(**common, reason=ReassessmentReason.EXPLAINED)
