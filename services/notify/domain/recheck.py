"""The last look before a mail leaves: whether what it says is still true."""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

from services.notify.domain.delivery import Delivery
from services.notify.domain.steps import Kind, Step


class Untrue(StrEnum):
    """Why a step is not told any more."""

    RECEIVED = "received"
    MET = "met"
    CLOSED = "closed"
    REDATED = "redated"
    DEADLINE_GONE = "deadline_gone"


Recheck = Callable[[Step, Delivery, datetime], Untrue | None]
"""Returns why a step is no longer true of a delivery at an instant (business time), or None when it still is."""


def recheck(step: Step, delivery: Delivery, now: datetime) -> Untrue | None:
    """Judge one step by what is known now.

    A reminder is true while the report is awaited for that same date. `passed` stays true, also when the report came
    late, unless a new date was set or nothing is expected any more. Each returned judgement must be told.
    """
    match step.kind:
        case Kind.RETURNED:
            return None
        case Kind.PASSED:
            return _untrue_date(step, delivery)
        case Kind.REMINDER:
            if (untrue := _untrue_date(step, delivery)) is not None:
                return untrue
            if delivery.met:
                return Untrue.MET
            if delivery.received:
                return Untrue.RECEIVED
            return Untrue.DEADLINE_GONE if delivery.due_at is not None and delivery.due_at <= now else None


def _untrue_date(step: Step, delivery: Delivery) -> Untrue | None:
    if delivery.closed is not None:
        return Untrue.CLOSED
    return Untrue.REDATED if delivery.deadline_version != step.deadline_version else None
