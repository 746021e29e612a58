"""`python -m benchmarks.noisy_neighbour`: what one sender's garbage costs the others.

Correct packages go in at a steady pace, first alone, then among as many malformed ones: from one unit in between, from
one unit all at once, from all units. Printed is how long a verdict takes, for the units that send no garbage.
"""

import asyncio
import itertools
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from benchmarks.post import Parcel, Parcels, Post
from demo.sample import Sample
from demo.stack import Addresses
from deploy.embedded.stack import DEFAULT_SAMPLE, DEFAULT_START, Stack

SETTLE_SECONDS_MAX = 120.0
RATIO_MAX = 2.0


@dataclass(frozen=True, slots=True)
class Run:
    """One run: seconds from sending to verdict of each package of the units that are watched."""

    name: str
    seconds: Sequence[float]

    def percentile(self, share: float) -> float:
        """Return the time within which a share of the verdicts came."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def paced(post: Post, parcels: Iterable[Parcel], per_second: float) -> list[Parcel]:
    """Send at a steady pace, reading meanwhile; return what was sent."""
    sent = []
    begin = time.monotonic()
    for number, parcel in enumerate(parcels):
        while (rest := begin + number / per_second - time.monotonic()) > 0:
            post.read(min(rest, 0.05))
        post.send(parcel)
        sent.append(parcel)
    post.flush()
    return sent


def settle(post: Post, sent: Sequence[Parcel]) -> None:
    """Wait until each has its last answer: a verdict, or a rejection. Raises TimeoutError."""
    deadline = time.monotonic() + SETTLE_SECONDS_MAX
    while missing := len(sent) - answered(post, sent):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{missing} of {len(sent)} have no answer")
        post.read(0.2)


def answered(post: Post, sent: Sequence[Parcel]) -> int:
    """Count what has its last answer."""
    verdicts = {answer.id for answer in post.of_kind("verdict")}
    rejected = {(answer.unit, answer.offset) for answer in post.of_kind("package.rejected")}
    places = {parcel.id: (parcel.unit, post.offsets[parcel.id][1]) for parcel in sent}
    return sum(places[parcel.id] in rejected if parcel.garbage else parcel.id in verdicts for parcel in sent)


def delays(post: Post, sent: Sequence[Parcel], units: Iterable[str]) -> list[float]:
    """Return the seconds from sending to verdict, of the good packages of these units."""
    watched = set(units)
    at = {answer.id: answer.at for answer in post.of_kind("verdict")}
    return [at[each.id] - post.sent_at[each.id] for each in sent if each.garbage is None and each.unit in watched]


def measure(addresses: Addresses, parcels: Parcels, count: int, per_second: float) -> list[Run]:
    """Do all runs on a stack; the first is the quiet one."""
    noisy, *others = parcels.units
    post = Post(addresses.bootstrap_servers, parcels.units)
    runs = []

    def run(name: str, sending: Iterable[Parcel], pace: float = per_second) -> None:
        sent = paced(post, sending, pace)
        settle(post, sent)
        runs.append(Run(name, delays(post, sent, others)))

    def good() -> Iterable[Parcel]:
        return (parcels.good(unit) for unit in itertools.islice(itertools.cycle(others), count))

    def among(units: Sequence[str]) -> Iterable[Parcel]:
        for parcel, unit in zip(good(), itertools.cycle(units), strict=False):
            yield parcel
            yield parcels.malformed(unit)

    def heap() -> Iterable[Parcel]:
        """Everything malformed at once, when a quarter of the good ones is sent."""
        for number, parcel in enumerate(good()):
            if number == count // 4:
                for _ in range(count):
                    post.send(heaped := parcels.malformed(noisy))
                    malformed.append(heaped)
            yield parcel

    try:
        settle(post, paced(post, itertools.islice(good(), 4 * len(others)), per_second))  # warms everything up
        run("quiet", good())
        run("one unit's garbage in between", among([noisy]), 2 * per_second)
        malformed: list[Parcel] = []
        run("one unit's garbage at once", heap())
        settle(post, malformed)
        run("everybody's garbage in between", among(parcels.units), 2 * per_second)
        run("quiet again", good())
    finally:
        post.close()
    return runs


def table(runs: Sequence[Run]) -> str:
    """Return the runs as a table, each beside the quiet one."""
    quiet = runs[0].percentile(0.99)
    lines = [f"{'seconds to a verdict':<34}{'count':>7}{'p50':>9}{'p99':>9}{'max':>9}{'p99 / quiet':>14}"]
    for run in runs:
        p50, p99, most = run.percentile(0.5), run.percentile(0.99), run.percentile(1)
        lines.append(f"{run.name:<34}{len(run.seconds):>7}{p50:>9.3f}{p99:>9.3f}{most:>9.3f}{p99 / quiet:>14.2f}")
    return "\n".join(lines)


async def play(data: Path, count: int, per_second: float) -> list[Run]:
    """Run a stack and measure on it."""
    sample = Sample.read(DEFAULT_SAMPLE)
    async with Stack(data) as stack:
        units = {code for code, unit in sample.units.items() if unit.kafka_door}
        parcels = Parcels(sample, units, DEFAULT_START)
        return await asyncio.to_thread(measure, Addresses.read(stack.addresses_file), parcels, count, per_second)


def main(
    count: Annotated[int, typer.Option(min=100, help="good packages in each run, and as many malformed ones")] = 500,
    per_second: Annotated[float, typer.Option(min=1, help="good packages a second")] = 20.0,
) -> None:
    """Measure what garbage costs those who send none; exit 1 when a p99 is more than twice the quiet one."""
    with TemporaryDirectory(prefix="lienthong-bench-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL's own account passes through
        runs = asyncio.run(play(Path(folder) / "data", count, per_second))
    typer.echo(table(runs))
    if max(run.percentile(0.99) for run in runs[1:-1]) > RATIO_MAX * runs[0].percentile(0.99):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
