"""`lienthong up`: a stack at the terminal, from start to Ctrl-C."""

import asyncio
import signal

from deploy.embedded.report import ConsoleReport
from deploy.embedded.stack import Stack

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def supervise(stack: Stack, report: ConsoleReport) -> None:
    """Run a stack until a signal, also one that comes while it starts; the second signal kills what is still there.

    Raises EmbeddedError when the stack cannot be had.
    """
    asked = asyncio.Event()
    asked_again = asyncio.Event()

    def on_signal() -> None:
        (asked_again if asked.is_set() else asked).set()

    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, on_signal)
    try:
        if await _first(asyncio.create_task(stack.start()), asked):
            report.show(stack.addresses, str(stack.addresses_file))
            await _first(asyncio.create_task(stack.failed()), asked)
            report.say("Đang dừng", "stopping")
        stopping = asyncio.create_task(stack.stop())
        if not await _first(stopping, asked_again, cancel=False):
            await stack.kill_all()
            await stopping
        report.say("Đã dừng", "stopped")
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)


async def _first(work: asyncio.Task[None], event: asyncio.Event, *, cancel: bool = True) -> bool:
    """Wait for the work or the event; return whether the work was done first, raising its error. Else cancel it."""
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if work.done():
        await work
        return True
    if cancel:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
    return False
