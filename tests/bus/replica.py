"""The small service as a process of its own: `python -m tests.bus.replica BOOTSTRAP_SERVERS DATABASE_URL PREFIX`.

Prints `ready` when it consumes; ends on SIGTERM, or is killed.
"""

import asyncio
import signal
import sys

from tests.bus.counter import make_counter


async def main(bootstrap_servers: str, database_url: str, prefix: str) -> None:
    """Run until SIGTERM."""
    service = make_counter(bootstrap_servers, database_url, prefix)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    service.bus.start()
    await service.bus.wait_ready()
    print("ready", flush=True)
    await ended.wait()
    await service.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
