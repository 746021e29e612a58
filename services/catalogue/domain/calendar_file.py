"""Reads calendar.json: the live window, days off, reminders."""

from pydantic import ValidationError

from services.catalogue.domain.schedule import Schedule
from services.catalogue.domain.sheets import Findings
from services.catalogue.domain.working_days import CalendarError
from shared.events.catalogue import CalendarV1
from shared.text import Text

CALENDAR = "calendar.json"


def read_calendar(content: str, findings: Findings) -> Schedule | None:
    """Read the calendar and return the schedule by it; None, and findings, when it cannot be used."""
    try:
        calendar = CalendarV1.model_validate_json(content)
    except ValidationError as error:
        for item in error.errors(include_url=False, include_input=False):
            place = ".".join(map(str, item["loc"])) or "JSON"
            _fault(findings, place, item["msg"])
        return None
    if len({override.day for override in calendar.overrides}) < len(calendar.overrides):
        _fault(findings, "overrides", "a day stands here twice")
    if calendar.live_until is not None and calendar.live_until < calendar.live_from:
        _fault(findings, "live_until", "is before live_from")
    try:
        schedule = Schedule.of(calendar)
        _ = schedule.zone
    except (CalendarError, KeyError, ValueError) as error:  # ZoneInfoNotFoundError is a KeyError
        _fault(findings, "holidays_country, timezone", str(error))
        return None
    return schedule


def _fault(findings: Findings, place: str, reason: str) -> None:
    findings.add(
        CALENDAR,
        Text(vi=f"Mục «{place}» không dùng được: {reason}", en=f"“{place}” cannot be used: {reason}"),
        Text(vi="Xem tài liệu về lịch trong README của catalogue", en="See the calendar in the catalogue's README"),
        column=place,
    )
