"""The service as it is wired, on a real broker: agencies publish with a foreign client, and read their answers."""

import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from confluent_kafka import Consumer, Producer, TopicPartition
from fastapi import FastAPI

from deploy.embedded.kafka import EmbeddedKafka
from services.catalogue.domain.entities import Catalogue
from services.ingest.app import AGENCY_PATTERN, build_app
from services.ingest.broker_offsets import KafkaOffsets
from services.ingest.settings import IngestSettings
from shared.access import token_digest
from shared.bus.cloudevents import encode
from shared.bus.partitions import slot_of
from shared.bus.topic_admin import ensure_topics
from shared.bus.topics import ACCESS, CATALOGUE, DEADLINES, SUBMISSIONS, VALIDATION_RESULTS
from shared.database import migrate
from shared.delivery_id import DeliveryId
from shared.events.base import Event, EventData
from shared.events.catalogue import AccessV1, CalendarV1, ObligationV1, ReleaseV1
from shared.events.deadlines import DeadlineOpenedV1
from shared.events.findings import Verdict
from shared.events.validation_results import ValidationCompletedV1
from shared.settings import CommonSettings
from tests.builders.catalogue_files import FORM, OTHER_UNIT, UNIT, a_catalogue, a_file
from tests.ingest.domain.packages import MONTH, a_package
from tests.ingest.world import Message, a_message
from tests.parts import Databases, make_folder, remove_folder, until

TYPE = "vn.lienthong."
Headers = list[tuple[str, bytes]]
CRITICAL_LOGS = 2  # syslog's: the client would tell the terminal about a broker that was stopped on purpose
QUICK = IngestSettings(watermark_seconds=0.2, topics_seconds=0.2)
TWO_DOORS = a_file("units").replace("statistics_office,,56,false", "statistics_office,,56,true")
THREE_DOORS = TWO_DOORS.replace("false", "true")
OTHERS = DeliveryId.of(OTHER_UNIT, FORM, "2024-06", "estimate")


@pytest_asyncio.fixture(scope="module")
async def kafka() -> AsyncIterator[EmbeddedKafka]:
    """A broker for this module: topics have their real names, so nobody else's services may be on it."""
    folder = make_folder()
    broker = EmbeddedKafka(folder / "kafka")
    await broker.start()
    yield broker
    await broker.kill()
    remove_folder(folder)


@dataclass(frozen=True)
class Read:
    """One event as a foreign client sees it; `kind` is its type without prefix and version."""

    kind: str
    id: str
    body: dict[str, Any]
    value: bytes


@dataclass
class Office:
    """The services around ingest, played by the test."""

    bootstrap_servers: str

    def publish(self, topic: str, data: EventData, *, key: str, partition: int = 0) -> None:
        event: Event[EventData] = Event(
            id=f"{data.ce_type}/{key}/{time.monotonic_ns()}",
            source="urn:lienthong:test",
            type=data.ce_type,
            time=datetime.now(UTC),
            data=data,
            unit=key,
        )
        message = encode(event, key)
        self._send(topic, message.value, key, list(message.headers), partition)

    def send(self, message: Message) -> None:
        """Publish as an agency does."""
        self._send(f"agency.{message.unit}.submissions", message.value, "", list(message.headers), 0)

    def _send(
        self, topic: str, value: bytes | None, key: str, headers: list[tuple[str, bytes]], partition: int
    ) -> None:
        producer = Producer({"bootstrap.servers": self.bootstrap_servers, "acks": "all"})
        producer.produce(topic, value=value, key=key, headers=list(headers), partition=partition)
        assert producer.flush(10) == 0

    def release(self, catalogue: Catalogue, number: int) -> None:
        entities = catalogue.entities
        for entity in entities.values():
            key = "calendar" if isinstance(entity, CalendarV1) else _key_of(entity)
            self.publish(CATALOGUE.name, entity, key=key)
        marker = ReleaseV1(release=number, published_at=datetime.now(UTC), entity_count=len(entities))
        self.publish(CATALOGUE.name, marker, key="release")

    def open(self, *deliveries: DeliveryId) -> None:
        for delivery in deliveries:
            due_at = datetime(2100, 1, 1, tzinfo=UTC)
            opened = DeadlineOpenedV1(
                delivery_id=delivery, deadline_version=1, due_at=due_at, due_rule="P+0:D18", release=1
            )
            self.publish(DEADLINES.name, opened, key=delivery.unit, partition=slot_of(delivery.unit))

    def judge(self, submission: Mapping[str, Any], verdict: Verdict) -> None:
        judged = ValidationCompletedV1(
            delivery_id=submission["delivery_id"],
            package_id=UUID(submission["package_id"]),
            version=submission["version"],
            judgement=1,
            received_at=submission["received_at"],
            judged_at=datetime.now(UTC),
            release=1,
            verdict=verdict,
            error_count=0,
            warning_count=0,
            findings=(),
        )
        unit = judged.delivery_id.unit
        self.publish(VALIDATION_RESULTS.name, judged, key=unit, partition=slot_of(unit))

    @asynccontextmanager
    async def reader(self, topic: str, partition: int = 0) -> AsyncIterator["Reader"]:
        reader = Reader(self.bootstrap_servers, topic, partition)
        try:
            yield reader
        finally:
            reader.close()


class Reader:
    """Reads a partition from where it ended when the reader was made."""

    def __init__(self, bootstrap_servers: str, topic: str, partition: int) -> None:
        self._consumer = Consumer(
            {"bootstrap.servers": bootstrap_servers, "group.id": "t", "enable.auto.commit": False}
        )
        _, end = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
        self._consumer.assign([TopicPartition(topic, partition, max(0, end))])
        self.events: list[Read] = []

    def read(self, *kinds: str) -> list[Read]:
        for message in self._consumer.consume(200, 0.1):
            assert message.error() is None
            headers = dict(message.headers() or [])
            kind = _text(headers["ce_type"]).removeprefix(TYPE).rsplit(".", 1)[0]
            value = bytes(message.value() or b"")
            self.events.append(Read(kind, _text(headers["ce_id"]), json.loads(value), value))
        return [each for each in self.events if not kinds or each.kind in kinds]

    async def wait(self, count: int, *kinds: str, seconds: float = 20) -> list[Read]:
        await until(lambda: len(self.read(*kinds)) >= count, seconds=seconds)
        return self.read(*kinds)

    def close(self) -> None:
        self._consumer.close()


def _key_of(entity: EventData) -> str:
    names = ("code", "id") if not isinstance(entity, ObligationV1) else ("id",)
    return next(str(getattr(entity, name)) for name in names if hasattr(entity, name))


def _text(value: bytes | str | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""


@pytest.fixture(scope="module")
def office(kafka: EmbeddedKafka) -> Office:
    return Office(kafka.bootstrap_servers)


@pytest_asyncio.fixture(scope="module")
async def known(kafka: EmbeddedKafka, office: Office) -> None:
    """What the catalogue has published: a release, tokens, June open for the unit."""
    await ensure_topics(kafka.bootstrap_servers, [CATALOGUE, ACCESS, DEADLINES, VALIDATION_RESULTS])
    office.release(a_catalogue(units=TWO_DOORS), 1)
    access = AccessV1(scopes=(f"unit:{UNIT}",), subject="test")
    office.publish(ACCESS.name, access, key=token_digest("unit"))


@asynccontextmanager
async def running(office: Office, url: str, folder: Path, **wiring: Any) -> AsyncIterator[FastAPI]:
    """Run the service until its doors are open.

    On a fresh database it has to be told anew what is open: its group has read on this broker before.
    """
    office.open(MONTH)
    common = CommonSettings(
        database_url=url, bootstrap_servers=office.bootstrap_servers, objects=folder, database_pool_size=4
    )
    app = build_app(common, settings=QUICK, **wiring)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as client:

            async def ready() -> bool:
                return (await client.get("/health/ready")).status_code == 200

            await until(ready, seconds=40)
            app.state.client = client
            yield app


@pytest_asyncio.fixture(scope="module")
async def service(known: None, office: Office, databases: Databases) -> AsyncIterator[FastAPI]:
    """The service that runs while this module's tests go on."""
    url, folder = await databases.fresh(), make_folder()
    await migrate(["ingest"], url)
    async with running(office, url, folder) as app:
        yield app
    remove_folder(folder)


@pytest.fixture
def numbers() -> Iterator[str]:
    """An id that no other test used on this broker."""
    return (f"{time.monotonic_ns()}-{number}" for number in range(1_000))


async def test_a_package_goes_in_by_kafka_and_its_verdict_comes_back(
    service: FastAPI, office: Office, numbers: Iterator[str]
) -> None:
    async with (
        office.reader(f"agency.{UNIT}.answers") as answers,
        office.reader(SUBMISSIONS.name, slot_of(UNIT)) as submissions,
    ):
        first, second = next(numbers), next(numbers)
        office.send(a_message(event_id=first))
        office.send(a_message(a_package(form="099"), second))
        receipt, refusal = await answers.wait(2)
        assert [(each.kind, each.body["answers"]["id"]) for each in (receipt, refusal)] == [
            ("package.received", first),
            ("package.rejected", second),
        ]
        (submission,) = await submissions.wait(1, "submission.received")
        office.judge(submission.body, Verdict.ACCEPTED)
        (verdict,) = await answers.wait(1, "verdict")
        assert verdict.body["package_id"] == receipt.body["package_id"]
        metrics = (await service.state.client.get("/metrics")).text
        assert 'lienthong_ingest_packages_total{channel="kafka",outcome="received"} ' in metrics


async def sent_three_times(office: Office, event_id: str) -> tuple[Sequence[Read], Sequence[Read]]:
    """Send a message three times, and another one; return submissions and answers up to the other one."""
    async with (
        office.reader(f"agency.{UNIT}.answers") as answers,
        office.reader(SUBMISSIONS.name, slot_of(UNIT)) as submissions,
    ):
        for _ in range(3):
            office.send(a_message(event_id=event_id))
        office.send(a_message(event_id=f"{event_id}-last"))
        await until(
            lambda: any(each.body["answers"]["id"] == f"{event_id}-last" for each in answers.read()), seconds=20
        )
        last = answers.read()[-1].body["package_id"]
        await until(
            lambda: any(each.body["package_id"] == last for each in submissions.read("submission.received")), seconds=20
        )
        return submissions.read("submission.received")[:-1], answers.read()[:-1]


async def test_what_is_sent_again_is_one_version_with_one_answer(
    service: FastAPI, office: Office, numbers: Iterator[str]
) -> None:
    submissions, answers = await sent_three_times(office, next(numbers))
    assert len(submissions) == 1
    assert len(answers) == 3
    assert len({(each.id, each.value) for each in answers}) == 1


async def test_a_door_that_a_release_switches_on_is_read_within_ten_seconds(
    service: FastAPI, office: Office, numbers: Iterator[str]
) -> None:
    office.release(a_catalogue(units=THREE_DOORS), 2)
    office.open(OTHERS)
    await until(lambda: service.state.context.state.reader.release == 2, seconds=10)
    began = time.monotonic()
    await until(lambda: OTHER_UNIT in service.state.context.state.answers_made, seconds=10)
    async with office.reader(f"agency.{OTHER_UNIT}.answers") as answers:
        office.send(a_message(event_id=next(numbers), unit=OTHER_UNIT))
        (answer,) = await answers.wait(1)
    assert answer.kind == "package.received", answer.body
    assert time.monotonic() - began < 10


async def test_the_watermark_passes_what_was_taken_and_a_transactions_marker(
    service: FastAPI, office: Office, numbers: Iterator[str]
) -> None:
    """A transaction leaves a marker in the topic that no consumer is ever handed; other agencies have topics, too."""
    async with (
        office.reader(f"agency.{UNIT}.answers") as answers,
        office.reader(SUBMISSIONS.name, slot_of(UNIT)) as submissions,
    ):
        producer = Producer(
            {
                "bootstrap.servers": office.bootstrap_servers,
                "transactional.id": next(numbers),
                "log_level": CRITICAL_LOGS,
            }
        )
        producer.init_transactions(10)
        producer.begin_transaction()
        message = a_message(event_id=next(numbers))
        producer.produce(f"agency.{UNIT}.submissions", value=message.value, headers=list(message.headers))
        producer.commit_transaction(10)
        (receipt,) = await answers.wait(1)
        received_at = datetime.fromisoformat(receipt.body["received_at"])

        def passed() -> bool:
            marks = submissions.read("watermark")
            return bool(marks) and datetime.fromisoformat(marks[-1].body["at"]) > received_at

        await until(passed, seconds=20)
        events = submissions.read()
        received = next(number for number, each in enumerate(events) if each.kind == "submission.received")
        for each in events[:received]:
            assert datetime.fromisoformat(each.body["at"]) < received_at, "a watermark came before what it speaks of"
        later = [each for each in events[received:] if each.kind == "watermark"]
        assert {each.body["after"] for each in later} == {events[received].id}


async def test_looking_for_markers_in_one_topic_does_not_lose_sight_of_the_others(
    service: FastAPI, office: Office
) -> None:
    offsets = KafkaOffsets(office.bootstrap_servers, group="test", pattern=AGENCY_PATTERN)
    try:
        before = await offsets.ask(datetime.now(UTC))
        assert len(before) >= 2
        for partition, asked in before.items():
            await offsets.skip_markers({partition: asked.end})
            assert set(await offsets.ask(datetime.now(UTC))) == set(before)
    finally:
        await offsets.close()
