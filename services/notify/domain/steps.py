"""Steps: the occasions on which somebody is told something about one delivery."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from shared.delivery_id import DeliveryId


class Kind(StrEnum):
    """What a mail is about; one mail has one kind."""

    REMINDER = "reminder"
    PASSED = "passed"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """One occasion. (delivery, name) is its identity; steps of equal `occasion` become one mail for each contact.

    `at` is the business instant that it is about: of the reminder, of the deadline, of the judgement.
    """

    delivery: DeliveryId
    name: str
    kind: Kind
    occasion: str
    at: datetime
    deadline_version: int = 0


def reminder_step(delivery: DeliveryId, deadline_version: int, days_before: int, at: datetime) -> Step:
    """Return the step `reminder:<days before>`, with the number of the date from the second one on."""
    name = _numbered(f"{Kind.REMINDER.value}:{days_before}", deadline_version)
    return Step(delivery, name, Kind.REMINDER, f"{Kind.REMINDER.value} {at.isoformat()}", at, deadline_version)


def passed_step(delivery: DeliveryId, deadline_version: int, due_at: datetime) -> Step:
    """Return the step `passed`, with the number of the date from the second one on."""
    name = _numbered(Kind.PASSED.value, deadline_version)
    return Step(delivery, name, Kind.PASSED, f"{Kind.PASSED.value} {due_at.isoformat()}", due_at, deadline_version)


def returned_step(delivery: DeliveryId, version: int, judgement: int, package: UUID, at: datetime) -> Step:
    """Return the step `returned:<version>.<judgement>`; what one package sent is told in one mail."""
    name = f"{Kind.RETURNED.value}:{version}.{judgement}"
    return Step(delivery, name, Kind.RETURNED, f"{Kind.RETURNED.value} {package}", at)


def judgement_of(step: str) -> tuple[int, int]:
    """Return (version, judgement) of a `returned` step; raises ValueError for another step."""
    kind, _, numbers = step.partition(":")
    if kind != Kind.RETURNED.value:
        raise ValueError(f"{step!r} is no step of a returned report")
    version, _, judgement = numbers.partition(".")
    return int(version), int(judgement)


def package_of(occasion: str) -> str | None:
    """Return the package that an occasion of returned reports is about; other occasions follow from no package."""
    kind, _, package = occasion.partition(" ")
    return package if kind == Kind.RETURNED.value else None


def _numbered(name: str, deadline_version: int) -> str:
    return name if deadline_version == 1 else f"{name}:{deadline_version}"
