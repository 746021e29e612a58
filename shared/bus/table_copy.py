"""A compacted topic as a mapping in memory, of which what is in force is always whole."""

from collections.abc import Mapping
from typing import Generic, TypeVar

ValueT = TypeVar("ValueT")


class TableCopy(Generic[ValueT]):
    """Takes a topic's records; `begin_again` and `complete` are a `CompactedTable`'s `on_reset` and `on_ready`.

    Nothing is in force until all was read once, and there was something. While it is read again, into a copy aside, the
    last one stays.
    """

    def __init__(self) -> None:
        self._in_force: dict[str, ValueT] | None = None
        self._latest: dict[str, ValueT] = {}
        self._read_whole = False

    @property
    def in_force(self) -> Mapping[str, ValueT] | None:
        """What was whole last, with all that came since; None before there was anything."""
        return self._in_force

    def put(self, key: str, value: ValueT | None) -> None:
        """Take one record; None removes the key."""
        if value is None:
            self._latest.pop(key, None)
        else:
            self._latest[key] = value
        self._switch()

    def begin_again(self) -> None:
        """Read into a new copy from now on: the topic comes again from its beginning."""
        self._latest, self._read_whole = {}, False

    def complete(self) -> None:
        """Put what was read in force: it is all."""
        self._read_whole = True
        self._switch()

    def replace(self, entries: Mapping[str, ValueT]) -> None:
        """Put these in force in place of all before."""
        self._in_force = self._latest = dict(entries)

    def _switch(self) -> None:
        # An empty topic is that of a new broker: its producer has yet to fill it.
        if self._read_whole and self._latest:
            self._in_force = self._latest
