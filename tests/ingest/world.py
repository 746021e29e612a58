"""Ingest as `app.py` wires it, on a real database and without a broker: records are handed to its consumer's processor,
requests to its app, and what it would publish is read from the outbox."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
from aiokafka import ConsumerRecord
from fastapi import FastAPI
from sqlalchemy import select

from services.ingest.app import build_app
from services.ingest.storage.tables import bus
from shared.access import token_digest
from shared.catalogue.snapshot import Snapshot
from shared.delivery_id import DeliveryId
from shared.events.agency import ExplanationV1, PackageV1
from shared.events.base import EventData
from shared.events.catalogue import AccessV1
from shared.events.deadlines import DeadlineOpenedV1
from shared.events.findings import Verdict
from shared.events.validation_results import (
    ReassessmentReason,
    ValidationCompletedV1,
    ValidationReassessedV1,
)
from shared.settings import CommonSettings
from tests.builders.catalogue_files import OTHER_UNIT, UNIT, a_snapshot
from tests.ingest.domain.packages import MONTH, QUARTER, a_package

NOW = datetime(2024, 6, 12, 2, tzinfo=UTC)
DUE = datetime(2024, 6, 18, 16, 59, 59, tzinfo=UTC)
SOURCE = "urn:so-a:reports"
CLUSTER = "test-cluster"
NOWHERE = "127.0.0.1:9"  # no broker: nothing in these tests may need one
TOKENS = {"unit": f"unit:{UNIT}", "other": f"unit:{OTHER_UNIT}", "statistician": "statistician", "leader": "leader"}
JSON = "application/json"


@dataclass
class SetClock:
    """Shows what the test says; business time is a day ahead of machine time, so that nobody mixes them up."""

    at: datetime = NOW - timedelta(days=1)

    def machine_now(self) -> datetime:
        return self.at

    def business_at(self, machine: datetime) -> datetime:
        return machine + timedelta(days=1)

    def now(self) -> datetime:
        return self.business_at(self.at)


@dataclass
class Told:
    """What stands in the outbox: `kind` without prefix and version."""

    topic: str
    kind: str
    id: str
    headers: Mapping[str, str]
    body: dict[str, Any]
    value: bytes


@dataclass
class World:
    """`wiring` are keyword arguments of `build_app`."""

    database_url: str
    folder: Path
    wiring: dict[str, Any] = field(default_factory=dict)
    clock: SetClock = field(default_factory=SetClock)
    offset: int = 0

    def __post_init__(self) -> None:
        self.clock = self.wiring.get("clock", self.clock)
        common = CommonSettings(
            database_url=self.database_url, bootstrap_servers=NOWHERE, objects=self.folder / "objects"
        )
        self.app: FastAPI = build_app(common, **{"clock": self.clock, **self.wiring})
        self.state = self.app.state.context.state
        self.units_of_work = self.app.state.context.units_of_work
        service_bus = self.app.state.bus
        service_bus.cluster._cluster_id = CLUSTER
        self.packages, self.events = (consumer.processor for consumer in service_bus.consumers)

    async def begin(self, snapshot: Snapshot | None = None) -> None:
        """Let the catalogue, the tokens and the deliveries of June be known, and open the doors."""
        self.state.reader.snapshot = snapshot or a_snapshot()
        self.state.answers_made |= {UNIT, OTHER_UNIT}
        self.state.deadlines_read = True
        for name, scope in TOKENS.items():
            self.state.access.put(token_digest(name), AccessV1(scopes=(scope,), subject=name))
        both = AccessV1(scopes=(f"unit:{UNIT}", f"unit:{OTHER_UNIT}"), subject="both")
        self.state.access.put(token_digest("both"), both)
        self.state.access.complete()
        await self.open(MONTH, QUARTER)
        await self.state.http_source.beat(self.units_of_work.sessions)

    async def open(self, *deliveries: DeliveryId) -> None:
        for delivery in deliveries:
            facts = {"delivery_id": delivery, "deadline_version": 1, "due_at": DUE}
            await self.feed(DeadlineOpenedV1(**facts, due_rule="P+0:D18", release=1))

    async def feed(self, data: EventData) -> None:
        """Hand an internal event to the consumer's processor."""
        unit = getattr(data, "delivery_id").unit  # noqa: B009 -- every event fed here is of a delivery
        topic = "deadlines" if "deadline" in data.ce_type else "validation-results"
        headers = _headers(data.ce_type, str(uuid4()), "urn:lienthong:test")
        await self.events.process([self.record(topic, headers, data.model_dump_json().encode(), unit.encode())])

    async def publish(self, *messages: "Message") -> list[int]:
        """Hand messages of an agency to the consumer's processor, in one batch; return their offsets."""
        records = [self.record(f"agency.{each.unit}.submissions", each.headers, each.value, b"") for each in messages]
        await self.packages.process(records)
        return [record.offset for record in records]

    def record(
        self, topic: str, headers: Sequence[tuple[str, bytes]], value: bytes | None, key: bytes
    ) -> "ConsumerRecord[bytes, bytes]":
        self.offset += 1
        return ConsumerRecord(
            topic=topic,
            partition=0,
            offset=self.offset,
            timestamp=int(self.clock.at.timestamp() * 1000),
            timestamp_type=1,
            key=key,
            value=value,
            checksum=None,
            serialized_key_size=len(key),
            serialized_value_size=len(value or b""),
            headers=tuple(headers),
        )

    def client(self, who: str | None = "unit") -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {who}"} if who else {}
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://ingest", headers=headers)

    async def post(
        self,
        body: Any = None,
        *,
        who: str | None = "unit",
        path: str = "packages",
        **more: Any,
    ) -> httpx.Response:
        """Post a package, a good one unless said; `headers`, `params` and `content` as httpx has them."""
        content = more.pop("content", None)
        if content is None:
            content = json.dumps(a_package() if body is None else body).encode()
        headers = {"Content-Type": JSON, **more.pop("headers", {})}
        async with self.client(who) as client:
            return await client.post(f"/v1/{path}", content=content, headers=headers, **more)

    async def told(self, kind: str | None = None) -> list[Told]:
        """Return what is in the outbox, in order; of one kind, such as `submission.received`."""
        async with self.units_of_work.sessions() as session:
            rows = await session.execute(select(bus.outbox).order_by(bus.outbox.c.id))
        every = [
            Told(
                row.topic,
                row.headers["ce_type"].removeprefix("vn.lienthong.").rsplit(".", 1)[0],
                row.event_id,
                row.headers,
                orjson.loads(row.value),
                row.value,
            )
            for row in rows
        ]
        return [each for each in every if kind is None or each.kind == kind]

    async def judge(
        self, submission: Mapping[str, Any], verdict: Verdict, judgement: int = 1, findings: Sequence[Any] = ()
    ) -> None:
        """Let validate's verdict on a submission (body of its `received` event) come in."""
        common: dict[str, Any] = {
            "delivery_id": submission["delivery_id"],
            "package_id": UUID(submission["package_id"]),
            "version": submission["version"],
            "judgement": judgement,
            "received_at": submission["received_at"],
            "judged_at": NOW,
            "release": 1,
            "verdict": verdict,
            "error_count": 0,
            "warning_count": 0,
            "findings": tuple(findings),
        }
        if judgement == 1:
            await self.feed(ValidationCompletedV1(**common))
        else:
            await self.feed(ValidationReassessedV1(**common, reason=ReassessmentReason.EXPLAINED))


@dataclass(frozen=True)
class Message:
    """An agency's message as it lies in its topic."""

    headers: tuple[tuple[str, bytes], ...]
    value: bytes | None
    unit: str = UNIT


def a_message(
    body: Any = None, event_id: str = "m-1", *, unit: str = UNIT, ce_type: str = PackageV1.ce_type
) -> Message:
    """A package as a CloudEvent; a good one unless said."""
    value = json.dumps(a_package() if body is None else body).encode()
    return Message(_headers(ce_type, event_id, SOURCE), value, unit)


def an_explanation(version: int | None = None, **more: Any) -> dict[str, Any]:
    body = {
        "form": MONTH.form,
        "period": str(MONTH.period),
        "status": MONTH.status.value,
        "explanations": [{"rule": "R1", "text": "Do dự án lớn."}],
    }
    return body | ({} if version is None else {"version": version}) | more


def an_explanation_message(body: Any = None, event_id: str = "e-1") -> Message:
    return a_message(an_explanation() if body is None else body, event_id, ce_type=ExplanationV1.ce_type)


def _headers(ce_type: str, event_id: str, source: str) -> tuple[tuple[str, bytes], ...]:
    return (
        ("ce_specversion", b"1.0"),
        ("ce_type", ce_type.encode()),
        ("ce_source", source.encode()),
        ("ce_id", event_id.encode()),
        ("content-type", b"application/json"),
    )
