"""What HTTP requests find in the application: units of work, the catalogue in force, who is asking."""

from dataclasses import dataclass
from typing import cast

from fastapi import Request

from services.ingest.http_source import HttpSource
from services.ingest.state import IngestState
from shared.bus.unit_of_work import UnitOfWorkFactory
from shared.http import identify


@dataclass(frozen=True, slots=True)
class Context:
    """Kept at `app.state.context`."""

    units_of_work: UnitOfWorkFactory[IngestState]
    state: IngestState
    http_source: HttpSource

    @classmethod
    def of(cls, request: Request) -> "Context":
        """Return the application's context."""
        return cast("Context", request.app.state.context)


sender = identify(lambda request: Context.of(request).state.access)
"""Anybody with a valid token."""
