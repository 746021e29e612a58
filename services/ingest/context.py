"""What HTTP requests find in the application."""

from dataclasses import dataclass
from typing import cast

from fastapi import Request

from services.ingest.senders import OFFICE_SCOPES, Senders
from services.ingest.state import IngestState
from shared.bus.unit_of_work import UnitOfWorkFactory


@dataclass(frozen=True, slots=True)
class Context:
    """Kept at `app.state.context`."""

    units_of_work: UnitOfWorkFactory[IngestState]
    state: IngestState
    senders: Senders
    office_scopes: tuple[str, ...] = OFFICE_SCOPES

    @classmethod
    def of(cls, request: Request) -> "Context":
        """Return the application's context."""
        return cast("Context", request.app.state.context)
