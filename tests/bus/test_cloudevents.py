"""Events as CloudEvents: a second implementation reads ours and we read its; what is wrong is said exactly."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

import pytest
from aiokafka import ConsumerRecord
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, to_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from shared.bus.cloudevents import EncodedMessage, UnknownType, decode, deterministic_id, encode
from shared.bus.errors import BadMessageError, Reason
from shared.bus.records import Record
from shared.events.base import Event
from tests.bus.events import CountedV1

TYPES = {CountedV1.ce_type: CountedV1}
HEADERS: tuple[tuple[str, bytes], ...] = (
    ("ce_specversion", b"1.0"),
    ("ce_id", b"1"),
    ("ce_source", b"urn:agency:skhdt"),
    ("ce_type", CountedV1.ce_type.encode()),
    ("content-type", b"application/json"),
)


def a_record(
    value: bytes | None = b'{"number": 1}',
    headers: Sequence[tuple[str, bytes | None]] = HEADERS,
    key: bytes | None = b"SKHDT",
    timestamp: int = 1_718_000_000_000,
) -> Record:
    return ConsumerRecord("t", 0, 7, timestamp, 0, key, value, None, 0, 0, list(headers))  # type: ignore[arg-type]


def without(name: str) -> list[tuple[str, bytes | None]]:
    return [header for header in HEADERS if header[0] != name]


def replaced(name: str, value: bytes | None) -> list[tuple[str, bytes | None]]:
    return [*without(name), (name, value)]


def an_event(**changes: object) -> Event[CountedV1]:
    values: dict[str, object] = {
        "id": "e-1",
        "source": "urn:lienthong:counter",
        "type": CountedV1.ce_type,
        "time": datetime(2024, 6, 12, 8, 0, tzinfo=UTC),
        "data": CountedV1(number=5, note="kỳ báo cáo"),
        "unit": "SKHDT",
        "subject": "SKHDT/001.T%2FBCS-SKHDT/2024-06/estimate",
        "correlation_id": "p-1",
        "causation_id": "e-0",
    }
    return Event(**(values | changes))  # type: ignore[arg-type]


def as_record(message: EncodedMessage) -> Record:
    return a_record(value=message.value, headers=message.headers, key=message.key)


def test_the_sdk_reads_what_we_write() -> None:
    message = encode(an_event())
    read = from_binary(KafkaMessage(dict(message.headers), message.key, message.value or b""), JSONFormat())
    assert read.get_id() == "e-1"
    assert read.get_source() == "urn:lienthong:counter"
    assert read.get_type() == CountedV1.ce_type
    assert read.get_subject() == "SKHDT/001.T%2FBCS-SKHDT/2024-06/estimate"
    assert read.get_time() == datetime(2024, 6, 12, 8, 0, tzinfo=UTC)
    assert read.get_datacontenttype() == "application/json"
    assert read.get_extension("correlationid") == "p-1"
    assert read.get_extension("causationid") == "e-0"
    assert read.get_data() == {"number": 5, "note": "kỳ báo cáo"}


def test_we_read_what_the_sdk_writes() -> None:
    hanoi = timezone(timedelta(hours=7))
    written = to_binary(
        CloudEvent(
            attributes={
                "id": "x-9",
                "source": "urn:agency:skhdt",
                "type": CountedV1.ce_type,
                "time": datetime(2024, 6, 12, 15, 0, tzinfo=hanoi),
                "datacontenttype": "application/json",
                "partitionkey": "SKHDT",
                "myextension": "ignored",
            },
            data={"number": 8, "unknown": "ignored"},
        ),
        JSONFormat(),
    )
    record = a_record(value=written.value, headers=list(written.headers.items()))
    event = decode(record, TYPES, "SKHDT")
    assert isinstance(event, Event)
    assert (event.id, event.source, event.unit) == ("x-9", "urn:agency:skhdt", "SKHDT")
    assert event.time == datetime(2024, 6, 12, 8, 0, tzinfo=UTC)
    assert event.data == CountedV1(number=8)


@given(
    st.builds(
        an_event,
        id=st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=100),
        subject=st.none() | st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=100),
        time=st.datetimes(timezones=st.just(UTC)),
        data=st.builds(
            CountedV1,
            number=st.integers(),
            note=st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
        ),
    )
)
def test_what_is_written_is_read_back(event: Event[CountedV1]) -> None:
    assert decode(as_record(encode(event)), TYPES, event.unit) == event


def test_an_event_without_time_has_its_kafka_timestamp() -> None:
    event = decode(a_record(), TYPES, "SKHDT")
    assert isinstance(event, Event)
    assert event.time == datetime.fromtimestamp(1_718_000_000, UTC)


def test_a_type_without_a_model_is_no_fault_and_its_body_is_not_read() -> None:
    record = a_record(value=b"\xff", headers=replaced("ce_type", b"vn.lienthong.later.v9"))
    assert decode(record, TYPES, "SKHDT") == UnknownType("1", "urn:agency:skhdt", "vn.lienthong.later.v9", "SKHDT")


@pytest.mark.parametrize(
    ("reason", "said", "record"),
    [
        (Reason.MISSING_ATTRIBUTE, "ce_id", a_record(headers=without("ce_id"))),
        (Reason.MISSING_ATTRIBUTE, "ce_source", a_record(headers=replaced("ce_source", b""))),
        (Reason.MISSING_ATTRIBUTE, "ce_type", a_record(headers=replaced("ce_type", None))),
        (Reason.MISSING_ATTRIBUTE, "ce_specversion", a_record(headers=[])),
        (Reason.DUPLICATE_ATTRIBUTE, "ce_id", a_record(headers=[*HEADERS, ("ce_id", b"2")])),
        (Reason.DUPLICATE_ATTRIBUTE, "content-type", a_record(headers=[*HEADERS, ("content-type", b"text/xml")])),
        (Reason.UNREADABLE_HEADER, "ce_subject", a_record(headers=[*HEADERS, ("ce_subject", b"\xff\xfe")])),
        (Reason.INVALID_ATTRIBUTE, "ce_id", a_record(headers=replaced("ce_id", b"a\x00b"))),
        (Reason.INVALID_ATTRIBUTE, "600 characters", a_record(headers=replaced("ce_id", b"x" * 600))),
        (Reason.INVALID_ATTRIBUTE, "ce_time", a_record(headers=[*HEADERS, ("ce_time", b"yesterday")])),
        (Reason.INVALID_ATTRIBUTE, "offset", a_record(headers=[*HEADERS, ("ce_time", b"2024-06-12T08:00:00")])),
        (
            Reason.INVALID_ATTRIBUTE,
            "ce_time",
            a_record(headers=[*HEADERS, ("ce_time", b"0001-01-01T00:00:00+14:00")]),
        ),
        (Reason.UNSUPPORTED_SPECVERSION, "0.3", a_record(headers=replaced("ce_specversion", b"0.3"))),
        (
            Reason.UNSUPPORTED_CONTENT_TYPE,
            "structured",
            a_record(headers=replaced("content-type", b"application/cloudevents+json; charset=UTF-8")),
        ),
        (Reason.UNSUPPORTED_CONTENT_TYPE, "text/csv", a_record(headers=replaced("content-type", b"text/csv"))),
        (Reason.EMPTY_BODY, "no body", a_record(value=None)),
        (Reason.EMPTY_BODY, "no body", a_record(value=b"")),
        (Reason.NOT_JSON, "JSON", a_record(value=b"{number: 1}")),
        (Reason.NOT_JSON, "JSON", a_record(value=b'{"number": "\xff"}')),
        (Reason.NOT_JSON, "JSON", a_record(value=b'{"note": "\\ud800", "number": 1}')),
        (Reason.INVALID_DATA, "number: Field required", a_record(value=b"{}")),
        (Reason.INVALID_DATA, "number: Input should be", a_record(value=b'{"number": "many"}')),
        (Reason.INVALID_DATA, "(body)", a_record(value=b"[]")),
        (Reason.INVALID_DATA, "U+0000", a_record(value=b'{"number": 1, "note": "a\\u0000"}')),
        (Reason.NOT_JSON, "recursion", a_record(value=b"[" * 100_000)),
    ],
)
def test_what_is_wrong_is_said_with_its_place(reason: Reason, said: str, record: Record) -> None:
    with pytest.raises(BadMessageError) as caught:
        decode(record, TYPES, "SKHDT")
    assert caught.value.reason is reason
    assert said in caught.value.detail
    assert len(caught.value.detail) < 300


def test_a_bad_message_names_what_could_be_read_of_it() -> None:
    with pytest.raises(BadMessageError) as caught:
        decode(a_record(value=b"garbage"), TYPES, "SKHDT")
    assert (caught.value.id, caught.value.source, caught.value.type) == ("1", "urn:agency:skhdt", CountedV1.ce_type)
    with pytest.raises(BadMessageError) as caught:
        decode(a_record(headers=replaced("ce_id", b"\xff")), TYPES, "SKHDT")
    assert (caught.value.id, caught.value.source) == (None, "urn:agency:skhdt")


def test_a_backslash_before_u0000_is_text() -> None:
    event = decode(a_record(value=b'{"number": 1, "note": "\\\\u0000"}'), TYPES, "SKHDT")
    assert isinstance(event, Event)
    assert event.data == CountedV1(number=1, note="\\u0000")


def test_deterministic_ids_are_equal_for_equal_parts_alone() -> None:
    assert deterministic_id("a", "b") == deterministic_id("a", "b")
    assert len({deterministic_id("a", "b"), deterministic_id("a/b"), deterministic_id("a", "b", ""), ""}) == 4
