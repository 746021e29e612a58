"""Reads the outside of the bus in a thread, with a client that is a stranger to the project."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from threading import Event, Lock, Thread
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from demo.facts import Answer
from demo.records import (
    DEADLINES,
    FIGURES,
    NOTIFICATIONS,
    RESULTS,
    SUBMISSIONS,
    WATERMARK,
    Fact,
    Record,
    fact_of,
)

SERVICES = ("catalogue", "ingest", "validate", "notify")
TYPE_PREFIX = "vn.lienthong."
METADATA_TIMEOUT_SECONDS = 10.0
POLL_SECONDS = 0.1
# A broker without its disk knows no topic until each has been made again.
PASSING = frozenset(
    {
        KafkaError._PARTITION_EOF,  # noqa: SLF001 - the client's own name
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.OFFSET_OUT_OF_RANGE,
    }
)
CRITICAL_LOGS = 2  # syslog's; the client would tell the terminal about a broker that was stopped on purpose


class TopicReader:
    """Reads topics from their beginning, and keeps what the books need.

    An event that comes twice under one id is kept once. `failure` holds what ended the thread, if anything did.
    """

    def __init__(self, bootstrap_servers: str, agencies: Iterable[str]) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": "demo",  # required by the client; nothing is committed
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 50,
                "log_level": CRITICAL_LOGS,
            }
        )
        # A client of its own: the consumer's own would wait for a pause in its reading, and there is none.
        self._admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": CRITICAL_LOGS})
        self._topics = [
            *(SUBMISSIONS, RESULTS, DEADLINES, NOTIFICATIONS, FIGURES),
            *(f"dlq.{service}" for service in SERVICES),
            *(f"agency.{unit}.answers" for unit in agencies),
        ]
        self._lock = Lock()
        self._facts: dict[tuple[str, str], Fact] = {}
        self._answers: dict[tuple[str, str | int], dict[str, str]] = defaultdict(dict)
        self._figures: dict[str, int] = {}
        self._watermarks: dict[int, datetime] = {}
        self._partition_count = 0
        self._stopping = Event()
        self._rewinding = Event()
        self.failure: Exception | None = None
        self._thread = Thread(target=self._run, name="topics", daemon=True)

    def missing_topics(self) -> list[str]:
        """Return the topics that do not exist yet."""
        known = self._admin.list_topics(timeout=METADATA_TIMEOUT_SECONDS).topics
        return [topic for topic in self._topics if topic not in known]

    def start(self) -> None:
        """Assign every partition of the topics, from the beginning, and begin to read."""
        self._assign()
        self._thread.start()

    def rewind(self) -> None:
        """Read nothing until all topics are there, then all from the beginning: the broker is down, its disk lost.

        Where the reader stood says nothing about the topics that will be made anew.
        """
        self._rewinding.set()

    def _assigned_again(self) -> bool:
        try:
            self._assign()
        except (KafkaException, KeyError):
            return False  # it is not back yet, or not all topics are there
        return True

    def _assign(self) -> None:
        known = self._consumer.list_topics(timeout=METADATA_TIMEOUT_SECONDS).topics
        self._partition_count = len(known[SUBMISSIONS].partitions)
        self._consumer.assign(
            [
                TopicPartition(topic, partition, OFFSET_BEGINNING)
                for topic in self._topics
                for partition in known[topic].partitions
            ]
        )

    def stop(self) -> None:
        """End the thread and leave the broker."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._consumer.close()

    def facts(self) -> list[Fact]:
        """Return what was read so far, in the order of arrival."""
        with self._lock:
            return list(self._facts.values())

    def answers_to(self, unit: str, name: str | int) -> Counter[str]:
        """Return how many answers a unit's event has got, by kind: received, rejected, verdict.

        `name` is the event's id, or its offset where no id can be read.
        """
        with self._lock:
            return Counter(self._answers.get((unit, name), {}).values())

    def figures(self) -> dict[str, int]:
        """Return the version of the accepted figures by delivery."""
        with self._lock:
            return dict(self._figures)

    def watermark(self) -> datetime | None:
        """Return the least watermark of all partitions of `submissions`, None while one has none."""
        with self._lock:
            complete = len(self._watermarks) == self._partition_count
            return min(self._watermarks.values()) if complete else None

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                if self._rewinding.is_set():
                    self._consumer.unassign()
                    if self._assigned_again():
                        self._rewinding.clear()
                for message in self._consumer.consume(500, POLL_SECONDS):
                    self._take(message)
        except (KafkaException, ValueError, KeyError, TypeError) as error:
            self.failure = error  # the planter looks here while it waits, and says so

    def _take(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            if error.code() in PASSING or error.retriable():
                return
            raise KafkaException(error)
        topic = str(message.topic())
        if topic == FIGURES:
            self._take_figures(_text(message.key()), message.value())
            return
        record = _record(topic, message)
        with self._lock:
            if record.kind == WATERMARK:
                self._watermarks[record.partition] = datetime.fromisoformat(record.body["at"])
                return
            fact = fact_of(record)
            if fact is not None:
                self._facts.setdefault((record.source, record.id), fact)
            if isinstance(fact, Answer) and fact.name is not None:
                self._answers[fact.unit, fact.name][fact.event_id] = fact.kind

    def _take_figures(self, delivery: str, value: bytes | str | None) -> None:
        with self._lock:
            if value is None:
                self._figures.pop(delivery, None)
            else:
                self._figures[delivery] = json.loads(value)["version"]


def _record(topic: str, message: Message) -> Record:
    headers: dict[str, Any] = dict(message.headers() or [])
    return Record(
        topic,
        int(message.partition() or 0),
        _text(headers["ce_type"]).removeprefix(TYPE_PREFIX),
        _text(headers["ce_source"]),
        _text(headers["ce_id"]),
        json.loads(message.value() or b"null"),
        datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC),
    )


def _text(raw: bytes | str | None) -> str:
    return raw.decode() if isinstance(raw, bytes) else raw or ""
