"""The service as it is wired, on a real broker: what it publishes and what it hears."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Self

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from fastapi import FastAPI

from deploy.embedded.kafka import EmbeddedKafka
from services.catalogue.app import build_app
from services.catalogue.domain.delivery import Delivery
from services.catalogue.settings import CatalogueSettings
from services.catalogue.storage.deliveries import load_deliveries
from shared.bus.cloudevents import decode, encode
from shared.bus.partitions import slot_of
from shared.bus.topic_admin import ensure_topics
from shared.bus.topics import CATALOGUE, DEADLINES, SUBMISSIONS, VALIDATION_RESULTS
from shared.catalogue.builder import SnapshotBuilder
from shared.delivery_id import DeliveryId
from shared.events.base import Event, EventData
from shared.events.findings import Verdict
from shared.events.submissions import WatermarkV1
from shared.settings import CommonSettings
from tests.builders.catalogue_files import a_catalogue, a_snapshot
from tests.catalogue.world import World, judged, received
from tests.parts import until

MONTH = DeliveryId.of("SO-A", "001.T/BCS-A", "2024-06", "estimate")
OTHER = DeliveryId.of("SO-B", "001.T/BCS-A", "2024-06", "estimate")
DUE = datetime(2024, 6, 18, 16, 59, 59, tzinfo=UTC)


@pytest.fixture
async def service(world: World, catalogue_url: str, own_kafka: EmbeddedKafka) -> AsyncIterator[FastAPI]:
    """The running service; ingest's and validate's topics are there, as if those had made them."""
    await world.load(a_catalogue())
    await ensure_topics(own_kafka.bootstrap_servers, [SUBMISSIONS, VALIDATION_RESULTS])
    common = CommonSettings(database_url=catalogue_url, bootstrap_servers=own_kafka.bootstrap_servers)
    app = build_app(common, settings=CatalogueSettings(tick_seconds=0.1, sweep_seconds=0.1), clock=world.clock)
    async with app.router.lifespan_context(app):
        yield app


async def send(kafka: EmbeddedKafka, topic: str, unit: str, *data: EventData) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, enable_idempotence=False)
    await producer.start()
    for number, each in enumerate(data):
        event: Event[EventData] = Event(
            id=f"{unit}-{each.ce_type}-{number}",
            source="urn:lienthong:test",
            type=each.ce_type,
            time=DUE,
            data=each,
            unit="" if isinstance(each, WatermarkV1) else unit,
        )
        message = encode(event)
        await producer.send_and_wait(
            topic, message.value, key=message.key, partition=slot_of(unit), headers=list(message.headers)
        )
    await producer.stop()


class Reader:
    """Reads a topic from its beginning as the tests go on."""

    def __init__(self, kafka: EmbeddedKafka, topic: str, types: tuple[type[EventData], ...]) -> None:
        self._consumer = AIOKafkaConsumer(
            topic, bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest", group_id=None
        )
        self._types = {data_type.ce_type: data_type for data_type in types}
        self.events: list[Event[EventData]] = []

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def read(self) -> list[Event[EventData]]:
        for records in (await self._consumer.getmany(timeout_ms=50)).values():
            for record in records:
                event = decode(record, self._types, (record.key or b"").decode())
                assert isinstance(event, Event)
                self.events.append(event)
        return self.events

    async def kinds_of(self, delivery: DeliveryId) -> list[str]:
        return [each.type.split(".")[3] for each in await self.read() if each.subject == str(delivery)]


async def test_the_service_publishes_its_catalogue_and_follows_deliveries(
    world: World, service: FastAPI, own_kafka: EmbeddedKafka
) -> None:
    transport = httpx.ASGITransport(app=service)
    async with httpx.AsyncClient(transport=transport, base_url="http://catalogue") as client:

        async def ready() -> bool:
            return (await client.get("/health/ready")).status_code == 200

        await until(ready, seconds=30)
        assert "lienthong_catalogue_release 1.0" in (await client.get("/metrics")).text
    async with (
        Reader(own_kafka, CATALOGUE.name, CATALOGUE.types) as catalogue,
        Reader(own_kafka, DEADLINES.name, DEADLINES.types) as deadlines,
    ):
        builder = SnapshotBuilder()

        async def complete() -> bool:
            for event in await catalogue.read():
                builder.apply(event.data)
            return builder.snapshot is not None

        await until(complete, seconds=20)
        assert builder.snapshot == a_snapshot()

        async def told(delivery: DeliveryId, *kinds: str) -> bool:
            return await deadlines.kinds_of(delivery) == list(kinds)

        await until(lambda: told(MONTH, "opened"), seconds=20)
        early = DUE - timedelta(days=1)
        await send(own_kafka, VALIDATION_RESULTS.name, "SO-A", judged(MONTH, 1, Verdict.ACCEPTED, early))
        await until(lambda: told(MONTH, "opened", "met"), seconds=20)
        await send(own_kafka, SUBMISSIONS.name, "SO-A", received(MONTH, 1, early))
        past = WatermarkV1(at=DUE + timedelta(seconds=1), after=None)
        for unit in ("SO-A", "SO-B"):
            await send(own_kafka, SUBMISSIONS.name, unit, past)
        await until(lambda: told(OTHER, "opened", "passed"), seconds=20)
        assert await deadlines.kinds_of(MONTH) == ["opened", "met"]


async def test_a_watermark_that_speaks_of_an_event_not_read_is_not_believed(
    world: World, service: FastAPI, own_kafka: EmbeddedKafka
) -> None:
    async with Reader(own_kafka, DEADLINES.name, DEADLINES.types) as deadlines:

        async def opened() -> bool:
            return bool(await deadlines.kinds_of(OTHER))

        await until(opened, seconds=30)
        await send(
            own_kafka, SUBMISSIONS.name, "SO-B", WatermarkV1(at=DUE + timedelta(days=1), after="lost"),
            received(OTHER, 1, DUE + timedelta(days=2)),
        )  # fmt: skip

        async def stored() -> Delivery:
            async with world.units_of_work.sessions() as session:
                return (await load_deliveries(session, [OTHER]))[OTHER]

        async def read() -> bool:
            return bool((await stored()).versions)

        async def swept() -> bool:
            return await deadlines.kinds_of(MONTH) == ["opened", "passed"]

        await until(read, seconds=20)
        # What a believed watermark lets pass shows that a sweep has looked, at the other unit too.
        await send(own_kafka, SUBMISSIONS.name, "SO-A", WatermarkV1(at=DUE + timedelta(days=1), after=None))
        await until(swept, seconds=20)
        assert (await stored()).passed_at is None
        assert await deadlines.kinds_of(OTHER) == ["opened"]


async def test_a_new_release_reaches_the_running_service(
    world: World, service: FastAPI, own_kafka: EmbeddedKafka
) -> None:
    await until(lambda: service.state.context.state.release == 1, seconds=20)
    await world.load(a_catalogue({"live_until": None}))
    await until(lambda: service.state.context.state.release == 2, seconds=20)
