"""Ports: drawn at random once, kept in a file, so that a part comes back where its clients look for it."""

import asyncio
import json
import random
import socket
import time
from pathlib import Path

from deploy.embedded.files import write_atomically

LOWEST = 15_000
# Below the range from which systems take the near ends of outgoing connections (Linux 32768, others 49152): a port in
# there could be taken by anybody's connection while its part is restarting.
HIGHEST = 32_000
TRIES = 200
POLL_SECONDS = 0.05
HOST = "127.0.0.1"


def is_free(port: int) -> bool:
    """Tell whether a server could listen on the port of the local address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


async def becomes_free(port: int, seconds: float) -> bool:
    """Wait until the port is free; a process that was killed may keep it until its last thread is gone."""
    deadline = time.monotonic() + seconds
    while not is_free(port):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)
    return True


def free_port(taken: frozenset[int] = frozenset()) -> int:
    """Draw a free port outside `taken`; raises RuntimeError when 200 draws find none."""
    chance = random.SystemRandom()
    for _ in range(TRIES):
        port = chance.randint(LOWEST, HIGHEST)
        if port not in taken and is_free(port):
            return port
    message = f"no free port between {LOWEST} and {HIGHEST}"
    raise RuntimeError(message)


class PortBook:
    """The ports of one folder by name; each is drawn when it is first asked for, and then stays."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def port(self, name: str, wanted: int | None = None) -> int:
        """Return the port called `name`; `wanted` replaces what was kept."""
        ports: dict[str, int] = json.loads(self._path.read_text()) if self._path.exists() else {}
        if wanted is None and name in ports:
            return ports[name]
        port = wanted if wanted is not None else free_port(frozenset(ports.values()))
        if ports.get(name) != port:
            ports[name] = port
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path, json.dumps(ports, indent=1) + "\n")
        return port
