"""Invented monthly figures of the sample: a series per unit, indicator and breakdown, as scaled whole numbers.

Everything is drawn from seeds made of names, so that a figure does not depend on the order in which it is asked for.
A figure has two vintages: `firm`, and the `estimate` that was sent while its month was still going on.
"""
# ruff: noqa: INP001, S311 - a folder of data, no package; invented figures need no secure randomness

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

SEED = "khanh-hoa-2024"
ESTIMATE_ERROR = 0.015
"""How far an estimate is from the firm figure, as a share, at most."""
SHARE_NOISE_MAX = 0.04
"""How far a breakdown's share wanders from month to month, at most; no further than the indicator itself."""
GROWTH_BASE = 2024 * 12
"""Levels are those of January 2024, as a month index (year × 12 + month - 1)."""

Key = tuple[tuple[str, str], ...]
"""Dimension codes of a cell, sorted by dimension; empty is the total."""
Margin = tuple[str, ...]
"""Dimensions of a breakdown, sorted; empty is the total."""


@dataclass(frozen=True, slots=True)
class Level:
    """How an indicator behaves: its monthly level and what moves it.

    `behaviour`: smooth, count, stock, rate, fixed, `per:<indicator>` (so much a case of another indicator) or
    `copy:<indicator>/<dimension>=<code>` (the total is one part of another indicator).
    """

    level: float
    behaviour: str
    noise: float
    growth: float
    season: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of a dimension's codes: shares where a total exists, factors of the level where there is none."""

    of: Mapping[str, float]


def drawn(*parts: object) -> random.Random:
    """Return a generator whose numbers depend on these parts alone."""
    return random.Random("/".join((SEED, *map(str, parts))))


def shared_out(total: int, weights: Mapping[str, float], noise: float, chance: random.Random) -> dict[str, int]:
    """Split a total over codes by largest remainders, so that the parts add up to it exactly.

    `noise` is how far a share may wander. A code of weight 0 gets nothing; every other one gets at least 1 where the
    total allows it.
    """
    shares = {code: weight * (1 + chance.uniform(-noise, noise)) for code, weight in weights.items()}
    whole = sum(shares.values())
    exact = {code: total * share / whole for code, share in shares.items()}
    parts = {code: math.floor(value) for code, value in exact.items()}
    by_remainder = sorted(parts, key=lambda code: (parts[code] - exact[code], code))
    for code in by_remainder[: total - sum(parts.values())]:
        parts[code] += 1
    starved = [code for code, weight in weights.items() if weight and not parts[code]]
    for code in starved if total >= len(weights) else ():
        richest = max(parts, key=lambda other: (parts[other], other))
        parts[richest] -= 1
        parts[code] += 1
    return parts


def cases(mean: float, chance: random.Random) -> int:
    """Return a number of cases, Poisson distributed (by the normal law where the mean is large)."""
    if mean > 30:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), chance.random(), 0
    while product > limit:
        product *= chance.random()
        count += 1
    return count


class Series:
    """The figures of every unit and indicator, by month and vintage."""

    def __init__(
        self,
        level_of: Callable[[str, str], Level],
        weights_of: Callable[[str, str, str], Weights],
        margins_of: Callable[[str, str], Sequence[Margin]],
        decimals_of: Callable[[str, str], int],
        district_share: Callable[[str, str], float],
    ) -> None:
        self._level_of, self._weights_of = level_of, weights_of
        self._margins_of, self._decimals_of = margins_of, decimals_of
        self._district_share = district_share
        self.month: Callable[[str, str, int, str], dict[Key, int]] = cache(self._month)

    def _month(self, unit: str, indicator: str, month: int, vintage: str) -> dict[Key, int]:
        """Return every cell of one month (year × 12 + month - 1), scaled by the indicator's decimals."""
        level = self._level_of(unit, indicator)
        behaviour, _, source = level.behaviour.partition(":")
        match behaviour:
            case "rate":
                return self._rates(unit, indicator, month, vintage)
            case "count":
                return self._counts(unit, indicator, month, vintage)
            case "per":
                return self._amounts(unit, indicator, source, month, vintage)
            case "copy":
                other, _, part = source.partition("/")
                dimension, _, code = part.partition("=")
                total = self.month(unit, other, month, vintage)[((dimension, code),)]
                if self._decimals_of(unit, indicator) != self._decimals_of(unit, other):
                    raise ValueError(f"{indicator} repeats a part of {other}: give both the same decimals")
                return self._broken_down(unit, indicator, month, vintage, {(): total})
            case _:
                return self._broken_down(unit, indicator, month, vintage, {})

    def _expected(self, unit: str, indicator: str, month: int) -> float:
        level = self._level_of(unit, indicator)
        season = level.season[month % 12] if level.season else 1.0
        growth = (1 + level.growth) ** ((month - GROWTH_BASE) / 12)
        share = 1.0 if level.behaviour in ("rate", "fixed") else self._district_share(unit, indicator)
        return float(level.level * season * growth * share)

    def _noisy(self, unit: str, indicator: str, month: int, vintage: str, *, key: Key = (), factor: float = 1) -> int:
        level = self._level_of(unit, indicator)
        noise = 0.0 if level.behaviour == "fixed" else level.noise
        value = self._expected(unit, indicator, month) * factor * float(10 ** self._decimals_of(unit, indicator))
        value *= 1 + drawn(unit, indicator, key, month).uniform(-noise, noise)
        if vintage == "estimate":
            error = min(ESTIMATE_ERROR, noise)
            value *= 1 + drawn(unit, indicator, key, month, vintage).uniform(-error, error)
        return round(value)

    def _factor(self, unit: str, indicator: str, key: Iterable[tuple[str, str]]) -> float:
        return math.prod(self._weights_of(unit, indicator, dimension).of[code] for dimension, code in key)

    def _keys(self, unit: str, indicator: str, margin: Margin) -> list[Key]:
        keys: list[Key] = [()]
        for dimension in margin:
            codes = self._weights_of(unit, indicator, dimension).of
            keys = [(*key, (dimension, code)) for key in keys for code in codes]
        return keys

    def _rates(self, unit: str, indicator: str, month: int, vintage: str) -> dict[Key, int]:
        return {
            key: self._noisy(unit, indicator, month, vintage, key=key, factor=self._factor(unit, indicator, key))
            for margin in self._margins_of(unit, indicator)
            for key in self._keys(unit, indicator, margin)
        }

    def _broken_down(
        self, unit: str, indicator: str, month: int, vintage: str, cells: dict[Key, int]
    ) -> dict[Key, int]:
        """Fill the margins from the total outwards; one without a total starts from its codes' own levels."""
        margins = self._margins_of(unit, indicator)
        noise = min(SHARE_NOISE_MAX, self._level_of(unit, indicator).noise)
        for margin in margins:
            parent = next((d for d in reversed(margin) if tuple(x for x in margin if x != d) in margins), None)
            if parent is None:
                for key in self._keys(unit, indicator, margin):
                    factor = self._factor(unit, indicator, key)
                    if key not in cells:
                        cells[key] = self._noisy(unit, indicator, month, vintage, key=key, factor=factor)
                continue
            weights = self._weights_of(unit, indicator, parent).of
            for key in self._keys(unit, indicator, tuple(d for d in margin if d != parent)):
                chance = drawn(unit, indicator, key, parent, month, vintage)
                for code, part in shared_out(cells[key], weights, noise, chance).items():
                    cells[tuple(sorted((*key, (parent, code))))] = part
        return cells

    def _counts(self, unit: str, indicator: str, month: int, vintage: str) -> dict[Key, int]:
        """Draw the cases of a month, then where each belongs; an estimate is one case off now and then."""
        scale = 10 ** self._decimals_of(unit, indicator)
        mean = self._expected(unit, indicator, month) * scale
        total = cases(mean, drawn(unit, indicator, month))
        if vintage == "estimate":
            total = max(0, total + drawn(unit, indicator, month, vintage).choice((-1, 0, 0, 1)))
        cells: dict[Key, int] = {}
        for margin in self._margins_of(unit, indicator):
            cells.update(dict.fromkeys(self._keys(unit, indicator, margin), 0))
            cells[()] = total
            for dimension in margin:  # a count has one-way breakdowns only
                weights = self._weights_of(unit, indicator, dimension).of
                chance = drawn(unit, indicator, dimension, month)
                for code in chance.choices(list(weights), list(weights.values()), k=total):
                    cells[((dimension, code),)] += 1
        return cells

    def _amounts(self, unit: str, indicator: str, source: str, month: int, vintage: str) -> dict[Key, int]:
        """Give every case of another indicator an amount; the breakdowns add the amounts of their own cases."""
        counts = self.month(unit, source, month, vintage)
        scale = 10 ** self._decimals_of(unit, indicator)
        level, chance = self._level_of(unit, indicator).level, drawn(unit, indicator, month)
        amounts = [max(1, round(level * scale * chance.uniform(0.4, 1.6))) for _ in range(counts[()])]
        cells: dict[Key, int] = {(): sum(amounts)}
        for margin in filter(None, self._margins_of(unit, indicator)):
            used = 0
            for key in self._keys(unit, indicator, margin):
                cells[key] = sum(amounts[used : used + counts[key]])
                used += counts[key]
        return cells
