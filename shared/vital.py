"""Background tasks that a process cannot do without: when one ends by itself, the process ends, too.

Half a process is worse than none: it answers, and does nothing. A supervisor starts a whole one again.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from shared.logs import get_logger

OnLoss = Callable[[], None]

log = get_logger(__name__)


def end_process() -> None:
    """Ask this process to end as its supervisor would: uvicorn lets requests end, and the service closes in order."""
    os.kill(os.getpid(), signal.SIGTERM)


class VitalTasks:
    """Runs tasks that are to live until `expect_end`. Belongs to one event loop.

    When one ends before (with an exception, cancelled by somebody else, or as if it were done), `alive` turns false
    and `on_loss` is called: `end_process` where the process is the service's own.
    """

    def __init__(self, on_loss: OnLoss | None = None) -> None:
        self._on_loss = on_loss
        self._tasks: dict[asyncio.Task[None], bool] = {}
        self._end_expected = False
        self._lost: list[str] = []

    @property
    def alive(self) -> bool:
        """Whether none has ended that should live; readiness tells."""
        return not self._lost

    def start(self, name: str, work: Coroutine[Any, Any, None], *, once: bool = False) -> asyncio.Task[None]:
        """Start a task; one that is to run `once` may be done at any time, but not fail."""
        task = asyncio.create_task(work, name=name)
        self._tasks[task] = once
        task.add_done_callback(self._ended)
        return task

    def expect_end(self) -> None:
        """From now on tasks may end: the service stops."""
        self._end_expected = True

    async def wait(self, seconds_max: float) -> None:
        """Let the tasks end, and cancel those that do not."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds_max)
            for task in late:
                task.cancel()

    async def cancel(self, seconds_max: float) -> None:
        """End the tasks now."""
        for task in list(self._tasks):
            task.cancel()
        await self.wait(seconds_max)

    def _ended(self, task: asyncio.Task[None]) -> None:
        once = self._tasks.pop(task)
        error = None if task.cancelled() else task.exception()
        if error is None and (self._end_expected or (once and not task.cancelled())):
            return
        # Said as critical, and with a traceback, also at the end: an error in closing is a fault, too.
        log.critical("vital_task_ended", task=task.get_name(), exc_info=error)
        if not self._end_expected:
            self._lost.append(task.get_name())
            if self._on_loss is not None:
                self._on_loss()
