"""What the planter intends, written down before it is done: the one source that the checker believes.

One JSON object a line, flushed to the disk before the send that it announces. A `Sending` without a `Sent` is a send
whose outcome nobody saw.
"""

import os
from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from threading import Lock
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class Door(StrEnum):
    """How a thing comes in."""

    KAFKA = "kafka"
    JSON = "http_json"
    EXCEL = "http_excel"


class Verdict(StrEnum):
    """What the system may answer, from best to worst."""

    ACCEPTED = "accepted"
    ACCEPTED_WITH_WARNINGS = "accepted_with_warnings"
    NEEDS_EXPLANATION = "needs_explanation"
    RETURNED = "returned"
    REJECTED = "rejected"

    @property
    def acceptable(self) -> bool:
        """Whether a version with this verdict counts as delivered."""
        return self in {Verdict.ACCEPTED, Verdict.ACCEPTED_WITH_WARNINGS}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the merged verdict of a package."""
    return max(verdicts, key=list(Verdict).index)


class Outcome(StrEnum):
    """What must become of a thing that is sent."""

    RECEIVED = "received"  # acknowledged, each report judged
    EXPLAINED = "explained"  # a version judged `needs_explanation` is judged again
    REJECTED = "rejected"  # one `rejected` answer (Kafka) or one 422 with findings (HTTP)
    DEAD_LETTER = "dead_letter"  # one dead letter and one `rejected` answer
    REFUSED = "refused"  # one 4xx


class Entry(BaseModel):
    """What every line has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    machine_at: datetime


class Started(Entry):
    """The stack is up; business time stands here."""

    kind: Literal["started"] = "started"
    business_at: datetime
    seed: int


class ClockMoved(Entry):
    """Business time is about to jump to this instant."""

    kind: Literal["clock_moved"] = "clock_moved"
    business_at: datetime


class PlannedReport(BaseModel):
    """One report of a package: the version that it becomes and the verdict that it deserves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    delivery: str
    version: int = Field(ge=1)
    verdict: Verdict
    observation_count: int = Field(ge=0)


class Sending(Entry):
    """Something is about to be sent.

    `item` is unique in the ledger. `business_at` is business time at the send, never near a reminder or a deadline.
    `what` says in one word what is special about it. An explanation has one report: the version that it explains and
    the verdict that follows.
    """

    kind: Literal["sending"] = "sending"
    item: str
    case: str
    what: str
    door: Door
    unit: str
    outcome: Outcome
    business_at: datetime
    reports: tuple[PlannedReport, ...] = ()
    ce_source: str | None = None
    ce_id: str | None = None
    status_expected: int | None = None


class Sent(Entry):
    """What came back at once: partition's offset from Kafka, or the status and the package from HTTP."""

    kind: Literal["sent"] = "sent"
    item: str
    offset: int | None = None
    status: int | None = None
    package_id: str | None = None
    finding_count: int = 0
    problem: str | None = None


class SendingAgain(Entry):
    """Something that was sent is about to be sent again, the same under the same name; a `Sent` follows."""

    kind: Literal["sending_again"] = "sending_again"
    item: str


AnyEntry = Annotated[Started | ClockMoved | Sending | Sent | SendingAgain, Field(discriminator="kind")]
_ENTRY: TypeAdapter[AnyEntry] = TypeAdapter(AnyEntry)


class LedgerFile:
    """An append-only file; `write` returns once the line is on the disk."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")
        self._lock = Lock()

    def write(self, *entries: AnyEntry) -> None:
        """Append entries in order, with one flush to the disk."""
        lines = b"".join(entry.model_dump_json().encode() + b"\n" for entry in entries)
        with self._lock:
            self._file.write(lines)
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_ledger(path: Path) -> Iterator[AnyEntry]:
    """Yield the entries of a ledger; a torn last line is the send that never began."""
    for line in path.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):
            yield _ENTRY.validate_json(line)
