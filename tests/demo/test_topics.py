"""The reader of topics on a real broker: nothing lost, a repeated event once, the slowest watermark."""

import json
import shutil
from datetime import datetime

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from demo.facts import Judgement, Received
from demo.topics import SERVICES, TopicReader
from deploy.embedded.kafka import EmbeddedKafka
from tests.demo import world as w
from tests.parts import until

PARTITIONS = 2
NAME = w.MENDED
RECEIVED = {"delivery_id": NAME, "version": 1, "package_id": "p", "received_at": "2024-06-10T00:00:00Z"}
JUDGED = {"delivery_id": NAME, "version": 1, "judgement": 1, "verdict": "accepted"}


class Bus:
    """Topics on a real broker, and a producer that writes what services would."""

    def __init__(self, bootstrap_servers: str) -> None:
        self.bootstrap_servers = bootstrap_servers
        self._producer = Producer({"bootstrap.servers": bootstrap_servers})

    def make_topics(self) -> None:
        single = [*(f"dlq.{service}" for service in SERVICES), "agency.A.answers"]
        split = ["submissions", "validation-results", "deadlines", "notifications", "figures"]
        topics = [NewTopic(name, 1, 1) for name in single] + [NewTopic(name, PARTITIONS, 1) for name in split]
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers})
        for each in admin.create_topics(topics).values():
            each.result()

    def publish(self, topic: str, kind: str, event_id: str, body: object, partition: int = 0) -> None:
        headers = [
            ("ce_type", f"vn.lienthong.{kind}".encode()),
            ("ce_source", b"urn:test"),
            ("ce_id", event_id.encode()),
        ]
        self._producer.produce(topic, json.dumps(body).encode(), headers=list(headers), partition=partition)
        self._producer.flush(10)

    def figures(self, delivery: str, version: int | None) -> None:
        value = json.dumps({"version": version}).encode() if version is not None else None
        self._producer.produce("figures", value, delivery.encode(), partition=0)
        self._producer.flush(10)


@pytest.mark.timeout(60)
async def test_the_outside_of_the_bus_is_read(own_kafka: EmbeddedKafka) -> None:
    bus = Bus(own_kafka.bootstrap_servers)
    reader = TopicReader(own_kafka.bootstrap_servers, ["A"])
    assert "submissions" in reader.missing_topics()
    bus.make_topics()
    await until(lambda: not reader.missing_topics())
    bus.publish("submissions", "submission.received.v1", "e1", RECEIVED)
    reader.start()
    try:
        bus.publish("submissions", "submission.received.v1", "e1", RECEIVED)  # a relay may send a batch twice
        bus.publish("validation-results", "validation.completed.v1", "e2", JUDGED)
        bus.publish("validation-results", "validation.completed.v1", "e3", JUDGED)  # that is another judgement
        bus.figures(NAME, 1)
        bus.figures(w.RIGHT, 1)
        bus.figures(w.RIGHT, None)
        await until(lambda: reader.figures() == {NAME: 1} and len(reader.facts()) == 3)
        kinds = [type(fact) for fact in reader.facts()]
        assert sorted(kind.__name__ for kind in kinds) == sorted(
            each.__name__ for each in (Received, Judgement, Judgement)
        )
        bus.publish("submissions", "watermark.v1", "w1", {"at": "2024-06-12T00:00:00Z", "after": "e1"})
        bus.publish("submissions", "watermark.v1", "w2", {"at": "2024-06-11T00:00:00Z", "after": None}, partition=1)
        slowest = datetime.fromisoformat("2024-06-11T00:00:00+00:00")
        await until(lambda: reader.watermark() == slowest)
        assert reader.failure is None
        bus.publish("deadlines", "deadline.met.v1", "e9", {"no": "delivery"})
        await until(lambda: isinstance(reader.failure, KeyError))
    finally:
        reader.stop()


@pytest.mark.timeout(90)
async def test_a_broker_that_has_lost_its_disk_is_read_from_the_beginning_again(own_kafka: EmbeddedKafka) -> None:
    bus = Bus(own_kafka.bootstrap_servers)
    reader = TopicReader(own_kafka.bootstrap_servers, ["A"])
    bus.make_topics()
    await until(lambda: not reader.missing_topics())
    reader.start()
    try:
        bus.publish("validation-results", "validation.completed.v1", "e1", JUDGED)
        bus.publish("validation-results", "validation.completed.v1", "e2", JUDGED)
        await until(lambda: len(reader.facts()) == 2)
        await own_kafka.kill()
        shutil.rmtree(own_kafka.folder / "data")
        reader.rewind()
        await own_kafka.start()
        again = Bus(own_kafka.bootstrap_servers)
        again.make_topics()
        for event_id in ("e1", "e3", "e4"):  # beyond where the reader stood
            again.publish("validation-results", "validation.completed.v1", event_id, JUDGED)
        await until(lambda: len(reader.facts()) == 4, seconds=30)
        assert reader.failure is None
    finally:
        reader.stop()
