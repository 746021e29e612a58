"""When a deadline ends."""

from datetime import datetime, timedelta

LAST_SECOND = timedelta(seconds=1)
"""A deadline is published as the last second in time, 23:59:59: all of that second belongs to it."""


def end_of_deadline(due_at: datetime) -> datetime:
    """Return the first instant that is too late: the midnight after the day that a report is due by."""
    return due_at + LAST_SECOND
