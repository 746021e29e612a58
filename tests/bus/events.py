"""Event types that only these tests know."""

from typing import ClassVar

from shared.bus.partitions import PARTITION_COUNT
from shared.bus.topics import Topic, TopicTable, dead_letters_of
from shared.events.base import EventData
from shared.events.submissions import WatermarkV1


class CountedV1(EventData):
    """A number that a unit counted."""

    ce_type: ClassVar[str] = "vn.lienthong.test.counted.v1"

    number: int
    note: str = ""


class EchoedV1(EventData):
    """A number that was taken in."""

    ce_type: ClassVar[str] = "vn.lienthong.test.echoed.v1"

    number: int


class ForgottenV1(EventData):
    """A type that the consumer under test has no handler for."""

    ce_type: ClassVar[str] = "vn.lienthong.test.forgotten.v1"

    number: int


class KeptV1(EventData):
    """An entry of a compacted table."""

    ce_type: ClassVar[str] = "vn.lienthong.test.kept.v1"

    text: str


def topic_table(prefix: str) -> TopicTable:
    """Topics of one test alone: service `counter` produces `<prefix>.counted` and reads it back, and more."""
    return TopicTable(
        rows=(
            Topic(
                f"{prefix}.counted",
                partitions=PARTITION_COUNT,
                producer="counter",
                types=(CountedV1, ForgottenV1, WatermarkV1),
            ),
            Topic(f"{prefix}.echoed", partitions=PARTITION_COUNT, producer="counter", types=(EchoedV1,)),
            Topic(
                f"{prefix}.kept",
                partitions=1,
                cleanup="compact",
                retention_ms=None,
                producer="counter",
                keyed_by="entity",
                types=(KeptV1,),
            ),
            Topic(f"{prefix}.<unit>.door", partitions=1, types=(CountedV1,), broker_append_time=True),
            dead_letters_of("counter"),
        ),
        transient=frozenset({WatermarkV1}),
    )
