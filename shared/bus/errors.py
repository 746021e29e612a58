"""What the bus kit raises: a message that is bad by itself, and misuse of the kit (our own bugs)."""

from collections.abc import Mapping
from enum import StrEnum


class Reason(StrEnum):
    """Why a message was put aside; also a metric label, so the list is closed."""

    UNREADABLE_HEADER = "unreadable_header"
    MISSING_ATTRIBUTE = "missing_attribute"
    DUPLICATE_ATTRIBUTE = "duplicate_attribute"
    INVALID_ATTRIBUTE = "invalid_attribute"
    UNSUPPORTED_SPECVERSION = "unsupported_specversion"
    UNSUPPORTED_CONTENT_TYPE = "unsupported_content_type"
    UNREADABLE_KEY = "unreadable_key"
    EMPTY_BODY = "empty_body"
    NOT_JSON = "not_json"
    INVALID_DATA = "invalid_data"
    HANDLER_FAILED = "handler_failed"


class BadMessageError(Exception):
    """A message cannot be read, whoever tries: the sender's fault, not ours.

    `id`, `source` and `type` are given where they could be read, so that an answer can name the event.
    """

    def __init__(
        self,
        reason: Reason,
        detail: str,
        *,
        id: str | None = None,  # noqa: A002 -- the CloudEvents name of the attribute
        source: str | None = None,
        type: str | None = None,  # noqa: A002 -- the CloudEvents name of the attribute
    ) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail
        self.id = id
        self.source = source
        self.type = type


class UnlockedUnitError(RuntimeError):
    """An event is published for a unit whose lock is not held: its order on the bus would be chance."""


class MessageTooLargeError(ValueError):
    """An event is larger than its topic takes."""


class WrongTopicError(ValueError):
    """An event does not belong on a topic, or the service is not the topic's producer."""


class TopicMismatchError(RuntimeError):
    """Topics are not as the table says, or cannot be made so: nobody may write to them. `faults`: why, by topic."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__("; ".join(faults.values()))
        self.faults = dict(faults)
