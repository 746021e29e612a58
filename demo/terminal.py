"""Where a run tells of itself, and how it is ended."""

import signal
from types import FrameType

from rich.console import Console

REPORT_WIDTH = 140
"""In characters, where the output goes to a file; a terminal has its own."""


def report_console() -> Console:
    """Return a console that is wide enough for a report."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=REPORT_WIDTH)


def end_like_an_interrupt() -> None:
    """Let SIGTERM raise KeyboardInterrupt, as Ctrl-C does: whatever was started is stopped."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
