"""What an event on a topic says, as a fact: by the attributes and bodies that docs/events/ describes. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from demo.facts import Answer, DeadLetter, DeadlineFact, Judgement, Notification, Received

SUBMISSIONS, RESULTS, DEADLINES, NOTIFICATIONS, FIGURES = (
    "submissions",
    "validation-results",
    "deadlines",
    "notifications",
    "figures",
)
WATERMARK = "watermark.v1"
Fact = Received | Judgement | DeadlineFact | Answer | DeadLetter | Notification


@dataclass(frozen=True, slots=True)
class Record:
    """An event as it was read: `kind` is its type without the prefix, `appended_at` the broker's time (machine)."""

    topic: str
    partition: int
    kind: str
    source: str
    id: str
    body: Mapping[str, Any]
    appended_at: datetime


def fact_of(record: Record) -> Fact | None:  # noqa: PLR0911 - one a topic
    """Return what an event says, or None for one that the books do not need or know."""
    if record.topic.startswith("dlq."):
        return _dead_letter(record)
    if record.topic.startswith("agency."):
        return _answer(record)
    match record.topic, record.kind:
        case "submissions", "submission.received.v1":
            return _received(record)
        case "validation-results", kind if kind.startswith("validation."):
            return _judgement(record)
        case "deadlines", kind if kind.startswith("deadline."):
            return _deadline(record)
        case "notifications", kind if kind.startswith("notification."):
            return _notification(record)
    return None


def _received(record: Record) -> Received:
    body = record.body
    return Received(record.id, body["delivery_id"], body["version"], body["package_id"], _instant(body["received_at"]))


def _judgement(record: Record) -> Judgement:
    body = record.body
    return Judgement(
        record.id, body["delivery_id"], body["version"], body["judgement"], body["verdict"], record.appended_at
    )


def _deadline(record: Record) -> DeadlineFact:
    body = record.body
    due_at = body.get("due_at")
    return DeadlineFact(
        record.id,
        record.kind.split(".")[1],
        body["delivery_id"],
        body["deadline_version"],
        _instant(due_at) if due_at else None,
        body.get("in_time"),
        body.get("version"),
    )


def _notification(record: Record) -> Notification:
    body = record.body
    steps = tuple((notice["delivery_id"], notice["step"]) for notice in body["notices"])
    return Notification(record.id, record.kind.split(".")[1], body["message_id"], body["contact_id"], steps)


def _dead_letter(record: Record) -> DeadLetter:
    body = record.body
    service = record.topic.removeprefix("dlq.")
    return DeadLetter(
        record.id, service, body["topic"], body["partition"], body["offset"], body["reason"], body["detail"]
    )


def _answer(record: Record) -> Answer:
    body = record.body
    reports = body.get("reports") or body.get("submissions") or ()
    return Answer(
        record.id,
        record.topic.split(".")[1],
        record.kind.removeprefix("package.").removesuffix(".v1"),
        body["answers"].get("id"),
        body["answers"].get("offset"),
        body.get("package_id"),
        body.get("verdict"),
        tuple((report["delivery_id"], report["version"], report.get("verdict")) for report in reports),
        tuple(finding["message"]["en"] for finding in body.get("findings", ())),
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
