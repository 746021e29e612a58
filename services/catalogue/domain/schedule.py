"""The schedule: which deliveries an obligation gives, when each opens and when it is due."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from services.catalogue.domain.due_rules import parse_due_rule
from services.catalogue.domain.working_days import WorkingDays
from shared.delivery_id import DeliveryId
from shared.events.catalogue import CalendarV1, ObligationV1, ObligationVersion, Shift, on_day
from shared.periods import Frequency, Period, PeriodBasis

END_OF_DAY = time(23, 59, 59)
MONTHS_AHEAD = 12
"""How many months after its due date a period may end: `Y+0:01-31` of a year."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A delivery to come. `due_at` None: history, never due. Instants are business time in UTC."""

    id: DeliveryId
    due_rule: str
    shift: Shift
    open_days_before: int
    opens_at: datetime
    due_at: datetime | None


@dataclass(frozen=True)
class Schedule:
    """Reckons with one calendar."""

    calendar: CalendarV1
    days: WorkingDays

    @classmethod
    def of(cls, calendar: CalendarV1) -> "Schedule":
        """Return the schedule by a calendar; raises CalendarError for an unknown country."""
        return cls(calendar, WorkingDays.of(calendar))

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which days begin and end."""
        return ZoneInfo(self.calendar.timezone)

    def due_day(self, due_rule: str, shift: Shift, period: Period) -> date:
        """Return the day that a report is due by, shifted off days off; raises DueRuleError."""
        return self.days.shifted(parse_due_rule(due_rule).day_for(period, self.days), shift)

    def due_at(self, due_rule: str, shift: Shift, period: Period) -> datetime:
        """Return the last second of the due day (23:59:59 in the calendar's zone), in UTC; all of it is in time."""
        return self.at(self.due_day(due_rule, shift, period), END_OF_DAY)

    def at(self, day: date, moment: time) -> datetime:
        """Return a local day and time in UTC."""
        return datetime.combine(day, moment, self.zone).astimezone(UTC)

    def is_live(self, period: Period) -> bool:
        """Whether the period's last month lies within the live window; all others are history."""
        month, calendar = period.last_month_code, self.calendar
        return calendar.live_from <= month and (calendar.live_until is None or month <= calendar.live_until)

    def deliveries(self, obligations: Iterable[ObligationV1], now: datetime, horizon: datetime) -> Iterator[Planned]:
        """Yield what is open by `now` or opens by `horizon`, from `history_from` on.

        History after the live window is open once its usual opening day has come; history before it at once.
        """
        for obligation in obligations:
            open_days = max((version.open_days_before for version in obligation.versions), default=0)
            last = horizon.astimezone(self.zone).date() + timedelta(days=open_days)
            for period in periods_of(obligation, _months(self.calendar.history_from, last)):
                version = on_day(obligation.versions, period.bounds()[1])
                planned = self._planned(version, period, now, horizon) if version is not None else None
                if planned is not None:
                    yield planned

    def _planned(
        self, obligation: ObligationVersion, period: Period, now: datetime, horizon: datetime
    ) -> Planned | None:
        delivery = DeliveryId(obligation.unit, obligation.form, period, obligation.status)
        day = self.due_day(obligation.due_rule, obligation.shift, period)
        opens_at = self.at(day - timedelta(days=obligation.open_days_before), time.min)
        due_at: datetime | None = self.at(day, END_OF_DAY)
        if not self.is_live(period):
            due_at = None
            if period.last_month_code < self.calendar.live_from:
                opens_at = min(opens_at, now)
        if opens_at > horizon:
            return None
        return Planned(delivery, obligation.due_rule, obligation.shift, obligation.open_days_before, opens_at, due_at)


def periods_of(obligation: ObligationV1, months: Iterable[tuple[int, int]]) -> Iterator[Period]:
    """Yield the periods of the obligation's frequency that end in these months."""
    frequency = _frequency(obligation)
    if frequency is None:
        return
    for year, month in months:
        period = Period.ending(frequency, year, month)
        if period is not None:
            yield period


def leaves_working_day(obligation: ObligationVersion, schedule: Schedule, year: int) -> bool:
    """Whether every period of a year leaves a working day between cut-off and due date (Decree 09/2019).

    Only the administrative basis (15th to 14th) has a cut-off.
    """
    if obligation.period_basis is not PeriodBasis.ADMIN_15_14:
        return True
    for month in range(1, 13):
        period = Period.ending(obligation.frequency, year, month)
        if period is None:
            continue
        cut_off = period.bounds(obligation.period_basis)[1]
        if schedule.days.count_after(cut_off, schedule.due_day(obligation.due_rule, obligation.shift, period)) < 1:
            return False
    return True


def _frequency(obligation: ObligationV1) -> Frequency | None:
    return obligation.versions[0].frequency if obligation.versions else None


def _months(first: str, latest_due: date) -> Iterator[tuple[int, int]]:
    year, month = map(int, first.split("-"))
    last = latest_due.year * 12 + latest_due.month - 1 + MONTHS_AHEAD
    for index in range(year * 12 + month - 1, last + 1):
        yield index // 12, index % 12 + 1
