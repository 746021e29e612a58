"""CloudEvents 1.0 on Kafka, binary mode: attributes in headers, the data alone as JSON body.

Any CloudEvents SDK writes and reads this (Kafka protocol binding 1.0.2, section 3.2). Reading is strict: what a
sender got wrong is said at once, with the place, and nothing unreadable reaches a handler or the database.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

from pydantic import ValidationError

from shared.bus.errors import BadMessageError, Reason
from shared.bus.records import Record
from shared.events.base import Event, EventData

SPECVERSION = "1.0"
CONTENT_TYPE = "content-type"
JSON_CONTENT_TYPE = "application/json"
ATTRIBUTE_LENGTH_MAX = 512
"""Characters in one attribute; `id` and `source` together must fit an index entry of PostgreSQL (2,704 bytes)."""
ERRORS_SHOWN_MAX = 5

_REQUIRED = ("specversion", "id", "source", "type")
_KNOWN = frozenset({*_REQUIRED, "time", "subject", "correlationid", "causationid"})
_PREFIX = "ce_"
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# PostgreSQL stores no NUL in text; an odd number of backslashes makes it an escape and not a backslash before 'u0000'.
_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_JSON_MEDIA_TYPE = re.compile(r"application/(?:json|[a-z0-9.+-]+\+json)(?:\s*;.*)?", re.IGNORECASE)
_STRUCTURED_MEDIA_TYPE = re.compile(r"application/cloudevents", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class EncodedMessage:
    """A Kafka message as bytes; `value` None is a tombstone."""

    key: bytes
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class UnknownType:
    """A well-formed event of a type that the reader has no model for; its body was not read."""

    id: str
    source: str
    type: str
    unit: str


def deterministic_id(*parts: str) -> str:
    """Return the id of an event that must exist once: equal parts give equal ids (UUID version 5)."""
    return str(uuid5(NAMESPACE_URL, "/".join(part.replace("%", "%25").replace("/", "%2F") for part in parts)))


def encode(event: Event[EventData], key: str | None = None) -> EncodedMessage:
    """Write an event as a Kafka message; the key is the unit unless the topic is keyed by something else."""
    attributes = {
        "specversion": SPECVERSION,
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "time": event.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "subject": event.subject,
        "correlationid": event.correlation_id,
        "causationid": event.causation_id,
    }
    headers = [(_PREFIX + name, value.encode()) for name, value in attributes.items() if value is not None]
    headers.append((CONTENT_TYPE, JSON_CONTENT_TYPE.encode()))
    return EncodedMessage(
        key=(event.unit if key is None else key).encode(),
        value=event.data.model_dump_json().encode(),
        headers=tuple(headers),
    )


def decode(record: Record, types: Mapping[str, type[EventData]], unit: str) -> Event[EventData] | UnknownType:
    """Read a Kafka message as an event of one of the types (by `ce_type`), or as one of a type that is not known.

    `unit` comes from the channel: the key, or the name of an agency's topic. An event without `ce_time` has the
    time of its Kafka timestamp. Raises BadMessageError when the message is no CloudEvent in binary mode, or when its
    data does not fit the model.
    """
    try:
        return _decode(record, types, unit)
    except BadMessageError as error:
        error.id, error.source, error.type = readable_identity(record.headers)
        raise


def readable_identity(headers: Sequence[tuple[str, bytes | None]]) -> tuple[str | None, str | None, str | None]:
    """Return what can be read of a bad message's (id, source, type); each None where it cannot."""
    event_id, source, ce_type = readable(headers, "id", "source", "type")
    return event_id, source, ce_type


def readable(headers: Sequence[tuple[str, bytes | None]], *attributes: str) -> tuple[str | None, ...]:
    """Return some attributes of a message, good or bad; None for one that is missing, given twice or unreadable."""
    found: dict[str, list[str | None]] = {attribute: [] for attribute in attributes}
    for name, value in headers:
        attribute = _attribute_of(name)
        if attribute in found:
            found[attribute].append(_text_or_none(value))
    return tuple(values[0] if len(values) == 1 else None for values in found.values())


def _decode(record: Record, types: Mapping[str, type[EventData]], unit: str) -> Event[EventData] | UnknownType:
    attributes, content_type = _attributes(record.headers)
    event_id, source, ce_type = attributes["id"], attributes["source"], attributes["type"]
    time = _time(attributes.get("time"), record.timestamp)
    data_type = types.get(ce_type)
    if data_type is None:
        return UnknownType(id=event_id, source=source, type=ce_type, unit=unit)
    return Event(
        id=event_id,
        source=source,
        type=ce_type,
        time=time,
        data=_data(record.value, content_type, data_type),
        unit=unit,
        subject=attributes.get("subject"),
        correlation_id=attributes.get("correlationid"),
        causation_id=attributes.get("causationid"),
    )


def _attributes(headers: Sequence[tuple[str, bytes | None]]) -> tuple[dict[str, str], str | None]:
    """Return the known attributes and the content type; raises BadMessageError for what is missing or unreadable."""
    attributes: dict[str, str] = {}
    for name, value in headers:
        attribute = CONTENT_TYPE if name.lower() == CONTENT_TYPE else _attribute_of(name)
        if attribute is None:
            continue  # extensions and transport headers of others are none of our business
        if attribute in attributes:
            raise BadMessageError(Reason.DUPLICATE_ATTRIBUTE, f"header {name!r} is given twice")
        attributes[attribute] = _header_text(name, value)
    content_type = attributes.pop(CONTENT_TYPE, None)
    if content_type is not None and _STRUCTURED_MEDIA_TYPE.match(content_type):
        raise BadMessageError(
            Reason.UNSUPPORTED_CONTENT_TYPE,
            f"content-type {content_type!r} is structured mode; send binary mode, attributes in ce_ headers",
        )
    for required in _REQUIRED:
        if not attributes.get(required):
            raise BadMessageError(Reason.MISSING_ATTRIBUTE, f"header '{_PREFIX}{required}' is missing or empty")
    if attributes["specversion"] != SPECVERSION:
        raise BadMessageError(
            Reason.UNSUPPORTED_SPECVERSION, f"ce_specversion is {attributes['specversion']!r}, expected '1.0'"
        )
    return attributes, content_type


def _attribute_of(name: str) -> str | None:
    attribute = name.removeprefix(_PREFIX)
    return attribute if attribute != name and attribute in _KNOWN else None


def _header_text(name: str, value: bytes | None) -> str:
    try:
        text = (value or b"").decode()
    except UnicodeDecodeError as error:
        raise BadMessageError(Reason.UNREADABLE_HEADER, f"header {name!r} is not UTF-8: {error.reason}") from None
    if len(text) > ATTRIBUTE_LENGTH_MAX:
        raise BadMessageError(
            Reason.INVALID_ATTRIBUTE, f"header {name!r} has {len(text)} characters, at most {ATTRIBUTE_LENGTH_MAX}"
        )
    if _CONTROL_CHARACTER.search(text):
        raise BadMessageError(Reason.INVALID_ATTRIBUTE, f"header {name!r} holds a control character")
    return text


def _text_or_none(value: bytes | None) -> str | None:
    try:
        return _header_text("", value) or None
    except BadMessageError:
        return None


def _time(text: str | None, kafka_timestamp_ms: int) -> datetime:
    if text is None:
        return datetime.fromtimestamp(kafka_timestamp_ms / 1000, UTC)
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is not None:
            return time.astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # said below, with the text that could not be read
    raise BadMessageError(
        Reason.INVALID_ATTRIBUTE, f"header 'ce_time' is {text!r}, expected RFC 3339 with an offset from UTC"
    )


def _data(value: bytes | None, content_type: str | None, data_type: type[EventData]) -> EventData:
    if content_type is not None and _JSON_MEDIA_TYPE.fullmatch(content_type.strip()) is None:
        raise BadMessageError(
            Reason.UNSUPPORTED_CONTENT_TYPE, f"content-type is {content_type!r}, expected 'application/json'"
        )
    if not value:
        raise BadMessageError(Reason.EMPTY_BODY, "the message has no body")
    if b"\\u0000" in value and _ESCAPED_NUL.search(value):
        raise BadMessageError(Reason.INVALID_DATA, "the body holds the character U+0000, which no text may have")
    try:
        return data_type.model_validate_json(value)
    except ValidationError as error:
        raise _bad_data(error) from None


def _bad_data(error: ValidationError) -> BadMessageError:
    """Turn pydantic's errors into one short line: `reports.0.period: …; …`, without the input itself."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    if any(each["type"] == "json_invalid" for each in errors):
        return BadMessageError(Reason.NOT_JSON, errors[0]["msg"])
    shown = [f"{'.'.join(map(str, each['loc'])) or '(body)'}: {each['msg']}" for each in errors[:ERRORS_SHOWN_MAX]]
    if len(errors) > ERRORS_SHOWN_MAX:
        shown.append(f"and {len(errors) - ERRORS_SHOWN_MAX} more")
    return BadMessageError(Reason.INVALID_DATA, "; ".join(shown))
