"""What is broken, in which order: a function of a number and a seed. Pure."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from shared.failpoints import FAILPOINTS

SERVICES = ("catalogue", "ingest", "validate", "notify")
REPLICAS = {"ingest-2": "ingest", "validate-2": "validate", "notify-2": "notify"}
"""One more process of a service, by the name that the stack knows it by."""
PROCESSES = (*SERVICES, *REPLICAS)
PARTS = ("kafka", "postgres", "smtp")
SUPERVISOR = "supervisor"
LOADER = "catalogue-load"
"""The command that makes a release."""
FREEZE_SECONDS_MIN = 2.0
FREEZE_SECONDS_MAX = 20.0  # longer than a lease and a session last
AWAY_SECONDS = 2.0  # how long the supervisor is away
STOP_SHARE = 0.25  # of the failpoints, where the process is stopped for a while and not killed


class Blind(StrEnum):
    """What happens at a moment that nobody chose, besides what happens at failpoints."""

    SERVICE = "a service killed"
    TWO_SERVICES = "two services killed at once"
    REPLICAS = "both replicas of a service killed at once"
    BROKER = "the broker killed"
    DATABASE = "the database killed"
    MAIL_SERVER = "the mail server killed"
    SUPERVISOR = "the supervisor killed"
    WIPE = "the broker's disk lost"
    FREEZE = "a process stopped, then on"
    RESTART = "a process told to end"


class Net(StrEnum):
    """What happens to the connections of a part, where there are proxies."""

    CUT = "connections cut"
    SLOWED = "connections slowed"
    HALF_OPEN = "connections half open"


SWEEP = "relay.sweep"
"""The place that is reached only when the broker has lost its disk."""
PHASES: tuple[str, ...] = (*FAILPOINTS, *(each for each in Blind if each is not Blind.WIPE or SWEEP in FAILPOINTS))
PHASES_WITH_PROXIES: tuple[str, ...] = (*PHASES, *Net)


class Act(StrEnum):
    """What is done to a process."""

    KILL = "kill"
    STOP = "stop"
    END = "end"
    HARM = "harm"
    """To its connections."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to break. At a failpoint `targets` are who might reach it, the one that is meant first.

    `seconds` is how long a stopped process stays so, or how long a killed supervisor is away.
    """

    number: int
    phase: str
    act: Act
    targets: tuple[str, ...]
    seconds: float = 0.0

    @property
    def at_failpoint(self) -> bool:
        """Whether the process is broken at a place of its code."""
        return self.phase in FAILPOINTS

    @property
    def wipes(self) -> bool:
        """Whether the broker loses its disk."""
        return self.phase in {SWEEP, Blind.WIPE}


def plan(count: int, seed: int, phases: Sequence[str] = PHASES) -> list[Fault]:
    """Return so many faults, spread evenly over the phases: each phase as often as any other, or once more."""
    chance = random.Random(f"faults {seed}")  # noqa: S311 - a game, and a repeatable one
    rounds, rest = divmod(count, len(phases))
    drawn = [*phases] * rounds + chance.sample(phases, k=rest)
    chance.shuffle(drawn)
    return [_fault(number, phase, chance) for number, phase in enumerate(drawn, 1)]


def shares(faults: Sequence[Fault], count: int) -> list[list[Fault]]:
    """Divide the faults, in their order, among so many stretches of time."""
    return [list(faults[len(faults) * at // count : len(faults) * (at + 1) // count]) for at in range(count)]


def replicas_of(process: str) -> tuple[str, ...]:
    """Return all processes of the service that a process belongs to."""
    service = REPLICAS.get(process, process)
    return (service, *(name for name, of in REPLICAS.items() if of == service))


def _fault(number: int, phase: str, chance: random.Random) -> Fault:
    seconds = round(chance.uniform(FREEZE_SECONDS_MIN, FREEZE_SECONDS_MAX), 1)
    everybody = (*PROCESSES, *PARTS)
    if phase in FAILPOINTS:
        act = Act.STOP if chance.random() < STOP_SHARE else Act.KILL
        return Fault(number, phase, act, _reached_by(phase, chance), seconds)
    if phase in set(Net):
        return Fault(number, phase, Act.HARM, (chance.choice(PARTS),), seconds)
    targets: dict[str, tuple[str, ...]] = {
        Blind.SERVICE: (chance.choice(PROCESSES),),
        Blind.TWO_SERVICES: tuple(chance.sample(PROCESSES, k=2)),
        Blind.REPLICAS: replicas_of(chance.choice(list(REPLICAS))),
        Blind.BROKER: ("kafka",),
        Blind.DATABASE: ("postgres",),
        Blind.MAIL_SERVER: ("smtp",),
        Blind.SUPERVISOR: (SUPERVISOR,),
        Blind.WIPE: ("kafka",),
        Blind.FREEZE: (chance.choice(everybody),),
        Blind.RESTART: (chance.choice(everybody),),
    }
    act = {Blind.FREEZE: Act.STOP, Blind.RESTART: Act.END}.get(Blind(phase), Act.KILL)
    return Fault(number, phase, act, targets[phase], AWAY_SECONDS if phase == Blind.SUPERVISOR else seconds)


def _reached_by(phase: str, chance: random.Random) -> tuple[str, ...]:
    name, _, _ = phase.partition(".")
    if phase == "catalogue.release":
        return (LOADER,)
    return _shuffled(replicas_of(name) if name in SERVICES else PROCESSES, chance)


def _shuffled(names: Iterable[str], chance: random.Random) -> tuple[str, ...]:
    shuffled = list(names)
    chance.shuffle(shuffled)
    return tuple(shuffled)
