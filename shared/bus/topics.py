"""The table of topics: partitions, clean-up, sole producer and event types, said once (docs/events shows it)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from shared.bus.errors import WrongTopicError
from shared.bus.partitions import PARTITION_COUNT, UNITLESS, slot_of
from shared.delivery_id import UNIT_CODE, DeliveryId
from shared.events import (
    agency,
    catalogue,
    dead_letters,
    deadlines,
    notifications,
    submissions,
    validation_results,
)
from shared.events.base import EventData

SERVICES = ("catalogue", "ingest", "validate", "notify")
RETENTION_MS = 400 * 24 * 3600 * 1000
"""A year's reports, and a month to look back after it."""
KEPT_WHOLE: None = None
MESSAGE_BYTES_MAX = 1024 * 1024
LARGE_MESSAGE_BYTES_MAX = 4 * 1024 * 1024
"""An inline package has at most 512 KiB, but its submission lists every cell of the form, missing ones too."""
DEAD_LETTER_BYTES_MAX = 6 * 1024 * 1024
"""A dead letter carries the largest message in base64, a third longer."""

UNIT_PLACEHOLDER = "<unit>"

Cleanup = Literal["delete", "compact"]
KeyedBy = Literal["unit", "delivery_id", "entity", "contact_id", "token_sha256"]


@dataclass(frozen=True, slots=True)
class Topic:
    """One row of the table. A name with `<unit>` is a template: one topic a unit.

    `retention_ms` None keeps everything. `producer` is the service that alone writes it, None for an agency.
    `broker_append_time`: timestamps are the broker's, so that no sender dates its own arrival. `compression`: how the
    broker stores messages, whatever their sender used; None leaves them as they come.
    """

    name: str
    partitions: int = PARTITION_COUNT
    cleanup: Cleanup = "delete"
    retention_ms: int | None = RETENTION_MS
    producer: str | None = None
    keyed_by: KeyedBy = "unit"
    types: tuple[type[EventData], ...] = ()
    message_bytes_max: int = MESSAGE_BYTES_MAX
    broker_append_time: bool = False
    compression: str | None = None

    @property
    def is_template(self) -> bool:
        """Whether the name stands for one topic a unit."""
        return UNIT_PLACEHOLDER in self.name

    @property
    def pattern(self) -> str:
        """An anchored regular expression of the topic's names; `unit` is its one group where it is a template."""
        before, _, after = self.name.partition(UNIT_PLACEHOLDER)
        unit = f"({UNIT_CODE.pattern})" if self.is_template else ""
        return f"^{re.escape(before)}{unit}{re.escape(after)}$"

    def for_unit(self, unit: str) -> "Topic":
        """Return the topic of one unit; raises ValueError when the code is none, so that no bad name gets out."""
        if UNIT_CODE.fullmatch(unit) is None:
            raise ValueError(f"{unit!r} is no unit code, so it has no topic")
        return replace(self, name=self.name.replace(UNIT_PLACEHOLDER, unit))

    def partition_of(self, unit: str) -> int:
        """Return the partition of a unit's events on this topic; on topics of one partition it is 0."""
        return slot_of(unit) if self.partitions == PARTITION_COUNT else 0

    def configs(self) -> Mapping[str, str]:
        """Return the topic's settings as Kafka names them."""
        configs = {
            "cleanup.policy": self.cleanup,
            "max.message.bytes": str(self.message_bytes_max),
            "retention.ms": "-1" if self.retention_ms is None else str(self.retention_ms),
        }
        if self.broker_append_time:
            configs["message.timestamp.type"] = "LogAppendTime"
        if self.compression is not None:
            configs["compression.type"] = self.compression
        return configs


@dataclass(frozen=True)
class TopicTable:
    """The topics of a system and the event types on them."""

    rows: tuple[Topic, ...]
    transient: frozenset[type[EventData]] = frozenset()
    """Types that say how things stand at the moment: no outbox keeps them once sent, no inbox remembers them."""

    _by_type: dict[type[EventData], Topic] = field(default_factory=dict, init=False, repr=False, compare=False)
    _by_name: dict[str, tuple[Topic, str | None]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for topic in self.rows:
            for data_type in topic.types:
                self._by_type.setdefault(data_type, topic)

    def topic_for(self, data_type: type[EventData], unit: str = UNITLESS) -> str:
        """Return the name of the topic that a type is published on; raises WrongTopicError when there is none."""
        topic = self._by_type.get(data_type)
        if topic is None:
            raise WrongTopicError(f"{data_type.__name__} is on no topic: add it to the table of topics")
        return topic.for_unit(unit).name if topic.is_template else topic.name

    def topic_of(self, name: str) -> Topic:
        """Return the row of a topic's name, with that name; raises WrongTopicError when the table has none."""
        return self._resolve(name)[0]

    def topics_of(self, service: str) -> tuple[Topic, ...]:
        """Return the topics that a service makes at its start: those it alone produces, but no templates."""
        return tuple(topic for topic in self.rows if topic.producer == service and not topic.is_template)

    def unit_of(self, name: str, key: bytes | None) -> str:
        """Return the unit of a message: from an agency's topic name, else from the key.

        Raises ValueError when the key should name a unit and does not.
        """
        topic, unit = self._resolve(name)
        if unit is not None:
            return unit
        if topic.keyed_by == "delivery_id":
            return DeliveryId.parse((key or b"").decode()).unit
        if topic.keyed_by == "unit" and topic.partitions == PARTITION_COUNT:
            key_text = (key or b"").decode()
            if key_text == UNITLESS:  # speaks of a whole partition, as a watermark does
                return UNITLESS
            if UNIT_CODE.fullmatch(key_text) is None:
                raise ValueError(f"key {key_text!r} is no unit code")
            return key_text
        return UNITLESS

    def is_transient(self, ce_type: str) -> bool:
        """Whether a CloudEvents type is one of the transient ones."""
        return any(data_type.ce_type == ce_type for data_type in self.transient)

    def _resolve(self, name: str) -> tuple[Topic, str | None]:
        if (known := self._by_name.get(name)) is not None:
            return known
        for topic in self.rows:
            if (match := re.fullmatch(topic.pattern, name)) is not None:
                found = (replace(topic, name=name), match[1]) if topic.is_template else (topic, None)
                self._by_name[name] = found
                return found
        raise WrongTopicError(f"{name!r} is not in the table of topics")


AGENCY_SUBMISSIONS = Topic(
    "agency.<unit>.submissions",
    partitions=1,
    types=(agency.PackageV1, agency.ExplanationV1),
    broker_append_time=True,
    # Whatever an agency sends: our client reads no snappy, lz4 or zstd, and the size limit holds for what is unpacked.
    compression="uncompressed",
)
AGENCY_ANSWERS = Topic(
    "agency.<unit>.answers",
    partitions=1,
    producer="ingest",
    types=(agency.PackageReceivedV1, agency.PackageRejectedV1, agency.AgencyVerdictV1),
    message_bytes_max=LARGE_MESSAGE_BYTES_MAX,
)
SUBMISSIONS = Topic(
    "submissions",
    producer="ingest",
    types=(submissions.SubmissionReceivedV1, submissions.SubmissionExplainedV1, submissions.WatermarkV1),
    message_bytes_max=LARGE_MESSAGE_BYTES_MAX,
)
VALIDATION_RESULTS = Topic(
    "validation-results",
    producer="validate",
    types=(validation_results.ValidationCompletedV1, validation_results.ValidationReassessedV1),
    message_bytes_max=LARGE_MESSAGE_BYTES_MAX,
)
FIGURES = Topic(
    "figures",
    cleanup="compact",
    retention_ms=KEPT_WHOLE,
    producer="validate",
    keyed_by="delivery_id",
    types=(validation_results.FiguresAcceptedV1,),
    message_bytes_max=LARGE_MESSAGE_BYTES_MAX,
)
DEADLINES = Topic(
    "deadlines",
    producer="catalogue",
    types=(
        deadlines.DeadlineOpenedV1,
        deadlines.DeadlinePassedV1,
        deadlines.DeadlineMetV1,
        deadlines.DeadlineExtendedV1,
        deadlines.DeadlineRedatedV1,
        deadlines.DeadlineReopenedV1,
        deadlines.DeadlineClosedV1,
    ),
)
CATALOGUE = Topic(
    "catalogue",
    partitions=1,
    retention_ms=KEPT_WHOLE,
    producer="catalogue",
    keyed_by="entity",
    types=(
        catalogue.UnitV1,
        catalogue.CodeListV1,
        catalogue.IndicatorV1,
        catalogue.FormV1,
        catalogue.RuleV1,
        catalogue.ObligationV1,
        catalogue.CalendarV1,
        catalogue.ReleaseV1,
    ),
    message_bytes_max=LARGE_MESSAGE_BYTES_MAX,
)
CONTACTS = Topic(
    "contacts",
    partitions=1,
    cleanup="compact",
    retention_ms=KEPT_WHOLE,
    producer="catalogue",
    keyed_by="contact_id",
    types=(catalogue.ContactV1,),
)
ACCESS = Topic(
    "access",
    partitions=1,
    cleanup="compact",
    retention_ms=KEPT_WHOLE,
    producer="catalogue",
    keyed_by="token_sha256",
    types=(catalogue.AccessV1,),
)
NOTIFICATIONS = Topic(
    "notifications",
    producer="notify",
    types=(
        notifications.NotificationSentV1,
        notifications.NotificationFailedV1,
        notifications.NotificationSuppressedV1,
    ),
)


def dead_letters_of(service: str) -> Topic:
    """Return the row of a service's dead letters, `dlq.<service>`."""
    return Topic(
        f"dlq.{service}",
        partitions=1,
        producer=service,
        types=(dead_letters.DeadLetterV1,),
        message_bytes_max=DEAD_LETTER_BYTES_MAX,
    )


TOPICS = TopicTable(
    rows=(
        AGENCY_SUBMISSIONS,
        AGENCY_ANSWERS,
        SUBMISSIONS,
        VALIDATION_RESULTS,
        FIGURES,
        DEADLINES,
        CATALOGUE,
        CONTACTS,
        ACCESS,
        NOTIFICATIONS,
        *(dead_letters_of(service) for service in SERVICES),
    ),
    transient=frozenset({submissions.WatermarkV1}),
)


def topic_for(data_type: type[EventData], unit: str = UNITLESS) -> str:
    """Return the name of the topic that a type is published on."""
    return TOPICS.topic_for(data_type, unit)


def topic_of(name: str) -> Topic:
    """Return the row of a topic's name."""
    return TOPICS.topic_of(name)


def topics_of(service: str) -> tuple[Topic, ...]:
    """Return the topics that a service makes at its start."""
    return TOPICS.topics_of(service)


def partition_of(name: str, unit: str) -> int:
    """Return the partition of a unit's events on a topic."""
    return TOPICS.topic_of(name).partition_of(unit)


def agency_topics(units: Iterable[str]) -> tuple[Topic, ...]:
    """Return both topics of each unit whose Kafka door is switched on; ingest makes them."""
    return tuple(topic.for_unit(unit) for unit in units for topic in (AGENCY_SUBMISSIONS, AGENCY_ANSWERS))
