"""How a commit wakes the relay of its own process, without a round trip through the database."""

import asyncio
from collections.abc import Collection


class RelayWakeup:
    """Collects the slots that have new rows until the relay asks. Belongs to one event loop."""

    def __init__(self) -> None:
        self._slots: set[int] = set()
        self._event = asyncio.Event()

    def wake(self, slots: Collection[int]) -> None:
        """Say that rows of these slots were committed."""
        if slots:
            self._slots.update(slots)
            self._event.set()

    async def wait(self, seconds_max: float) -> set[int]:
        """Return the slots with new rows as soon as there are some, an empty set after `seconds_max`."""
        try:
            async with asyncio.timeout(seconds_max):
                await self._event.wait()
        except TimeoutError:
            return set()
        slots, self._slots = self._slots, set()
        self._event.clear()
        return slots
