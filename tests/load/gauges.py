"""What may grow without end in a stack that runs for long: memory, file handles, connections, dead rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import asyncpg
import psutil

from deploy.embedded.stack import SERVICES, Stack

MEGABYTE = 1024 * 1024
_DEAD = "select sum(n_dead_tup), sum(n_live_tup) from pg_stat_user_tables"
_CONNECTIONS = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"


@dataclass(frozen=True)
class Sample:
    """The gauges of one moment: by service, and of the database."""

    rss: dict[str, int]
    handles: dict[str, int]
    connections: int
    dead_rows: int
    live_rows: int


async def take_sample(stack: Stack) -> Sample:
    """Read all gauges; every service must run."""
    processes = {name: psutil.Process(stack.part(name).pid) for name in SERVICES}
    connection = await asyncpg.connect(stack.addresses.database_url.replace("+asyncpg", "", 1))
    try:
        dead, live = await connection.fetchrow(_DEAD)
        connections = await connection.fetchval(_CONNECTIONS)
    finally:
        await connection.close()
    return Sample(
        rss={name: process.memory_info().rss for name, process in processes.items()},
        handles={name: process.num_fds() for name, process in processes.items()},
        connections=connections,
        dead_rows=int(dead),
        live_rows=int(live),
    )


@dataclass(frozen=True)
class Growth:
    """One gauge in the second and in the last third of a run; `allowed` is how much the last may have."""

    gauge: str
    second: float
    last: float
    allowed: float

    @property
    def too_much(self) -> bool:
        return self.last > self.allowed

    def __str__(self) -> str:
        return f"{self.gauge:22} {self.second:10.1f} {self.last:10.1f}   allowed {self.allowed:.1f}"


def growths(samples: Sequence[Sample]) -> list[Growth]:
    """Compare the second with the last third. The first is left out: caches fill, pools open."""
    third = len(samples) // 3
    second, last = samples[third : 2 * third], samples[2 * third :]
    found = []
    for name in SERVICES:
        rss = [median(each.rss[name] for each in part) / MEGABYTE for part in (second, last)]
        found.append(Growth(f"{name} RSS, MB", rss[0], rss[1], rss[0] * 1.08 + 5))
        handles = [median(each.handles[name] for each in part) for part in (second, last)]
        found.append(Growth(f"{name} handles", handles[0], handles[1], handles[0] + 5))
    connections = [median(each.connections for each in part) for part in (second, last)]
    found.append(
        Growth("connections", connections[0], connections[1], connections[0] + 8)
    )  # a pool may open a few more
    dead = [max(100 * each.dead_rows / max(1, each.live_rows) for each in part) for part in (second, last)]
    found.append(Growth("dead rows, % of live", dead[0], dead[1], dead[0] * 1.5 + 5))
    return found
