"""What HTTP requests find in the application: units of work, the catalogue in force, who is asking."""

from dataclasses import dataclass
from typing import Any, cast

from fastapi import Request

from services.catalogue.problems import no_catalogue
from services.catalogue.state import CatalogueState
from shared.bus.unit_of_work import UnitOfWorkFactory
from shared.catalogue.snapshot import Snapshot
from shared.http import identify


@dataclass(frozen=True, slots=True)
class Context:
    """Kept at `app.state.context`."""

    units_of_work: UnitOfWorkFactory[Any]
    state: CatalogueState

    @classmethod
    def of(cls, request: Request) -> "Context":
        """Return the application's context."""
        return cast("Context", request.app.state.context)


reader = identify(lambda request: Context.of(request).state.access)
"""Anybody with a valid token."""


def snapshot_of(request: Request) -> Snapshot:
    """Return the catalogue in force; raises ProblemError 503 before the first release."""
    snapshot = Context.of(request).state.snapshot
    if snapshot is None:
        raise no_catalogue()
    return snapshot
