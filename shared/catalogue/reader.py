"""The catalogue in memory: the whole topic, swapped at each release. One a service."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from shared.access import AccessTable
from shared.bus import Record, ServiceBus
from shared.bus.cloudevents import UnknownType, decode
from shared.bus.topics import ACCESS, CATALOGUE
from shared.catalogue.builder import SnapshotBuilder
from shared.catalogue.snapshot import Snapshot
from shared.events.catalogue import AccessV1
from shared.problems import UnavailableError

log = structlog.get_logger(__name__)

OnRelease = Callable[[Snapshot], None]
_TYPES = {data_type.ce_type: data_type for data_type in CATALOGUE.types}
_ACCESS_TYPES = {AccessV1.ce_type: AccessV1}


class CatalogueReader:
    """Keeps the newest release. While a new broker's topic is read again, the last one stays in force."""

    def __init__(self) -> None:
        self.snapshot: Snapshot | None = None
        self._builder = SnapshotBuilder()
        self._listeners: list[OnRelease] = []
        self._changed = asyncio.Condition()

    def attach(self, bus: ServiceBus[Any]) -> None:
        """Read the topic through this bus."""
        bus.table(CATALOGUE.name, self.apply, on_reset=self._reset)

    def on_release(self, listener: OnRelease) -> None:
        """Call `listener` with each new snapshot, soon after the switch; it must not block."""
        self._listeners.append(listener)

    @property
    def release(self) -> int | None:
        """The release in force, None before the first."""
        return self.snapshot.release if self.snapshot else None

    async def wait_first(self) -> None:
        """Wait, for ever, until there is a catalogue; a service gives this as the bus's `before_consuming`."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.snapshot is not None)

    async def wait_for(self, release: int, seconds_max: float) -> Snapshot:
        """Return the newest snapshot once it is at least this release; raises UnavailableError after `seconds_max`."""
        try:
            async with asyncio.timeout(seconds_max), self._changed:
                await self._changed.wait_for(lambda: self.snapshot is not None and self.snapshot.release >= release)
        except TimeoutError:
            raise UnavailableError(f"catalogue release {release} has not arrived, {self.release} is in force") from None
        if self.snapshot is None:
            raise UnavailableError("no catalogue release has arrived")
        return self.snapshot

    async def apply(self, record: Record) -> None:
        """Take one record of the topic."""
        event = decode(record, _TYPES, "")
        if isinstance(event, UnknownType):
            return  # a kind that a newer catalogue publishes
        snapshot = self._builder.apply(event.data)
        if snapshot is None or (self.snapshot is not None and snapshot.release <= self.snapshot.release):
            return
        async with self._changed:
            self.snapshot = snapshot
            self._changed.notify_all()
        log.info("catalogue_release", release=snapshot.release)
        for listener in self._listeners:
            listener(snapshot)

    def _reset(self) -> None:
        self._builder = SnapshotBuilder()


def attach_access(table: AccessTable, bus: ServiceBus[Any]) -> None:
    """Keep a table of tokens up to date from the topic `access`."""

    def apply(record: Record) -> None:
        digest = (record.key or b"").decode()
        if record.value is None:
            table.put(digest, None)
            return
        event = decode(record, _ACCESS_TYPES, "")
        if not isinstance(event, UnknownType) and isinstance(event.data, AccessV1):
            table.put(digest, event.data)

    bus.table(ACCESS.name, apply, on_reset=table.begin_again, on_ready=table.complete)
