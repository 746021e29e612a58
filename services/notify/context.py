"""What handlers, jobs and HTTP requests find: the state in memory, the settings, the clock."""

from dataclasses import dataclass
from typing import cast

from fastapi import Request

from services.notify.settings import NotifySettings
from services.notify.state import NotifyState
from shared.bus.unit_of_work import UnitOfWorkFactory
from shared.clock import Clock
from shared.http import identify


@dataclass(frozen=True, slots=True)
class Context:
    """The service's own context of a unit of work."""

    state: NotifyState
    settings: NotifySettings
    clock: Clock


@dataclass(frozen=True, slots=True)
class WebContext:
    """Kept at `app.state.context`."""

    units_of_work: UnitOfWorkFactory[Context]
    context: Context

    @classmethod
    def of(cls, request: Request) -> "WebContext":
        """Return the application's context."""
        return cast("WebContext", request.app.state.context)


reader = identify(lambda request: WebContext.of(request).context.state.access)
"""Anybody with a valid token."""
