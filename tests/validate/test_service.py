"""The service as it is wired, on a real broker and database: what it hears, judges and publishes."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Self

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from fastapi import FastAPI

from deploy.embedded.kafka import EmbeddedKafka
from services.validate.app import build_app
from services.validate.storage.tables import SERVICE, bus
from shared.access import token_digest
from shared.bus.cloudevents import encode
from shared.bus.partitions import UNITLESS, slot_of
from shared.bus.parts import Parts
from shared.bus.topic_admin import ensure_topics
from shared.bus.topics import ACCESS, CATALOGUE, FIGURES, SUBMISSIONS, VALIDATION_RESULTS
from shared.events.base import Event, EventData
from shared.events.catalogue import AccessV1
from shared.settings import CommonSettings
from tests.builders.rule_forms import UNIT, a_cell, a_delivery, a_rule, a_snapshot, some_cells
from tests.bus.nulls import NullInbox
from tests.parts import until
from tests.validate.world import an_event, catalogue_data, explained, received

SNAPSHOT = a_snapshot(
    {"JUMP": a_rule("ratio(I1, previous, 0.5, 2)", severity="warning"), "RANGE": a_rule("range(I1, 0, 1000)")}
)
TOKEN = "token-of-the-unit"  # noqa: S105 -- a made-up one
DLQ = "dlq.validate"

MAY, JUNE, JULY = (
    an_event(received(some_cells(I1=value), period))
    for period, value in (("2024-05", 10), ("2024-06", 100), ("2024-07", 2000))
)
JUNE_EXPLAINED = an_event(explained("JUMP"))


async def send(kafka: EmbeddedKafka, topic: str, events: Iterable[Event[EventData]], key: str | None = None) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, enable_idempotence=False)
    await producer.start()
    for event in events:
        message = encode(event, key)
        partition = slot_of(event.unit) if event.unit != UNITLESS else 0
        await producer.send_and_wait(
            topic, message.value, key=message.key, partition=partition, headers=list(message.headers)
        )
    await producer.stop()


@asynccontextmanager
async def running(kafka: EmbeddedKafka, url: str, parts: Parts | None = None) -> AsyncIterator[FastAPI]:
    """The running service; the topics of catalogue and ingest are there, as if those had made and filled them."""
    await ensure_topics(kafka.bootstrap_servers, [SUBMISSIONS, CATALOGUE, ACCESS])
    await send(kafka, CATALOGUE.name, [an_event(each) for each in catalogue_data(SNAPSHOT)])
    access = an_event(AccessV1(scopes=(f"unit:{UNIT}",), subject="test"))
    await send(kafka, ACCESS.name, [access], key=token_digest(TOKEN))
    common = CommonSettings(database_url=url, bootstrap_servers=kafka.bootstrap_servers)
    app = build_app(common, parts=parts)
    async with app.router.lifespan_context(app):
        yield app


class Topics:
    """What stands on some topics, from their beginning."""

    def __init__(self, kafka: EmbeddedKafka, *topics: str) -> None:
        self._consumer = AIOKafkaConsumer(
            *topics, bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest", group_id=None
        )
        self.records: list[Any] = []

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def on(self, topic: str, key: str) -> list[dict[str, str]]:
        """Return the attributes of a topic's messages of one key, in order."""
        for records in (await self._consumer.getmany(timeout_ms=50)).values():
            self.records += records
        return [
            {name: value.decode() for name, value in record.headers}
            for record in self.records
            if record.topic == topic and (record.key or b"").decode() == key
        ]

    async def kinds(self, topic: str, key: str = UNIT) -> list[str]:
        """Return the types of a topic's messages without prefix and version: `validation.completed`."""
        return [".".join(each["ce_type"].split(".")[2:4]) for each in await self.on(topic, key)]


async def kinds_become(topics: Topics, topic: str, kinds: Sequence[str], key: str = UNIT) -> None:
    async def same() -> bool:
        return await topics.kinds(topic, key) == list(kinds)

    await until(same, seconds=30)


async def test_reports_are_judged_once_in_order_and_their_figures_handed_on(
    own_kafka: EmbeddedKafka, validate_url: str
) -> None:
    async with running(own_kafka, validate_url) as app:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://validate") as client:

            async def ready() -> bool:
                return (await client.get("/health/ready")).status_code == 200

            await until(ready, seconds=30)
            async with Topics(own_kafka, VALIDATION_RESULTS.name, FIGURES.name, DLQ) as topics:
                await send(own_kafka, SUBMISSIONS.name, [MAY, JUNE, JUNE_EXPLAINED])
                results = ["validation.completed", "validation.completed", "validation.reassessed"]
                await kinds_become(topics, VALIDATION_RESULTS.name, results)
                await send(own_kafka, SUBMISSIONS.name, [MAY, JUNE, JUNE_EXPLAINED, JULY])
                await kinds_become(topics, VALIDATION_RESULTS.name, [*results, "validation.completed"])
                subjects = [each["ce_subject"] for each in await topics.on(VALIDATION_RESULTS.name, UNIT)]
                june = str(a_delivery())
                assert subjects == [str(a_delivery("2024-05")), june, june, str(a_delivery("2024-07"))]
                for delivery in subjects[:2]:
                    await kinds_become(topics, FIGURES.name, ["figures.accepted"], delivery)
                assert await topics.on(FIGURES.name, subjects[3]) == []
                assert await topics.on(DLQ, UNIT) == []
            answer = await client.get(
                "/v1/deliveries/SO-A/001.T%2FBCS-A/2024-06/estimate/judgements",
                headers={"Authorization": f"Bearer {TOKEN}"},
            )
            assert [each["verdict"] for each in answer.json()] == ["needs_explanation", "accepted_with_warnings"]
            metrics = (await client.get("/metrics")).text
            assert 'lienthong_validate_judgements_total{kind="engine",verdict="returned"}' in metrics
            assert "lienthong_validate_verdict_seconds_count" in metrics


async def test_a_version_that_ingest_numbered_twice_costs_itself_alone(
    own_kafka: EmbeddedKafka, validate_url: str
) -> None:
    again = an_event(received((a_cell("I1", 11),), "2024-05"))  # another event, the same version
    async with (
        running(own_kafka, validate_url),
        Topics(own_kafka, VALIDATION_RESULTS.name, DLQ) as topics,
    ):
        await send(own_kafka, SUBMISSIONS.name, [MAY, again, JUNE])
        await kinds_become(topics, VALIDATION_RESULTS.name, ["validation.completed"] * 2)
        (letter,) = await until(lambda: topics.on(DLQ, UNIT), seconds=30)
        assert letter["ce_type"] == "vn.lienthong.dead_letter.v1"


async def test_negative_control_without_the_inbox_what_comes_again_ends_as_a_dead_letter(
    own_kafka: EmbeddedKafka, validate_url: str
) -> None:
    parts = replace(Parts.of(SERVICE, bus), inbox=NullInbox())
    async with (
        running(own_kafka, validate_url, parts),
        Topics(own_kafka, VALIDATION_RESULTS.name, DLQ) as topics,
    ):
        for _ in range(2):
            await send(own_kafka, SUBMISSIONS.name, [MAY])
            await kinds_become(topics, VALIDATION_RESULTS.name, ["validation.completed"])
        with pytest.raises(AssertionError):
            assert await until(lambda: topics.on(DLQ, UNIT), seconds=30) == []
        await kinds_become(topics, VALIDATION_RESULTS.name, ["validation.completed"])
