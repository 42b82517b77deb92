"""From how surprising a window is to how unusual that is for this very series."""

from __future__ import annotations

import math
from bisect import bisect_right
from copy import copy

from listener.detect.surprise import LN10

HOT = 2.0  # surprise from which a bucket is part of a surge

MEMORY = 0.5 ** (1 / 14)  # a day
EARLIER_DAYS = 7.0  # worth of prior
EARLIER_PEAKS = 8.0  # clusters worth of prior for how high they go
MOST_PEAK = 4.0  # scales: a peak counts for the scale up to this much
CLIPPED_PEAK = 1 - math.exp(-MOST_PEAK)  # of an exponential clipped there, the mean
HEAVY = 0.15  # shape of the tail of peaks

# Heights above HOT at which peaks are counted, for series whose tails are heavier than that.
EDGES = tuple(1.25 * 1.6**n for n in range(13))  # chance alone seldom goes so high
ENOUGH = 4.0  # peaks that high show what the series does; fewer may have been incidents
PARETO = 2.0  # index of the tail beyond: twice as high is a quarter as frequent


class Calibration:
    """Turns the surprise of one window length into a score by what this series does on its own.

    Hot buckets close together are one cluster. The score is -log10 of the number of clusters this
    high to be expected in 30 days, the lower one of two estimates:

    - Clusters come at a rate, and their peaks above HOT are generalised Pareto: of a shape a little
      heavier than exponential, and a scale that is the mean of peaks, each clipped so that an
      incident does not hide the next one.
    - Peaks of at least each of EDGES were seen so often lately. Beyond the highest edge with ENOUGH
      of them the tail is PARETO. That binds where posts go viral every few days: no thin tail
      describes them, and the clipped mean is slow to follow.
    """

    __slots__ = ("_anchor", "_clusters", "_days", "_excess", "_peaks", "_prior", "_quiet",
                 "_quiet_needed", "_rarity", "_scale", "_tail", "cold", "peak")  # fmt: skip

    def __init__(self, clusters: float, quiet: int) -> None:
        self._prior = clusters
        self._quiet_needed = quiet
        self._days = EARLIER_DAYS
        self._clusters = clusters * EARLIER_DAYS
        self._peaks = self._excess = 0.0  # how many, and the sum of their clipped heights above HOT
        self._tail = [0.0] * len(EDGES)  # how many were at least so high
        self.peak = 0.0
        self._quiet = 0
        self._settle()

    def _settle(self) -> None:
        """What a score needs. Of the prior a single cluster is never forgotten, or a quiet month
        would make the series touchy."""
        rate = (self._clusters + 1.0) / (self._days + 1.0 / self._prior)
        self._rarity = math.log10(30.0 * rate)
        self.cold = -HOT - self._rarity
        scale = (EARLIER_PEAKS / LN10 + self._excess) / (EARLIER_PEAKS + self._peaks * CLIPPED_PEAK)
        self._scale = max(1 / LN10, scale)  # that of chance alone, or larger
        self._anchor = -1
        for count in self._tail:
            if count < ENOUGH:
                break
            self._anchor += 1

    def score(self, surprise: float) -> float:
        """-log10 of how many surprises of this size are expected in 30 days."""
        excess = surprise - HOT
        if excess <= 0:
            return excess - self._rarity
        score = math.log1p(HEAVY * excess / self._scale) / (HEAVY * LN10) - self._rarity
        if self._anchor >= 0 and excess >= EDGES[0]:
            score = min(score, self._counted(excess))
        return score

    def _counted(self, excess: float) -> float:
        """The score by what was counted."""
        above = bisect_right(EDGES, excess)  # the first edge that is higher
        edge = min(above - 1, self._anchor)
        peaks = self._tail[edge] * (excess / EDGES[edge]) ** -PARETO
        if above <= self._anchor:
            peaks = max(peaks, self._tail[above])
        return -math.log10(30.0 * peaks / (self._days + 1.0 / self._prior))

    def learn(self, surprise: float) -> None:
        """Count one complete bucket."""
        if surprise > HOT:
            if surprise > self.peak:
                self.peak = surprise
            self._quiet = 0
        elif self.peak:
            self._quiet += 1
            if self._quiet >= self._quiet_needed:
                height = self.peak - HOT
                self._clusters += 1.0
                self._peaks += 1.0
                self._excess += min(height, MOST_PEAK * self._scale)
                for n in range(bisect_right(EDGES, height)):
                    self._tail[n] += 1.0
                self.peak = 0.0
                self._settle()

    def end_day(self) -> None:
        """Forget a little."""
        self._days = self._days * MEMORY + 1.0
        self._clusters *= MEMORY
        self._peaks *= MEMORY
        self._excess *= MEMORY
        self._tail = [count * MEMORY for count in self._tail]
        self._settle()

    def __copy__(self) -> Calibration:
        twin = object.__new__(Calibration)
        for name in self.__slots__:
            setattr(twin, name, getattr(self, name))
        twin._tail = copy(self._tail)
        return twin

    def dump(self) -> list[float]:
        """The state as plain values: those of the tail last, without trailing zeros."""
        tail = self._tail[: max((n for n, count in enumerate(self._tail, 1) if count), default=0)]
        return [
            self._days,
            self._clusters,
            self._peaks,
            self._excess,
            self.peak,
            self._quiet,
            *tail,
        ]

    def restore(self, dump: list[float]) -> None:
        """Take over what ``dump`` gave."""
        self._days, self._clusters, self._peaks, self._excess, self.peak = dump[:5]
        self._quiet = int(dump[5])
        tail = dump[6:]
        self._tail = tail + [0.0] * (len(EDGES) - len(tail))
        self._settle()
