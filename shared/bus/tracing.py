"""By which ids a log line is found: the package that all began with, and the event that led to the one at hand."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from structlog.contextvars import bind_contextvars, unbind_contextvars

from shared.bus.cloudevents import readable
from shared.bus.records import Record

CORRELATION_ID, CAUSATION_ID = "correlation_id", "causation_id"
IDS_MAX = 10
"""Of a long run the first ids are enough to find the rest."""


def trace_of(records: Sequence[Record]) -> dict[str, str | list[str]]:
    """Return the ids of records as far as they carry them: a text where they agree, else a list."""
    trace: dict[str, str | list[str]] = {}
    pairs = [readable(record.headers, "correlationid", "causationid") for record in records]
    for name, ids in zip((CORRELATION_ID, CAUSATION_ID), zip(*pairs, strict=True), strict=True):
        distinct = list(dict.fromkeys(each for each in ids if each is not None))
        if distinct:
            trace[name] = distinct[0] if len(distinct) == 1 else distinct[:IDS_MAX]
    return trace


@contextmanager
def traced(records: Sequence[Record]) -> Iterator[None]:
    """Let every log line carry the ids of these records, also where a handler binds better ones meanwhile."""
    bind_contextvars(**trace_of(records))
    try:
        yield
    finally:
        unbind_contextvars(CORRELATION_ID, CAUSATION_ID)
