"""The table of topics, and their making."""

import re

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from confluent_kafka import Producer

from shared.bus.errors import TopicMismatchError, WrongTopicError
from shared.bus.partitions import PARTITION_COUNT, partition_of_key, slot_of
from shared.bus.publisher import BATCH_BYTES_MAX
from shared.bus.topic_admin import ensure_topics, wait_for_topics
from shared.bus.topics import AGENCY_SUBMISSIONS, TOPICS, Topic, agency_topics, partition_of, topic_for, topics_of
from shared.events import agency, catalogue, deadlines, notifications, submissions, validation_results
from shared.events.base import EventData
from tests.bus.kafka_tools import read_all
from tests.parts import Broker

DAYS_400_MS = 400 * 86_400_000
DESIGN = {
    # name: partitions, clean-up, retention, producer, key
    "agency.<unit>.submissions": (1, "delete", DAYS_400_MS, None, "unit"),
    "agency.<unit>.answers": (1, "delete", DAYS_400_MS, "ingest", "unit"),
    "submissions": (12, "delete", DAYS_400_MS, "ingest", "unit"),
    "validation-results": (12, "delete", DAYS_400_MS, "validate", "unit"),
    "figures": (12, "compact", None, "validate", "delivery_id"),
    "deadlines": (12, "delete", DAYS_400_MS, "catalogue", "unit"),
    "catalogue": (1, "delete", None, "catalogue", "entity"),
    "contacts": (1, "compact", None, "catalogue", "contact_id"),
    "access": (1, "compact", None, "catalogue", "token_sha256"),
    "notifications": (12, "delete", DAYS_400_MS, "notify", "unit"),
    "dlq.catalogue": (1, "delete", DAYS_400_MS, "catalogue", "unit"),
    "dlq.ingest": (1, "delete", DAYS_400_MS, "ingest", "unit"),
    "dlq.validate": (1, "delete", DAYS_400_MS, "validate", "unit"),
    "dlq.notify": (1, "delete", DAYS_400_MS, "notify", "unit"),
}


def test_the_table_is_the_design_s() -> None:
    table = {
        topic.name: (topic.partitions, topic.cleanup, topic.retention_ms, topic.producer, topic.keyed_by)
        for topic in TOPICS.rows
    }
    assert table == DESIGN


def test_each_event_type_is_on_one_topic() -> None:
    modules = (agency, catalogue, deadlines, notifications, submissions, validation_results)
    types = {
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, EventData) and hasattr(value, "ce_type")
    }
    listed = [data_type for topic in TOPICS.rows for data_type in topic.types if not topic.name.startswith("dlq.")]
    assert sorted(map(str, listed)) == sorted(map(str, types))


@pytest.mark.parametrize(
    ("key", "murmur2"),
    # From Apache Kafka's own UtilsTest.testMurmur2.
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_partitions_are_those_of_kafka_s_own_clients(key: bytes, murmur2: int) -> None:
    assert partition_of_key(key, 12) == (murmur2 & 0x7FFFFFFF) % 12


async def test_a_stranger_s_client_chooses_the_same_partition(kafka: Broker, prefix: str) -> None:
    topic = Topic(f"{prefix}.strange")
    await ensure_topics(kafka.bootstrap_servers, [topic])
    units = ["SKHDT", "STC", "H-568", "CTK-KH", "A", "SO-NN-MT-01"]
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "partitioner": "murmur2_random"})
    for unit in units:
        producer.produce(topic.name, value=b"{}", key=unit.encode())
    assert producer.flush(10) == 0
    found = {
        (record.key or b"").decode(): record.partition for record in await read_all(kafka.bootstrap_servers, topic.name)
    }
    assert found == {unit: topic.partition_of(unit) for unit in units}


def test_slots_and_partitions_are_of_the_unit() -> None:
    assert slot_of("") == 0
    assert {slot_of(f"UNIT-{number}") for number in range(200)} == set(range(PARTITION_COUNT))
    assert partition_of("submissions", "SKHDT") == slot_of("SKHDT")
    assert partition_of("agency.SKHDT.answers", "SKHDT") == 0


def test_an_agency_s_topics_carry_its_code() -> None:
    assert topic_for(agency.PackageReceivedV1, "SKHDT") == "agency.SKHDT.answers"
    assert [topic.name for topic in agency_topics(["STC"])] == ["agency.STC.submissions", "agency.STC.answers"]
    assert TOPICS.unit_of("agency.SKHDT.submissions", b"somebody-else") == "SKHDT"
    assert TOPICS.topic_of("agency.SKHDT.submissions").broker_append_time
    with pytest.raises(ValueError, match="no unit code"):
        topic_for(agency.PackageReceivedV1, "../x")


def test_the_pattern_of_agencies_topics_takes_nothing_longer() -> None:
    assert re.match(AGENCY_SUBMISSIONS.pattern, "agency.SKHDT.submissions")
    for name in ("agency.SKHDT.submissions.dlq", "agency.A.B.submissions", "xagency.SKHDT.submissions"):
        assert re.match(AGENCY_SUBMISSIONS.pattern, name) is None


def test_the_unit_of_a_message_comes_from_its_key() -> None:
    assert TOPICS.unit_of("submissions", b"SKHDT") == "SKHDT"
    assert TOPICS.unit_of("submissions", b"") == ""
    assert TOPICS.unit_of("figures", b"SKHDT/001.T%2FBCS-SKHDT/2024-06/estimate") == "SKHDT"
    assert TOPICS.unit_of("catalogue", b"anything") == ""
    for key in (b"no unit", b"\xff"):
        with pytest.raises(ValueError, match=r"unit code|utf-8"):
            TOPICS.unit_of("submissions", key)


def test_what_is_not_in_the_table_is_refused() -> None:
    with pytest.raises(WrongTopicError):
        TOPICS.topic_of("submissions.dlq")


def test_a_batch_of_the_relay_fits_every_topic() -> None:
    assert min(topic.message_bytes_max for topic in TOPICS.rows) > BATCH_BYTES_MAX


def test_a_service_makes_what_it_alone_produces() -> None:
    assert {topic.name for topic in topics_of("ingest")} == {"submissions", "dlq.ingest"}


async def test_topics_are_made_once_and_as_the_table_says(kafka: Broker, prefix: str) -> None:
    topics = [
        Topic(f"{prefix}.a", broker_append_time=True),
        Topic(f"{prefix}.b", partitions=1, cleanup="compact", retention_ms=None, message_bytes_max=4_000_000),
    ]
    for _ in range(2):
        await ensure_topics(kafka.bootstrap_servers, topics)
    await wait_for_topics(kafka.bootstrap_servers, {topic.name for topic in topics})
    # The relay's and any client's largest message is refused or taken by the topic's limit, not by the broker's.
    assert await read_all(kafka.bootstrap_servers, f"{prefix}.a") == []


async def make(kafka: Broker, name: str, partitions: int, **configs: str) -> None:
    """Make a topic past the kit."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    settings = {setting.replace("_", "."): value for setting, value in configs.items()}
    await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=settings)])
    await admin.close()


@pytest.mark.parametrize(
    ("partitions", "configs", "said"),
    [
        (6, {}, "6 partitions"),
        (12, {"cleanup_policy": "compact"}, "cleanup.policy=compact, .* expected cleanup.policy=delete"),
        (
            12,
            {"message_timestamp_type": "CreateTime"},
            "message.timestamp.type=CreateTime, .* expected message.timestamp.type=LogAppendTime",
        ),
        (12, {"message_timestamp_type": "LogAppendTime", "compression_type": "gzip"}, "compression.type=gzip"),
    ],
)
async def test_a_topic_of_the_wrong_shape_is_refused(
    kafka: Broker, prefix: str, partitions: int, configs: dict[str, str], said: str
) -> None:
    """A client of a wiped broker may re-create topics with the broker's defaults: that must be noticed."""
    await make(kafka, f"{prefix}.wrong", partitions, **configs)
    wanted = Topic(f"{prefix}.wrong", broker_append_time=True, compression="uncompressed")
    with pytest.raises(TopicMismatchError, match=said):
        await ensure_topics(kafka.bootstrap_servers, [wanted])


async def test_a_setting_that_the_table_leaves_open_is_nobody_s_business(kafka: Broker, prefix: str) -> None:
    await make(kafka, f"{prefix}.a", 12, compression_type="gzip", message_timestamp_type="LogAppendTime")
    await ensure_topics(kafka.bootstrap_servers, [Topic(f"{prefix}.a")])


async def test_a_wrong_topic_and_a_refused_one_cost_themselves_alone(kafka: Broker, prefix: str) -> None:
    await make(kafka, f"{prefix}.wrong", 6)
    refused = Topic(f"{prefix}.refused", message_bytes_max=-1)  # the broker knows no such size
    wanted = [refused, Topic(f"{prefix}.wrong"), Topic(f"{prefix}.right")]
    with pytest.raises(TopicMismatchError) as caught:
        await ensure_topics(kafka.bootstrap_servers, wanted)
    assert caught.value.faults.keys() == {f"{prefix}.wrong", f"{prefix}.refused"}
    await ensure_topics(kafka.bootstrap_servers, [Topic(f"{prefix}.right")])
    assert await read_all(kafka.bootstrap_servers, f"{prefix}.right") == []
