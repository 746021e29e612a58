"""The small service as a process of its own: `python -m tests.bus.replica BOOTSTRAP_SERVERS DATABASE_URL PREFIX`.

Prints `ready` when it consumes; ends on SIGTERM, or is killed. Logs as a service does, as JSON to standard error. With
a number as fourth argument it fails at that number, and says `effect` before each other.
"""

import asyncio
import signal
import sys

from shared.events.base import Event
from shared.logs import configure_logs, get_logger
from tests.bus.counter import make_counter
from tests.bus.events import CountedV1

log = get_logger(__name__)


async def main(bootstrap_servers: str, database_url: str, prefix: str, fails_at: str | None = None) -> None:
    """Run until SIGTERM."""
    configure_logs("counter", "json")
    service = make_counter(bootstrap_servers, database_url, prefix)

    def before_effect(event: Event[CountedV1]) -> None:
        if event.data.number == int(fails_at or -1):
            raise ZeroDivisionError
        log.info("effect", number=event.data.number)

    if fails_at is not None:
        service.before_effect = before_effect
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    service.bus.start()
    await service.bus.wait_ready()
    print("ready", flush=True)
    await ended.wait()
    await service.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
