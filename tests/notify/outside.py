"""The other services as notify sees them: what they publish, on a real broker."""

from datetime import UTC, datetime, time, timedelta
from uuid import UUID, uuid4

from aiokafka import AIOKafkaProducer

from shared.access import token_digest
from shared.bus.cloudevents import encode
from shared.bus.partitions import slot_of
from shared.bus.topic_admin import ensure_topics
from shared.bus.topics import TOPICS
from shared.catalogue.snapshot import Snapshot
from shared.delivery_id import DeliveryId
from shared.events.base import Event, EventData
from shared.events.catalogue import AccessV1, ContactV1, ReleaseV1, ReminderStep
from shared.events.cells import CellKey, Place
from shared.events.deadlines import DeadlineOpenedV1, DeadlinePassedV1
from shared.events.findings import Finding, Severity, Verdict
from shared.events.submissions import Channel, SubmissionReceivedV1, WatermarkV1
from shared.events.validation_results import ValidationCompletedV1
from shared.text import Text


class MovingClock:
    """Business time that a test moves on; machine time is real."""

    def __init__(self, start: datetime) -> None:
        self._offset = start - datetime.now(UTC)

    def machine_now(self) -> datetime:
        return datetime.now(UTC)

    def business_at(self, machine: datetime) -> datetime:
        return machine + self._offset

    def now(self) -> datetime:
        return self.business_at(self.machine_now())

    def move_to(self, business: datetime) -> None:
        self._offset = business - self.machine_now()


class Others:
    """Publishes as catalogue, ingest and validate do; an event of no unit goes under its entity's key."""

    def __init__(self, bootstrap_servers: str, clock: MovingClock) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._clock = clock
        self._producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers)

    async def start(self) -> None:
        await ensure_topics(self._bootstrap_servers, [topic for topic in TOPICS.rows if not topic.is_template])
        await self._producer.start()

    async def stop(self) -> None:
        await self._producer.stop()

    async def publish(self, data: EventData, *, unit: str = "", key: str | None = None) -> Event[EventData]:
        event = Event(
            id=str(uuid4()),
            source="urn:lienthong:others",
            type=data.ce_type,
            time=self._clock.now(),
            data=data,
            unit=unit,
        )
        await self.publish_again(event, key)
        return event

    async def publish_again(self, event: Event[EventData], key: str | None = None) -> None:
        topic = TOPICS.topic_of(TOPICS.topic_for(type(event.data), event.unit))
        message = encode(event, key)
        await self._producer.send_and_wait(
            topic.name,
            message.value,
            key=message.key,
            headers=list(message.headers),
            partition=topic.partition_of(event.unit),
        )

    async def catalogue(self, snapshot: Snapshot, *reminders: tuple[int, time]) -> None:
        """Publish a release with this policy of reminders."""
        kinds = (
            snapshot.units,
            snapshot.code_lists,
            snapshot.indicators,
            snapshot.forms,
            snapshot.rules,
            snapshot.obligations,
        )
        entities: dict[str, EventData] = {key: entity for kind in kinds for key, entity in kind.items()}
        for key, entity in entities.items():
            await self.publish(entity, key=key)
        steps = tuple(ReminderStep(days_before=days, at=at) for days, at in reminders)
        await self.publish(snapshot.calendar.model_copy(update={"reminders": steps}), key="calendar")
        marker = ReleaseV1(release=snapshot.release, published_at=self._clock.now(), entity_count=len(entities) + 1)
        await self.publish(marker, key="release")

    async def contact(self, contact: ContactV1) -> None:
        await self.publish(contact, key=contact.id)

    async def token(self, token: str, *scopes: str) -> None:
        await self.publish(AccessV1(scopes=scopes, subject=token), key=token_digest(token))

    async def opened(self, delivery: DeliveryId, due_at: datetime | None) -> Event[EventData]:
        data = DeadlineOpenedV1(delivery_id=delivery, deadline_version=1, due_at=due_at, due_rule="P+0:D18", release=1)
        return await self.publish(data, unit=delivery.unit)

    async def passed(self, delivery: DeliveryId, due_at: datetime) -> Event[EventData]:
        data = DeadlinePassedV1(delivery_id=delivery, deadline_version=1, due_at=due_at, state="open")
        return await self.publish(data, unit=delivery.unit)

    async def received(self, delivery: DeliveryId, version: int = 1) -> Event[EventData]:
        data = SubmissionReceivedV1(
            delivery_id=delivery,
            package_id=uuid4(),
            version=version,
            received_at=self._clock.now(),
            release=1,
            channel=Channel.HTTP_JSON,
            cells=(),
        )
        return await self.publish(data, unit=delivery.unit)

    async def watermark(self, unit: str) -> None:
        """All doors have published what came until a moment ago, on the unit's partition."""
        event = Event(
            id=str(uuid4()),
            source="urn:lienthong:ingest",
            type=WatermarkV1.ce_type,
            time=self._clock.now(),
            data=WatermarkV1(at=self._clock.now() - timedelta(seconds=1), after=None),
        )
        message = encode(event, "")
        await self._producer.send_and_wait(
            "submissions", message.value, key=b"", headers=list(message.headers), partition=slot_of(unit)
        )

    async def returned(
        self, delivery: DeliveryId, package: UUID, *, version: int = 1, error_count: int = 1
    ) -> Event[EventData]:
        data = ValidationCompletedV1(
            delivery_id=delivery,
            package_id=package,
            version=version,
            judgement=1,
            received_at=self._clock.now(),
            judged_at=self._clock.now(),
            release=1,
            verdict=Verdict.RETURNED,
            error_count=error_count,
            warning_count=0,
            findings=(a_finding(),),
        )
        return await self.publish(data, unit=delivery.unit)


def a_finding() -> Finding:
    return Finding(
        rule="R1",
        severity=Severity.ERROR,
        message=Text(vi="Tổng không bằng các phần", en="The total is not the sum of its parts"),
        mend=Text(vi="Sửa dòng tổng hoặc các dòng phần.", en="Mend the total or its parts."),
        cell=CellKey(indicator="I1", dimensions=(("GEO", "568"),), column="cumulative"),
        place=Place(sheet="Biểu", address="D9"),
        expected="1234.5",
        observed="1000",
    )
