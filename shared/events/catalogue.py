"""Topics `catalogue`, `contacts` and `access`: the catalogue of statistical information (danh mục thông tin thống kê).

An entity's message carries its whole history: versions with validity dates, compared with the reference period.
"""

from collections.abc import Sequence
from datetime import date, time
from enum import StrEnum
from typing import ClassVar, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.delivery_id import Status
from shared.events.base import EventData
from shared.periods import Frequency, PeriodBasis
from shared.text import Text


class Valid(BaseModel):
    """Something that holds from one day to another, both inclusive; an end left open is null."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    valid_from: date | None = None
    valid_until: date | None = None

    def covers(self, day: date) -> bool:
        """Whether it holds on this day."""
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_until is None or day <= self.valid_until
        )


ValidT = TypeVar("ValidT", bound=Valid)


def on_day(versions: Sequence[ValidT], day: date) -> ValidT | None:
    """Return the last version that holds on a day, or None."""
    return next((version for version in reversed(versions) if version.covers(day)), None)


class UnitVersion(Valid):
    """A reporting unit (đơn vị báo cáo) during a time."""

    name: Text
    kind: str
    parent: str | None = None
    geo_code: str | None = None
    kafka_door: bool = Field(default=False, description="whether it publishes on `agency.<unit>.submissions`")


class UnitV1(EventData):
    """A unit and its history."""

    ce_type: ClassVar[str] = "vn.lienthong.catalogue.unit.v1"

    code: str
    versions: tuple[UnitVersion, ...]


class Code(BaseModel):
    """One code of a code list."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    code: str
    name: Text
    parent: str | None = None


class CodeListVersion(Valid):
    """A code list (phân tổ) during a time. The total `_T` is not listed."""

    name: Text
    codes: tuple[Code, ...]


class CodeListV1(EventData):
    """A code list and its history; its id is the name of the dimension."""

    ce_type: ClassVar[str] = "vn.lienthong.catalogue.code_list.v1"

    id: str
    versions: tuple[CodeListVersion, ...]


class Accumulation(StrEnum):
    """Whether a figure adds up over time: only flows do."""

    FLOW = "flow"
    STOCK = "stock"
    RATE = "rate"
    INDEX = "index"


class IndicatorVersion(Valid):
    """A statistical indicator (chỉ tiêu thống kê) during a time."""

    name: Text
    unit_of_measure: str
    group: str
    dimensions: tuple[str, ...] = ()
    accumulation: Accumulation


class IndicatorV1(EventData):
    """An indicator and its history."""

    ce_type: ClassVar[str] = "vn.lienthong.catalogue.indicator.v1"

    code: str
    versions: tuple[IndicatorVersion, ...]


class Column(BaseModel):
    """A column of a form: `value`, `cumulative` (since January), `plan` and the like.

    `frequencies` limits it to reports of these frequencies; empty means all.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    name: Text
    frequencies: tuple[Frequency, ...] = ()


class LineDimension(BaseModel):
    """A dimension that a line breaks down by; no codes means the whole code list."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    dimension: str
    codes: tuple[str, ...] = ()


class Line(BaseModel):
    """A template of cells: indicator × the product of its dimensions' codes × columns. No dimension: the total."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    indicator: str
    dimensions: tuple[LineDimension, ...] = ()
    columns: tuple[str, ...]
    decimals: int = Field(default=0, ge=0, le=6)
    required: bool = True


class Direction(StrEnum):
    """Inward: a unit reports to the Statistics Office. Outward: the office shares back."""

    INWARD = "inward"
    OUTWARD = "outward"


class FormVersion(Valid):
    """A report form (biểu mẫu) during a time, stored as templates of cells."""

    title: Text
    direction: Direction = Direction.INWARD
    receiver: str | None = Field(default=None, description="code of the receiving unit")
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]


class FormV1(EventData):
    """A form and its history."""

    ce_type: ClassVar[str] = "vn.lienthong.catalogue.form.v1"

    code: str
    versions: tuple[FormVersion, ...]


class RuleVersion(Valid):
    """A validation rule of a form during a time, in the rule language (docs/rules.md)."""

    form: str
    severity: str = Field(pattern="^(error|warning|information)$")
    expression: str
    tolerance: str = Field(default="0", description="a decimal, absolute, inclusive, in the cell's unit of measure")
    name: Text
    frequencies: tuple[Frequency, ...] = Field(
        default=(), description="limits it to these frequencies; empty means all"
    )
    mend: Text | None = None


class RuleV1(EventData):
    """A rule and its history."""

    ce_type: ClassVar[str] = "vn.lienthong.catalogue.rule.v1"

    code: str
    versions: tuple[RuleVersion, ...]


class Shift(StrEnum):
    """Where a date moves that falls on a day off."""

    NEXT_WORKING_DAY = "next_working_day"
    PREVIOUS_WORKING_DAY = "previous_working_day"
    NONE = "none"


class NotApplicable(BaseModel):
    """Cells that a unit need not fill: an indicator, or only some codes of one of its dimensions."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    indicator: str
    dimension: str | None = None
    codes: tuple[str, ...] = ()


class ObligationVersion(Valid):
    """A unit's duty to deliver a form (SDMX: provision agreement) during a time."""

    unit: str
    form: str
    frequency: Frequency
    status: Status
    due_rule: str = Field(description="`P+0:D18`, `P+1:WD05`, `Y+1:03-31`")
    period_basis: PeriodBasis = PeriodBasis.CALENDAR
    open_days_before: int = Field(default=30, ge=0, description="calendar days before the deadline")
    shift: Shift = Shift.NEXT_WORKING_DAY
    indicators: tuple[str, ...] = Field(description="the form's indicators that this unit reports")
    not_applicable: tuple[NotApplicable, ...] = ()


class ObligationV1(EventData):
    """An obligation and its history; its id is `unit/form/frequency/status`, each percent-encoded."""

    ce_type: ClassVar[str] = "vn.lienthong.catalogue.obligation.v1"

    id: str
    versions: tuple[ObligationVersion, ...]


class DayOverride(BaseModel):
    """A decision on one day: a day off, or a working Saturday (hoán đổi ngày làm việc)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    day: date
    working: bool
    note: str


class ReminderStep(BaseModel):
    """When to remind: so many days before the deadline's day, at this time of the day in the calendar's zone."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    days_before: int = Field(ge=0)
    at: time


class CalendarV1(EventData):
    """The calendar of deliveries: which periods are live, days off, reminders. One entity, key `calendar`.

    Periods whose last month is before `live_from` or after `live_until` are history: open from the load
    (from `history_from` on), never due, never announced. Months are written `2024-06`.
    """

    ce_type: ClassVar[str] = "vn.lienthong.catalogue.calendar.v1"

    timezone: str = "Asia/Ho_Chi_Minh"
    holidays_country: str = "VN"
    history_from: str = Field(pattern=r"^\d{4}-\d{2}$")
    live_from: str = Field(pattern=r"^\d{4}-\d{2}$")
    live_until: str | None = Field(default=None, pattern=r"^\d{4}-\d{2}$")
    overrides: tuple[DayOverride, ...] = ()
    reminders: tuple[ReminderStep, ...] = ()


class ReleaseV1(EventData):
    """Marks the end of a release: readers switch to it all at once. Each entity of the release came before it."""

    ce_type: ClassVar[str] = "vn.lienthong.catalogue.release.v1"

    release: int = Field(ge=1, description="counts from 1")
    published_at: AwareDatetime
    entity_count: int = Field(ge=0, description="entities in the whole catalogue, tombstones not counted")
    note: str = ""


class ContactRole(StrEnum):
    """What a contact (đầu mối) does for the unit."""

    RESPONSIBLE = "responsible"
    DELEGATE = "delegate"


class ContactV1(EventData):
    """A contact's name and address; only notify reads this topic, elsewhere a contact is an opaque id."""

    ce_type: ClassVar[str] = "vn.lienthong.catalogue.contact.v1"

    id: str
    unit: str
    name: str
    email: str
    role: ContactRole
    forms: tuple[str, ...] = Field(default=(), description="a delegate's forms; empty means all")
    valid_from: date | None = None
    valid_until: date | None = None


class AccessV1(EventData):
    """What a token may do; key = the token's SHA-256 in hex. Revoked = tombstone."""

    ce_type: ClassVar[str] = "vn.lienthong.catalogue.access.v1"

    scopes: tuple[str, ...] = Field(description="`unit:<code>`, `statistician`, `leader`, `operator`")
    subject: str = Field(description="who holds it, for logs")
    expires_at: AwareDatetime | None = None
