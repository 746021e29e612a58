"""What is a broken world rather than a bad message, and how long to wait before trying again."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from aiokafka.errors import KafkaError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from shared.database import is_transient as is_transient_in_database
from shared.problems import UnavailableError

ResultT = TypeVar("ResultT")

# A file that is or is not there says something about our data, not about the state of the world.
_LASTING_OS_ERRORS = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError)


def is_transient(error: BaseException) -> bool:
    """Whether an error will pass by itself, so that the same work should be tried again as long as it lasts."""
    if isinstance(error, ExceptionGroup):
        return all(is_transient(each) for each in error.exceptions)
    if isinstance(error, (UnavailableError, KafkaError, PoolTimeoutError)):
        return True
    if isinstance(error, OSError):
        return not isinstance(error, _LASTING_OS_ERRORS)
    return is_transient_in_database(error)


@dataclass(slots=True)
class Backoff:
    """Pauses that double from `first_seconds` to `seconds_max`, each shortened by up to half by chance.

    There is no last attempt: the caller's loop says when to stop.
    """

    first_seconds: float = 0.1
    seconds_max: float = 2.0
    _attempts: int = field(default=0, init=False)

    def next_seconds(self) -> float:
        """Return the next pause in seconds."""
        whole = min(self.seconds_max, self.first_seconds * 2.0 ** min(self._attempts, 30))
        self._attempts += 1
        return whole * random.uniform(0.5, 1.0)  # noqa: S311 -- jitter, no secret

    async def pause(self, stopping: asyncio.Event | None = None) -> None:
        """Wait for the next pause, or until `stopping` is set."""
        await pause(self.next_seconds(), stopping)


async def pause(seconds: float, stopping: asyncio.Event | None = None) -> None:
    """Wait some seconds, or until `stopping` is set."""
    if stopping is None:
        await asyncio.sleep(seconds)
        return
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return


class StoppedError(Exception):
    """The process is to stop; what was being done is left undone and comes again after the restart."""


async def until_it_works(
    action: Callable[[], Awaitable[ResultT]],
    *,
    stopping: asyncio.Event,
    on_retry: Callable[[BaseException], None],
) -> ResultT:
    """Do something, again and again while the world is broken: this retry is endless on purpose.

    Any other fault comes out. Raises StoppedError when `stopping` is set before it worked.
    """
    backoff = Backoff()
    while not stopping.is_set():
        try:
            return await action()
        except Exception as error:
            if not is_transient(error):
                raise
            on_retry(error)
        await backoff.pause(stopping)
    raise StoppedError
