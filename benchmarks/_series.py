"""Series of mention counts made by chance, with incidents planted, to measure detectors on.

Six weeks of 5-minute buckets; the first two are for learning. Kinds:

- usual: a rhythm of the day and of the week, a trend, moods of hours, overdispersion
- viral: on top of that, posts that spread, with a power law of sizes
- copies: stories that many repeat within the hour or two
- digest: posts on a schedule, by the day or the working day
- jumps: the level changes for good every week or so; no incidents
- night: nobody writes at night
- growth: up or down to a fifth

Each series has an announced outage and one that only shows as zeros. Incidents are a step of three
hours, a ramp of six, a burst of 45 minutes or a slow burn of 36 hours. They are sized in standard
deviations of what the series counts over that length without them: 5 (S), 10 (M) or 25 (L), and at
least 5, 10 or 20 mentions. Every third series has none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PER_DAY = 288
PER_HOUR = 12
DAYS = 42
TRAINING = 14 * PER_DAY  # buckets that are not scored
LENGTH = DAYS * PER_DAY

Floats = NDArray[np.float64]
Chance = np.random.Generator

SHAPES = {"step": 36, "ramp": 72, "burst": 9, "slow": 432}  # buckets
SIZES = {"S": (5.0, 5.0), "M": (10.0, 10.0), "L": (25.0, 20.0)}  # deviations, mentions at least
LEVELS = (0.05, 0.2, 1.0, 5.0, 20.0, 200.0)  # mentions in five minutes


class Incident(NamedTuple):
    """Buckets [first, last] carry it."""

    first: int
    last: int
    shape: str
    size: str


@dataclass(slots=True)
class Series:
    """Counts by bucket, nan = not collected, and what was planted."""

    kind: str
    level: float
    counts: Floats
    incidents: list[Incident] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Noise:
    """How counts scatter around their mean: a mood of so many buckets' memory, and per bucket."""

    mood: float = 0.2  # standard deviation of the log rate
    memory: float = 24.0
    shape: float = 12.0  # of the negative binomial

    def counts(self, mean: Floats, chance: Chance) -> Floats:
        """One bucket after the other."""
        keep = math.exp(-1.0 / self.memory)
        kicks = chance.normal(0.0, self.mood * math.sqrt(1.0 - keep * keep), len(mean))
        mood = np.empty(len(mean))
        now = chance.normal(0.0, self.mood)
        for i, kick in enumerate(kicks):
            now = mood[i] = keep * now + kick
        rate = mean * np.exp(mood - self.mood**2 / 2)
        return chance.poisson(rate * chance.gamma(self.shape, 1.0 / self.shape, len(mean))).astype(
            float
        )

    def variance(self, mean: Floats) -> float:
        """Of the sum over a stretch with these means."""
        total = float(mean.sum())
        share = min(1.0, 2.0 * self.memory / len(mean))
        moods = total * total * math.expm1(self.mood**2) * share
        return total + float((mean * mean).sum()) / self.shape + moods


Made = tuple[Series, Floats | None, Noise]  # the mean that incidents are sized by; None = none


def rhythm(chance: Chance) -> Floats:
    """Times the mean, by bucket: a busy time of day, another one, weekends, single weekdays."""
    at = np.arange(LENGTH)
    hour, day = at % PER_DAY / PER_DAY, at // PER_DAY % 7
    busy, also = chance.uniform(0.3, 0.9), chance.uniform()
    factor = np.exp(
        chance.uniform(0.3, 1.4) * np.cos(2 * np.pi * (hour - busy))
        + chance.uniform(0.0, 0.5) * np.cos(4 * np.pi * (hour - also))
    )
    factor *= np.where(day >= 5, chance.uniform(0.4, 1.1), 1.0)
    factor *= np.exp(chance.normal(0.0, 0.07, 7))[day]
    return np.asarray(factor / factor.mean())


def plant(series: Series, mean: Floats, noise: Noise, chance: Chance) -> None:
    """Add incidents a few days apart."""
    day, turn = 14 + chance.uniform(0.3, 1.5), int(chance.integers(12))
    while True:
        shape, size = list(SHAPES)[turn % 4], list(SIZES)[(turn // 4 + turn) % 3]
        turn += 1
        first, length = int(day * PER_DAY) + int(chance.integers(PER_DAY)), SHAPES[shape]
        if first + length + PER_DAY > LENGTH:
            return
        usual = mean[first : first + length]
        deviations, least = SIZES[size]
        extra = max(least, deviations * math.sqrt(noise.variance(usual)))
        form = {
            "step": np.ones(length),
            "ramp": np.arange(1.0, length + 1),
            "burst": np.exp(-np.arange(length) / 3.0),
            "slow": usual / max(usual.mean(), 1e-9),
        }[shape]
        added = chance.poisson(extra * form / form.sum())
        if added.sum() >= 0.8 * least:
            series.counts[first : first + length] += added
            series.incidents.append(Incident(first, first + length - 1, shape, size))
        day = (first + length) / PER_DAY + chance.uniform(1.5, 4.0)


def break_off(series: Series, chance: Chance) -> None:
    """An outage that is told and one that is not, of 3 to 10 hours, a day off any incident."""
    for value in (math.nan, 0.0):
        for _ in range(50):
            first, length = (
                int(chance.integers(3 * PER_DAY, LENGTH - PER_DAY)),
                int(chance.integers(36, 120)),
            )
            last = first + length
            if all(last < i.first - PER_DAY or first > i.last + PER_DAY for i in series.incidents):
                series.counts[first:last] = value
                break


def usual(level: float, chance: Chance) -> Made:
    """The plain kind."""
    mean = level * rhythm(chance) * np.linspace(1.0, chance.uniform(0.6, 1.6), LENGTH)
    noise = Noise(chance.uniform(0.1, 0.3), 24.0, chance.uniform(3.0, 30.0))
    return Series("usual", level, noise.counts(mean, chance)), mean, noise


def viral(level: float, chance: Chance) -> Made:
    """Now and then a post spreads; the incidents are no larger than these, but in L."""
    mean, noise = level * rhythm(chance), Noise()
    series = Series("viral", level, noise.counts(mean, chance))
    for _ in range(chance.poisson(chance.uniform(0.3, 1.5) * DAYS)):
        first, decay = int(chance.integers(LENGTH)), chance.lognormal(2.0, 0.6)
        size = (3.0 + 4.0 * math.sqrt(12.0 * level)) * (1.0 + chance.pareto(1.3))
        form = np.exp(-np.arange(min(LENGTH - first, int(8 * decay) + 1)) / decay)
        series.counts[first : first + len(form)] += chance.poisson(size * form / form.sum())
    return series, mean, noise


def copies(level: float, chance: Chance) -> Made:
    """Articles: each story is repeated by some, a few by dozens."""
    mean = level * rhythm(chance)
    counts = np.zeros(LENGTH)
    for first in np.repeat(np.arange(LENGTH), chance.poisson(mean / 3.0)):
        size = 1 + min(60, int(1.2 * chance.pareto(1.6)))
        at = first + np.append(0, chance.exponential(14.0, size - 1).astype(int))
        np.add.at(counts, at[at < LENGTH], 1.0)
    noise = Noise(0.25, 24.0, 2.0)
    return Series("copies", level, counts), mean, noise


def digest(level: float, chance: Chance) -> Made:
    """A bot that posts at the same minute, every day or every working day, and one by the hour."""
    mean, noise = level * rhythm(chance), Noise(0.15)
    counts = noise.counts(mean, chance)
    at = np.arange(LENGTH)
    posts = at % PER_DAY == chance.integers(PER_DAY)
    if chance.random() < 0.5:
        posts &= at // PER_DAY % 7 < 5
    counts[posts] += chance.poisson(8.0 + chance.uniform(2.0, 8.0) * level, posts.sum())
    hourly = at % PER_HOUR == chance.integers(PER_HOUR)
    counts[hourly] += chance.poisson(1.0 + level, hourly.sum())
    return Series("digest", level, counts), mean, noise


def jumps(level: float, chance: Chance) -> Made:
    """What was usual is not any more."""
    mean = level * rhythm(chance)
    at = int(chance.exponential(8 * PER_DAY))
    while at < LENGTH:
        mean[at:] *= math.exp(chance.normal(0.0, 0.45))
        at += int(chance.exponential(8 * PER_DAY))
    noise = Noise(0.15)
    return Series("jumps", level, noise.counts(mean, chance)), None, noise


def night(level: float, chance: Chance) -> Made:
    """Only from nine to seven, on weekends less or not at all."""
    at = np.arange(LENGTH)
    hour, day = at % PER_DAY / PER_HOUR, at // PER_DAY % 7
    open_ = np.where((hour >= 9) & (hour < 19), 1.0, 0.0)
    mean: Floats = open_ * np.where(day >= 5, chance.choice([0.0, 0.3]), 1.0)
    mean *= level / mean.mean()
    noise = Noise(0.1)
    # An incident that keeps to closing time would be none.
    lifted = np.maximum(mean, level / 50.0)
    return Series("night", level, noise.counts(mean, chance)), lifted, noise


def growth(level: float, chance: Chance) -> Made:
    """A brand that grows fivefold in six weeks, or fades so."""
    trend = np.exp(np.linspace(0.0, chance.choice([-1.6, 1.6]), LENGTH))
    mean, noise = level * rhythm(chance) * trend / trend.mean(), Noise(0.15)
    return Series("growth", level, noise.counts(mean, chance)), mean, noise


KINDS: Sequence[tuple[Callable[[float, Chance], Made], Sequence[float]]] = (
    (usual, LEVELS),
    (viral, (0.1, 1.0, 10.0, 50.0)),
    (copies, (0.1, 1.0, 5.0)),
    (digest, (0.1, 1.0, 10.0)),
    (jumps, (0.2, 2.0, 20.0)),
    (night, (0.2, 2.0, 20.0)),
    (growth, (0.2, 3.0, 50.0)),
)


def make(seed: int, each: int) -> list[Series]:
    """``each`` series of every kind and level; every third without incidents."""
    made = []
    for k, (kind, levels) in enumerate(KINDS):
        for i, level in enumerate(levels):
            for n in range(each):
                chance = np.random.default_rng([seed, k, i, n])
                series, mean, noise = kind(level, chance)
                if mean is not None and n % 3 != 2:
                    plant(series, mean, noise, chance)
                break_off(series, chance)
                made.append(series)
    return made
