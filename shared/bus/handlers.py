"""The register of a service's handlers: one function an event type, callable in a test without a broker."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from shared.bus.cloudevents import UnknownType
from shared.bus.errors import BadMessageError
from shared.bus.records import Record
from shared.bus.work import ContextT, Work
from shared.events.base import Event, EventData

DataT = TypeVar("DataT", bound=EventData)

Handler = Callable[[Sequence[Event[DataT]], Work[ContextT]], Awaitable[None]]
"""Handles a run of events of one type, in arrival order."""
BadMessageHook = Callable[[Sequence[tuple[Record, BadMessageError]], Work[ContextT]], Awaitable[None]]
"""Answers a run of messages that cannot be read; they are stored as dead letters already, in the same transaction."""
UnknownTypeHook = Callable[[Record, UnknownType, Work[ContextT]], Awaitable[None]]
"""Answers an event of a type without a handler; without a hook such events are skipped."""


class Handlers(Generic[ContextT]):
    """What a service does with each event type of one subscription."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.bad_message_hook: BadMessageHook[ContextT] | None = None
        self.unknown_type_hook: UnknownTypeHook[ContextT] | None = None
        self._types: dict[str, type[EventData]] = {}
        self._handlers: dict[str, Handler[Any, ContextT]] = {}

    @property
    def types(self) -> Mapping[str, type[EventData]]:
        """The models by `ce_type`."""
        return self._types

    def on(self, data_type: type[DataT]) -> Callable[[Handler[DataT, ContextT]], Handler[DataT, ContextT]]:
        """Register the function for an event type; raises ValueError for a second one."""

        def register(handler: Handler[DataT, ContextT]) -> Handler[DataT, ContextT]:
            if data_type.ce_type in self._types:
                raise ValueError(f"{self.service} has a handler for {data_type.ce_type!r} already")
            self._types[data_type.ce_type] = data_type
            self._handlers[data_type.ce_type] = handler
            return handler

        return register

    def on_bad_message(self, hook: BadMessageHook[ContextT]) -> BadMessageHook[ContextT]:
        """Register what answers a message that cannot be read."""
        self.bad_message_hook = hook
        return hook

    def on_unknown_type(self, hook: UnknownTypeHook[ContextT]) -> UnknownTypeHook[ContextT]:
        """Register what answers an event of a type without a handler."""
        self.unknown_type_hook = hook
        return hook

    def handler_of(self, ce_type: str) -> Handler[Any, ContextT]:
        """Return the function for a type that `types` holds."""
        return self._handlers[ce_type]
