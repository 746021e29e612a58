"""Moments that nothing may fall into: many hold one side, one alone the other, and who waits for that goes first."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class Stillness:
    """While somebody sends what cannot be repeated, the broker keeps its disk, and the other way round."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._holders = 0
        self._wanted = False

    @property
    def wanted(self) -> bool:
        """Whether somebody is alone, or waits for it."""
        return self._wanted

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Hold the side of those who send."""
        with self._changed:
            self._changed.wait_for(lambda: not self._wanted)
            self._holders += 1
        try:
            yield
        finally:
            with self._changed:
                self._holders -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold it against all of them."""
        with self._changed:
            self._changed.wait_for(lambda: not self._wanted)
            self._wanted = True
            self._changed.wait_for(lambda: not self._holders)
        try:
            yield
        finally:
            with self._changed:
                self._wanted = False
                self._changed.notify_all()
