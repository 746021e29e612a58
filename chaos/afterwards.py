"""What every process says of itself when all is over: it is ready, it holds the newest catalogue, nothing is stuck."""

import re
import time
from collections.abc import Iterator, Mapping

import httpx

from demo.checks.imbalance import Imbalance

SECONDS_MAX = 60.0
POLL_SECONDS = 0.5
RELEASE = re.compile(r"^lienthong_\w*release (\S+)$", re.MULTILINE)
PARKED = re.compile(r"^lienthong_bus_outbox_parked\{.*\} (\S+)$", re.MULTILINE)


def look(processes: Mapping[str, str], client: httpx.Client) -> list[Imbalance]:
    """Ask each process by its address until nothing is wrong, a minute at most; return what is wrong then."""
    until = time.monotonic() + SECONDS_MAX
    while (found := list(_look_once(processes, client))) and time.monotonic() < until:
        time.sleep(POLL_SECONDS)
    return found


def _look_once(processes: Mapping[str, str], client: httpx.Client) -> Iterator[Imbalance]:
    releases: dict[str, float] = {}
    for name, address in processes.items():
        try:
            ready = client.get(f"{address}/health/ready")
            metrics = client.get(f"{address}/metrics").text
        except httpx.HTTPError as error:
            yield Imbalance("process_missing", name, f"{type(error).__name__}: {error}")
            continue
        if not ready.is_success:
            yield Imbalance("not_ready", name, ready.text)
        if (found := RELEASE.search(metrics)) is not None:
            releases[name] = float(found[1])
        parked = sum(float(count) for count in PARKED.findall(metrics))
        if parked:
            yield Imbalance("outbox_parked", name, f"{parked:.0f} events will never be published")
    newest = max(releases.values(), default=0.0)
    for name in processes:
        if releases.get(name) != newest:
            yield Imbalance("release_missing", name, f"holds {releases.get(name)}, the newest is {newest:.0f}")
