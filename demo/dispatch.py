"""Things that the planter sends, before any door has wrapped them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from demo.delivery import Delivery
from demo.ledger import Door, Outcome, PlannedReport
from demo.sample import Figures

PACKAGE_TYPE = "vn.lienthong.package.v1"
EXPLANATION_TYPE = "vn.lienthong.explanation.v1"


@dataclass(frozen=True, slots=True)
class Explanation:
    """A unit's explanation (giải trình) of one rule's warnings."""

    rule: str
    text: str


@dataclass(frozen=True, slots=True)
class ReportBody:
    """One report of a package, as it is written."""

    delivery: Delivery
    figures: Figures
    explanations: tuple[Explanation, ...] = ()


@dataclass(frozen=True, slots=True)
class PackageBody:
    """A package: one form, one or several reports."""

    form: str
    document_number: str
    reports: tuple[ReportBody, ...]
    on_behalf_of: str | None = None


@dataclass(frozen=True, slots=True)
class ExplanationBody:
    """An explanation of a version that was judged `needs_explanation`."""

    delivery: Delivery
    version: int
    explanations: tuple[Explanation, ...]


class Garbage(StrEnum):
    """What cannot be taken for a package."""

    NOT_JSON = "not JSON"
    TORN_JSON = "JSON torn in the middle"
    NO_ID = "no ce_id header"
    BAD_HEADER = "a header that is not UTF-8"
    UNKNOWN_TYPE = "an unknown event type"
    TORN_WORKBOOK = "a truncated workbook"
    TOO_LARGE = "a body over the limit"
    NO_TOKEN = "no token"  # noqa: S105 - not a password
    UNKNOWN_TOKEN = "a token that nobody issued"  # noqa: S105 - not a password


@dataclass(frozen=True, slots=True)
class GarbageBody:
    """Garbage, made of a package where that is nearer to life."""

    kind: Garbage
    package: PackageBody


Body = PackageBody | ExplanationBody | GarbageBody


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One thing to send at a stand, in a wave: what follows an answer is in a later wave than what it answers.

    `item` is unique; `case` groups a package with its corrections and explanations. `used_key` is the name of an
    earlier item, under which this one goes out again with other content.
    """

    item: str
    case: str
    what: str
    stand: int
    wave: int
    door: Door
    unit: str
    outcome: Outcome
    body: Body
    reports: tuple[PlannedReport, ...] = ()
    status_expected: int | None = None
    used_key: str | None = None

    @property
    def key(self) -> str:
        """What its sender calls it: the event's id, or the idempotency key."""
        return self.used_key or self.item


@dataclass(frozen=True, slots=True)
class Case:
    """One package that is due, and what its unit does about it."""

    name: str
    unit: str
    form: str
    status: str
    deliveries: tuple[Delivery, ...]
    door: Door
    fate: str
    dispatches: Sequence[Dispatch]
