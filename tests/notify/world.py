"""Notify on a real database and mail server, without a broker: records go through the consumer's processor."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from itertools import count
from typing import Any, TypeVar
from uuid import UUID, uuid4

import orjson
from aiokafka import ConsumerRecord
from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notify.context import Context
from services.notify.domain.recheck import Recheck, recheck
from services.notify.handlers import handlers
from services.notify.jobs import Jobs
from services.notify.mail_health import MailHealth
from services.notify.mail_server import MailServer
from services.notify.sending import Sender
from services.notify.settings import NotifySettings
from services.notify.state import Contacts, NotifyState
from services.notify.storage.tables import SERVICE, bus, mails, notices
from shared.access import AccessTable
from shared.bus.cloudevents import encode
from shared.bus.parts import Parts
from shared.bus.processor import Processor
from shared.bus.topics import TOPICS
from shared.bus.unit_of_work import UnitOfWorkFactory
from shared.catalogue.reader import CatalogueReader
from shared.delivery_id import DeliveryId
from shared.events.base import Event, EventData
from shared.events.catalogue import ContactRole, ContactV1, ReminderStep
from shared.events.submissions import WatermarkV1
from tests.builders.catalogue_files import FORM, OTHER_UNIT, UNIT, a_snapshot

DataT = TypeVar("DataT", bound=EventData)
QUICK = NotifySettings(settle_seconds=0, tick_seconds=0.05, send_poll_seconds=0.05)
_offsets = count()


@dataclass
class TwoClocks:
    """Business time and machine time, each where the test sets it."""

    business: datetime
    machine: datetime

    def machine_now(self) -> datetime:
        return self.machine

    def business_at(self, machine: datetime) -> datetime:
        return machine + (self.business - self.machine)

    def now(self) -> datetime:
        return self.business


def a_contact(**changes: Any) -> ContactV1:
    plain = {
        "id": "A-1",
        "unit": UNIT,
        "name": "Nguyễn Thị A",
        "email": "a@so-a.example",
        "role": ContactRole.RESPONSIBLE,
    }
    return ContactV1.model_validate({**plain, **changes})


OTHER_CONTACT = a_contact(id="B-1", unit=OTHER_UNIT, name="Lê Văn C", email="c@so-b.example")


@dataclass
class World:
    """`parts` and `recheck` are the real ones unless a test leaves one out."""

    engine: AsyncEngine
    clock: TwoClocks
    server: MailServer
    parts: Parts | None = None
    recheck: Recheck = recheck
    settings: NotifySettings = field(default_factory=lambda: QUICK)
    contacts: Sequence[ContactV1] = (a_contact(), OTHER_CONTACT)
    reminders: Sequence[tuple[int, time]] = ((2, time(8)),)
    health: MailHealth = field(default_factory=MailHealth)
    context: Context = field(init=False)

    def __post_init__(self) -> None:
        reader, contacts = CatalogueReader(), Contacts()
        snapshot = a_snapshot()
        steps = tuple(ReminderStep(days_before=days, at=at) for days, at in self.reminders)
        reader.snapshot = replace(snapshot, calendar=snapshot.calendar.model_copy(update={"reminders": steps}))
        for contact in self.contacts:
            contacts.put(contact.id, contact)
        contacts.complete()
        self.context = Context(NotifyState(reader, contacts, AccessTable(self.clock)), self.settings, self.clock)
        self.units_of_work = UnitOfWorkFactory.of(
            self.engine, service=SERVICE, tables=bus, clock=self.clock, context=lambda: self.context, parts=self.parts
        )
        self.jobs = Jobs(self.units_of_work, self.context, self.sender())
        self._processor = Processor(handlers, self.units_of_work, group="notify.events", cluster_id=lambda: "test")

    def sender(self, server: MailServer | None = None) -> Sender:
        return Sender(
            self.units_of_work,
            self.context,
            server or self.server,
            self.recheck,
            ingest_url="http://ingest.example",
            simulated=True,
            health=self.health,
        )

    async def feed(self, *events: Event[Any]) -> None:
        """Hand events to the consumer's processor, all as one batch."""
        await self._processor.process([a_record(event) for event in events])

    async def tell(self, *data: EventData) -> list[Event[Any]]:
        """Feed new events, at the business time that it is now."""
        events = [self.event(each) for each in data]
        await self.feed(*events)
        return events

    def event(self, data: EventData) -> Event[Any]:
        delivery = getattr(data, "delivery_id", None)
        return Event(
            id=str(uuid4()),
            source="urn:lienthong:test",
            type=data.ce_type,
            time=self.clock.now(),
            data=data,
            unit=delivery.unit if isinstance(delivery, DeliveryId) else "",
        )

    async def watermark(self, at: datetime) -> None:
        """All doors have published up to an instant."""
        event = self.event(WatermarkV1(at=at, after=None))
        await self._processor.process([a_record(event, partition) for partition in range(12)])

    async def queue(self) -> None:
        """Plan, tell and queue, as the job does."""
        await self.jobs.tick()

    async def send(self, server: MailServer | None = None) -> None:
        """Send what is due now, as one sender does."""
        await self.sender(server).run(asyncio.Event())

    def pass_machine_time(self, seconds: float) -> None:
        self.clock.machine += timedelta(seconds=seconds)

    async def mails(self) -> list[RowMapping]:
        """Return the queue's rows, oldest first."""
        async with self.units_of_work.sessions() as session:
            return list((await session.execute(select(mails).order_by(mails.c.id))).mappings())

    async def notices(self) -> dict[str, tuple[str, str | None]]:
        """Return (state, reason) of each notice by `contact step delivery`."""
        async with self.units_of_work.sessions() as session:
            rows = (await session.execute(select(notices))).mappings()
        return {
            f"{row['contact_id']} {row['step']} {row['delivery_id']}": (row["state"], row["reason"]) for row in rows
        }

    async def published(self, data_type: type[DataT]) -> list[DataT]:
        """Return what is in the outbox of one type, in order."""
        query = select(bus.outbox.c.value).where(bus.outbox.c.headers["ce_type"].astext == data_type.ce_type)
        async with self.units_of_work.sessions() as session:
            values = (await session.execute(query.order_by(bus.outbox.c.id))).scalars()
        return [data_type.model_validate(orjson.loads(value)) for value in values]


def a_record(event: Event[Any], partition: int | None = None) -> "ConsumerRecord[bytes, bytes]":
    topic = TOPICS.topic_of(TOPICS.topic_for(type(event.data), event.unit))
    message = encode(event)
    return ConsumerRecord(
        topic=topic.name,
        partition=topic.partition_of(event.unit) if partition is None else partition,
        offset=next(_offsets),
        timestamp=0,
        timestamp_type=0,
        key=message.key,
        value=message.value,
        checksum=None,
        serialized_key_size=len(message.key),
        serialized_value_size=len(message.value or b""),
        headers=message.headers,
    )


MONTH = DeliveryId.of(UNIT, FORM, "2024-06", "estimate")
QUARTER = DeliveryId.of(UNIT, FORM, "2024-Q2", "estimate")
OTHER = DeliveryId.of(OTHER_UNIT, FORM, "2024-06", "estimate")
PACKAGE = UUID(int=7)
