"""What clients that are not ours may send: any compression, header names of any bytes, large messages."""

from dataclasses import replace

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from confluent_kafka import Producer

from shared.bus import slot_of
from shared.bus.topic_admin import ensure_topics
from shared.bus.topics import AGENCY_SUBMISSIONS
from tests.bus.conftest import MakeCounter
from tests.bus.counter import BUS, Counter
from tests.bus.events import topic_table
from tests.bus.kafka_tools import read_all, write
from tests.bus.test_consumer import MARKER, a_message, taken
from tests.parts import Broker, until


class AnyBytes(str):
    """A header name that encodes to no UTF-8."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return b"\xff\xfe"


@pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4", "zstd"])
async def test_an_agency_may_compress_as_it_likes(kafka: Broker, prefix: str, compression: str) -> None:
    topic = replace(AGENCY_SUBMISSIONS, name=f"{prefix}.{compression}")
    await ensure_topics(kafka.bootstrap_servers, [topic])
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "compression.type": compression})
    for number in range(100):
        producer.produce(topic.name, value=b"package %d " % number * 50, headers={"ce_id": str(number)})
    assert producer.flush(10) == 0
    records = await read_all(kafka.bootstrap_servers, topic.name)
    assert [dict(record.headers)["ce_id"] for record in records] == [str(number).encode() for number in range(100)]
    assert {record.timestamp_type for record in records} == {1}, "1 is the broker's append time"


async def test_what_is_too_large_when_unpacked_is_refused_by_the_broker(kafka: Broker, prefix: str) -> None:
    """Else a few compressed bytes would fill a service's memory."""
    topic = replace(AGENCY_SUBMISSIONS, name=f"{prefix}.large")
    await ensure_topics(kafka.bootstrap_servers, [topic])
    said: list[object] = []
    producer = Producer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "compression.type": "gzip",
            "message.max.bytes": 20_000_000,
            "retries": 0,
        }
    )
    producer.produce(topic.name, value=b"0" * 5_000_000, on_delivery=lambda error, _: said.append(error))
    assert producer.flush(10) == 0
    assert "too large" in str(said[0])


async def test_a_header_name_of_any_bytes_stops_nothing(counter: MakeCounter, kafka: Broker, prefix: str) -> None:
    """Kafka takes it, `kcat -H` sends it, and aiokafka alone would stop at it for ever."""
    service = await counter(started=False)
    topic, partition = f"{prefix}.counted", slot_of("SKHDT")
    await write(kafka.bootstrap_servers, topic, a_message(1))
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers)
    await producer.start()
    batch = producer.create_batch()
    batch._builder = _DefaultRecordBatchBuilderPy(  # the compiled one takes text alone
        2, 0, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=0, batch_size=100_000
    )
    for number, strange in ((2, False), (3, True), (4, False)):
        key, value, headers = a_message(number)
        names = [(AnyBytes("x"), b"1")] if strange else []
        batch.append(timestamp=None, key=key, value=value, headers=[*names, *headers])
    await (await producer.send_batch(batch, topic, partition=partition))
    await producer.stop()
    await write(kafka.bootstrap_servers, topic, a_message(5, value=b"?", headers=[]), a_message(MARKER))
    service.bus.start()
    await taken(service, MARKER)
    assert await service.numbers("SKHDT") == [1, 2, 3, 4, MARKER]
    assert [row["offset"] for row in await service.rows(BUS.dead_letters)] == [4]


async def test_a_new_agency_s_topic_is_read_within_ten_seconds(
    counter: MakeCounter, kafka: Broker, prefix: str
) -> None:
    """By pattern, and the unit comes from the topic's name, whatever the key says."""
    door = next(topic for topic in topic_table(prefix).rows if topic.is_template)
    await ensure_topics(kafka.bootstrap_servers, [door.for_unit("SKHDT")])
    service = await counter(pattern=door.pattern, deduplicate=False)
    await write(kafka.bootstrap_servers, f"{prefix}.SKHDT.door", a_message(1, unit="SOMEBODY-ELSE"))
    await taken(service, 1)
    await service.bus.ensure([door.for_unit("STC")])
    await write(kafka.bootstrap_servers, f"{prefix}.STC.door", a_message(2))
    await until(lambda: _has(service, ("STC", 2)), seconds=10)
    assert await service.effects() == [("SKHDT", 1), ("STC", 2)]


async def _has(service: Counter, effect: tuple[str, int]) -> bool:
    return effect in await service.effects()


async def test_at_the_agencies_door_repeats_reach_the_handler(counter: MakeCounter, kafka: Broker, prefix: str) -> None:
    """It knows (unit, source, id, SHA-256) itself, and answers each."""
    door = next(topic for topic in topic_table(prefix).rows if topic.is_template)
    await ensure_topics(kafka.bootstrap_servers, [door.for_unit("SKHDT")])
    service = await counter(pattern=door.pattern, deduplicate=False)
    await write(kafka.bootstrap_servers, f"{prefix}.SKHDT.door", a_message(1), a_message(1), a_message(MARKER))
    await taken(service, MARKER)
    assert await service.numbers("SKHDT") == [1, 1, MARKER]
    assert await service.rows(BUS.inbox) == []
