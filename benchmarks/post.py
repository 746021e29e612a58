"""Agencies at the Kafka door: sends packages and garbage, and reads what comes back, with the broker's times."""

import itertools
import json
import time
import uuid
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from confluent_kafka import Consumer, Message, Producer, TopicPartition

from demo.dispatch import Garbage, GarbageBody, PackageBody, ReportBody
from demo.sample import Report, Sample
from demo.wire import Headers, cloud_event, spoiled_event

MALFORMED = (Garbage.NOT_JSON, Garbage.TORN_JSON, Garbage.NO_ID, Garbage.BAD_HEADER, Garbage.UNKNOWN_TYPE)
REASONS = {
    Garbage.NOT_JSON: "not_json",
    Garbage.TORN_JSON: "not_json",
    Garbage.NO_ID: "missing_attribute",
    Garbage.BAD_HEADER: "unreadable_header",
}
"""Why each kind is a dead letter; the last one can be read, and is rejected alone."""
METADATA_SECONDS = 10.0
FLUSH_SECONDS = 30.0
DLQ = "dlq.ingest"


class LostError(Exception):
    """The broker did not take a message, or did not give it out."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message to send: a good package, or garbage of a kind."""

    unit: str
    id: str
    headers: Headers
    value: bytes
    garbage: Garbage | None = None
    deliveries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `kind` as `verdict`, `package.received`; `at` is the broker's Unix time."""

    unit: str
    kind: str
    id: str | None
    offset: int | None
    at: float
    findings: tuple[str, ...]
    deliveries: tuple[tuple[str, int], ...]
    """Of a verdict: delivery and version."""


@dataclass
class Post:
    """Sends, and reads answers and ingest's dead letters from where they ended when it was made."""

    bootstrap_servers: str
    units: Sequence[str]
    answers: list[Answer] = field(default_factory=list)
    letters: dict[tuple[str, int], str] = field(default_factory=dict)
    """Reasons of dead letters by topic and offset."""
    offsets: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Where each message lies: topic and offset by its id here."""
    sent_at: dict[str, float] = field(default_factory=dict)
    """When each was sent, Unix time, by its id here."""

    def __post_init__(self) -> None:
        self._producer = Producer({"bootstrap.servers": self.bootstrap_servers, "acks": "all", "linger.ms": 0})
        self._consumer = Consumer(
            {"bootstrap.servers": self.bootstrap_servers, "group.id": "post", "enable.auto.commit": False}
        )
        places = []
        for topic in (DLQ, *(f"agency.{unit}.answers" for unit in self.units)):
            _, end = self._consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=METADATA_SECONDS)
            places.append(TopicPartition(topic, 0, max(0, end)))
        self._consumer.assign(places)

    def send(self, parcel: Parcel) -> None:
        """Hand a message to the client; `flush` makes sure of it."""

        def delivered(error: object, message: Message) -> None:
            if error is not None:
                raise LostError(f"{parcel.id}: {error}")
            self.offsets[parcel.id] = (str(message.topic()), int(message.offset() or 0))

        self.sent_at[parcel.id] = time.time()
        topic = f"agency.{parcel.unit}.submissions"
        self._producer.produce(topic, value=parcel.value, headers=list(parcel.headers), on_delivery=delivered)
        self._producer.poll(0)

    def flush(self) -> None:
        """Wait until the broker has everything."""
        if left := self._producer.flush(FLUSH_SECONDS):
            raise LostError(f"the broker did not take {left} messages")

    def read(self, seconds: float = 0.1) -> None:
        """Take in what has come."""
        for message in self._consumer.consume(1000, seconds):
            if message.error() is not None:
                raise LostError(str(message.error()))
            body = json.loads(message.value() or b"")
            topic = str(message.topic())
            if topic == DLQ:
                self.letters[body["topic"], body["offset"]] = body["reason"]
                continue
            headers = dict(message.headers() or [])
            kind = _text(headers["ce_type"]).removeprefix("vn.lienthong.").rsplit(".", 1)[0]
            self.answers.append(
                Answer(
                    unit=topic.split(".")[1],
                    kind=kind,
                    id=body["answers"]["id"],
                    offset=body["answers"]["offset"],
                    at=message.timestamp()[1] / 1000,
                    findings=tuple(finding["rule"] for finding in body.get("findings", ())),
                    deliveries=tuple((each["delivery_id"], each["version"]) for each in body.get("reports", ())),
                )
            )

    def of_kind(self, kind: str) -> list[Answer]:
        """Return the answers of a kind, in order for each unit."""
        return [answer for answer in self.answers if answer.kind == kind]

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()


def _text(value: bytes | str | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""


class Parcels:
    """Makes what agencies send: correct packages of a sample, and garbage. Each delivery comes again and again."""

    def __init__(self, sample: Sample, units: Collection[str], now: datetime) -> None:
        """`now` is business time: what is not open by then is left out, and a unit that has nothing else."""
        opens_at = {due.delivery: due.opens_at for due in sample.timetable.dues}
        grouped: dict[str, dict[tuple[str, str], list[Report]]] = defaultdict(lambda: defaultdict(list))
        for report in sample.reports.values():
            delivery = report.delivery
            if delivery.unit in units and opens_at[str(delivery)] <= now:
                grouped[delivery.unit][delivery.form, report.document_number].append(report)
        self.units = sorted(grouped)
        self._turns = {unit: itertools.cycle(grouped[unit].values()) for unit in self.units}
        self._numbers = itertools.count(1)
        self._kinds = itertools.cycle(MALFORMED)

    def good(self, unit: str) -> Parcel:
        """Return a correct package of a unit."""
        body, parcel_id = self._body(unit), uuid.uuid4().hex
        headers, value = cloud_event(body, f"urn:bench:{unit.lower()}", parcel_id)
        deliveries = tuple(str(report.delivery) for report in body.reports)
        return Parcel(unit, parcel_id, headers, value, deliveries=deliveries)

    def malformed(self, unit: str) -> Parcel:
        """Return garbage of a unit, of the next kind."""
        kind, parcel_id = next(self._kinds), uuid.uuid4().hex
        headers, value = spoiled_event(GarbageBody(kind, self._body(unit)), f"urn:bench:{unit.lower()}", parcel_id)
        return Parcel(unit, parcel_id, headers, value, garbage=kind)

    def _body(self, unit: str) -> PackageBody:
        reports = next(self._turns[unit])
        return PackageBody(
            form=reports[0].delivery.form,
            document_number=f"{reports[0].document_number}#{next(self._numbers)}",
            reports=tuple(ReportBody(report.delivery, report.figures) for report in reports),
        )
