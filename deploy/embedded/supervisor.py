"""`lienthong up`: a stack at the terminal, from start to Ctrl-C."""

import asyncio
import signal

from deploy.embedded.report import ConsoleReport
from deploy.embedded.stack import Stack

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def supervise(stack: Stack, report: ConsoleReport) -> None:
    """Run a stack until a signal, also one that comes while it starts; the second signal kills what is still there.

    Raises EmbeddedError when the stack cannot be had.
    """
    asked = asyncio.Event()
    asked_again = asyncio.Event()

    def on_signal() -> None:
        (asked_again if asked.is_set() else asked).set()

    loop = asyncio.get_running_loop()
    # Under nohup a hang-up is ignored, and stays so.
    signals = [number for number in STOP_SIGNALS if number != signal.SIGHUP or _heeded(number)]
    for number in signals:
        loop.add_signal_handler(number, on_signal)
    try:
        running = asyncio.create_task(_run(stack, report))
        if await _first(running, asked):
            return
        report.say("Đang dừng", "stopping")
        running.cancel()
        stopping = asyncio.create_task(_close(running, stack))
        if not await _first(stopping, asked_again):
            await stack.kill_all()
            await stopping
        report.say("Đã dừng", "stopped")
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


async def _run(stack: Stack, report: ConsoleReport) -> None:
    """Start the stack and stay; ends only by raising."""
    await stack.start()
    report.show(stack.addresses, str(stack.addresses_file))
    try:
        await stack.failed()
    finally:
        await stack.stop()


async def _close(running: asyncio.Task[None], stack: Stack) -> None:
    await asyncio.gather(running, return_exceptions=True)
    await stack.stop()


def _heeded(number: signal.Signals) -> bool:
    return signal.getsignal(number) != signal.SIG_IGN


async def _first(work: asyncio.Task[None], event: asyncio.Event) -> bool:
    """Wait for the work or the event; return whether the work was done first, raising its error."""
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if work.done():
        await work
        return True
    return False
