"""What can be seen from outside, as values: the checker's other side of the books."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Received:
    """A version on the topic `submissions`."""

    event_id: str
    delivery: str
    version: int
    package_id: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Judgement:
    """Judgement `number` of a version, on the topic `validation-results`."""

    event_id: str
    delivery: str
    version: int
    number: int
    verdict: str
    appended_at: datetime


@dataclass(frozen=True, slots=True)
class DeadlineFact:
    """An event on the topic `deadlines`: `change` is opened, passed, met and so on."""

    event_id: str
    change: str
    delivery: str
    deadline_version: int
    due_at: datetime | None
    in_time: bool | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer on `agency.<unit>.answers`: `kind` is received, rejected or verdict.

    `answers_id` and `answers_offset` name the event it answers. `reports` are (delivery, version, verdict or None).
    """

    event_id: str
    unit: str
    kind: str
    answers_id: str | None
    answers_offset: int | None
    package_id: str | None
    verdict: str | None = None
    reports: tuple[tuple[str, int, str | None], ...] = ()
    findings: tuple[str, ...] = ()

    @property
    def name(self) -> str | int | None:
        """What it answers: an id, or an offset where no id could be read."""
        return self.answers_id if self.answers_id is not None else self.answers_offset


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message on a topic `dlq.<service>`."""

    event_id: str
    service: str
    topic: str
    partition: int
    offset: int
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail in the mailbox; `steps` are (delivery, step) from its header."""

    message_id: str
    to: tuple[str, ...]
    subject: str
    steps: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Notification:
    """An event on the topic `notifications`: `change` is sent, failed or suppressed."""

    event_id: str
    change: str
    message_id: str
    contact: str
    steps: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class PackageStatus:
    """What `GET /v1/packages/{id}` says: the merged verdict, None while there is none."""

    package_id: str
    verdict: str | None


@dataclass(frozen=True)
class Facts:
    """All that was seen. Events that came twice under one id are here once, as every reader of the topics does it."""

    received: tuple[Received, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    deadlines: tuple[DeadlineFact, ...] = ()
    answers: tuple[Answer, ...] = ()
    dead_letters: tuple[DeadLetter, ...] = ()
    mails: tuple[Mail, ...] = ()
    notifications: tuple[Notification, ...] = ()
    statuses: tuple[PackageStatus, ...] = ()
    figures: Mapping[str, int] = field(default_factory=dict)
    """Version of the accepted figures by delivery."""
