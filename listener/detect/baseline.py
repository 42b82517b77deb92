"""What a series usually does at this time of the week: what the detector compares with."""

from __future__ import annotations

import math
from copy import copy
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from listener.detect.packing import pack, unpack
from listener.detect.profile import fit_profile, profile_prior
from listener.detect.surprise import Floats

SATURDAY = 5
SUNDAY = 6
DAY = 86400
DAY_FACTOR_MEMORY = 6.0  # half-life of a day-of-week factor, in occurrences of that day
DAY_FACTOR_TRUST = 100.0  # counts worth of prior: standard deviation 0.1
DAY_FACTOR_NOISE = 0.5  # and that of so much of a day: a morning does not make a quiet Sunday
MINUTE_SLOT = 300  # seconds; posts on a schedule come at the same minute each day
MINUTE_HALF_LIFE = 20.0  # days
MINUTE_TRUST = 20.0  # counts worth of prior of such a slot
CLEAR = 4.0  # squared standard errors at which the prior of a slot counts half
DRIFT = 0.0007  # variance of the log level per day
FAST_DRIFT = 20.0  # times as much while the series is clearly below expectation
NEW_DRIFT = 0.02  # and when a surge has been accepted as the new level
MOST_MOVE = 0.3  # the log level moves no further in one bucket
FIRST_NOISE = 0.025  # variance of the log level of one day, beyond that of counting
MIN_START = 7  # buckets that a series learns as they come, however long they are


class Place(NamedTuple):
    """Where a bucket stands in the week. Cells are slots of the day, working days first; ``share``
    is how far it is from the middle of the ``left`` cell to that of the ``right`` one."""

    day: int  # Monday = 0
    cell: int
    left: int
    right: int
    share: float
    minute: int  # its 5-minute slot of the day; of longer buckets, its number


class Grid:
    """The grid of a step length: how many slots a day has, and where a moment of the week lies."""

    __slots__ = ("_minute", "_places", "_seconds", "first_day", "minutes", "per_day", "per_slot",
                 "prior", "slots")  # fmt: skip

    def __init__(self, step: timedelta) -> None:
        self._seconds = step.total_seconds()
        self.slots = 24 if self._seconds <= 3600 else max(1, round(DAY / self._seconds))
        self.per_day = DAY / self._seconds
        self.per_slot = max(1.0, self.per_day / self.slots)
        self.first_day = max(math.ceil(self.per_day), MIN_START)
        self._minute = MINUTE_SLOT if self._seconds <= 900 else self._seconds
        self.minutes = math.ceil(DAY / self._minute) if self._seconds < DAY else 0
        self.prior = profile_prior(self.slots)
        self._places: dict[int, Place] = {}

    def place(self, moment: int) -> Place:
        """Of a bucket that starts so many seconds after Monday 00:00."""
        place = self._places.get(moment)
        if place is None:
            place = self._places[moment] = self._find(moment)
        return place

    def _find(self, moment: int) -> Place:
        day, seconds = divmod(moment, DAY)
        offset = self.slots if day >= SATURDAY else 0
        middle = (seconds + self._seconds / 2) * self.slots / DAY
        left = math.floor(middle - 0.5)
        return Place(
            day,
            offset + int(middle) % self.slots,
            offset + left % self.slots,
            offset + (left + 1) % self.slots,
            middle - 0.5 - left,
            int(seconds // self._minute),
        )


@lru_cache(maxsize=16)
def grid_of(step: timedelta) -> Grid:
    """The grid of a step length; it holds nothing but what follows from that."""
    return Grid(step)


def moment_of(local: datetime) -> int:
    """Seconds since Monday 00:00 on the wall clock."""
    seconds = local.hour * 3600 + local.minute * 60 + local.second
    return local.weekday() * DAY + seconds


class Baseline:
    """level x hour of the day (working days | weekend) x day of the week x minute of the day.

    - The level is a random walk in the logarithm, followed by a Kalman filter that trusts a bucket
      by what it can tell: many counts and little scatter move it fast.
    - Hours are a Gaussian process over decayed counts, fitted once a day (``fit_profile``).
    - Days of the week, and 5-minute slots of the day, are gamma-Poisson ratios, shrunk to 1. The
      prior of a slot gives way when it is plainly wrong: a digest sent at 09:00 each day.

    What is learnt in the first day goes into a plain mean; a profile of less than a day would
    explain the level away.
    """

    __slots__ = ("_counts", "_day_counts", "_day_decay", "_day_expected", "_day_factors", "_days",
                 "_drift", "_expected", "_factors", "_learnt", "_log_factors", "_minute_counts",
                 "_minute_decay", "_minute_expected", "_slot_decay", "_variance", "grid",
                 "level")  # fmt: skip

    def __init__(self, step: timedelta, *, season_half_life: timedelta) -> None:
        grid = self.grid = grid_of(step)
        days = timedelta(days=1)
        self._slot_decay = 0.5 ** (1 / (season_half_life / days * grid.per_slot))
        self._day_decay = 0.5 ** (1 / (DAY_FACTOR_MEMORY * grid.per_day))
        self._minute_decay = 0.5 ** (min(1.0, grid.minutes / grid.per_day) / MINUTE_HALF_LIFE)
        self._drift = DRIFT / grid.per_day
        cells = 2 * grid.slots
        self._learnt = 0
        self.level = 0.0
        self._variance = 4.0  # of the log level
        self._counts = [0.0] * cells
        self._expected = [0.0] * cells
        self._days = [0.0] * cells
        self._log_factors: Floats = np.zeros((1, cells))
        self._factors = [1.0] * cells
        self._day_counts = [0.0] * 7
        self._day_expected = [0.0] * 7
        self._day_factors = [1.0] * 7
        self._minute_counts = [0.0] * grid.minutes
        self._minute_expected = [0.0] * grid.minutes

    @property
    def decays(self) -> tuple[float, float, float, float]:
        """Of hours, of days of the week, and of minutes at each visit; and the drift per bucket."""
        return self._slot_decay, self._day_decay, self._minute_decay, self._drift

    def at(self, place: Place, dispersion: float) -> float:
        """Expected count of a bucket; ``dispersion`` is that of single buckets."""
        day, _, left, right, share, minute = place
        factors = self._factors
        by_slot = (1 - share) * factors[left] + share * factors[right]
        mean = self.level * by_slot * self._day_factors[day]
        if not self._minute_expected or self._learnt <= self.grid.first_day:
            return mean
        usual = self._minute_expected[minute]
        more = self._minute_counts[minute] - usual
        spread = 1.0 + dispersion * mean
        clear = more * more / ((usual + 0.3) * spread)
        ratio = 1.0 + more / (usual + MINUTE_TRUST * spread / (1.0 + clear / CLEAR))
        return mean * (ratio if ratio > 0.1 else 0.1)

    def learn(
        self,
        place: Place,
        count: float,
        weight: float,
        by_minute: float,
        minute_weight: float,
        *,
        block: float,
        hour_dispersion: float,
        drift: float,
    ) -> None:
        """Take one bucket in.

        ``weight`` is below 1 for buckets that may belong to a surge. ``by_minute`` is what
        its minute of the day learns, and with what weight. ``block`` is the length times
        the dispersion of the window by which the level is trusted: neighbours go up and down
        together, so a bucket tells its share of what that window does. ``drift`` multiplies how
        far the level may wander.
        """
        day, cell, left, right, share, minute = place
        grid = self.grid
        factors = self._factors
        by_slot = (1 - share) * factors[left] + share * factors[right]
        by_day = self._day_factors[day]
        self._learnt += 1
        settled = self._learnt > grid.first_day
        if settled:
            usual = self.level * by_slot * by_day
            spread = 1.0 + block * usual
            variance = self._variance + self._drift * drift
            variance = self._variance = 1.0 / (1.0 / variance + weight * usual / spread)
            move = variance * weight * (count - usual) / spread
            self.level *= math.exp(min(max(move, -MOST_MOVE), MOST_MOVE))
            exposure = self.level
            if self._minute_expected:
                decay = self._minute_decay
                counts, expected = self._minute_counts, self._minute_expected
                counts[minute] = counts[minute] * decay + minute_weight * by_minute
                expected[minute] = expected[minute] * decay + minute_weight * usual
        else:
            exposure = 1.0
        decay = self._slot_decay
        self._counts[cell] = self._counts[cell] * decay + weight * count
        self._expected[cell] = self._expected[cell] * decay + weight * exposure * by_day
        self._days[cell] = self._days[cell] * decay + weight
        if settled:
            self._learn_day(day, count, weight, by_slot)
        else:
            self._start()
        if self._learnt >= grid.first_day and self._learnt % max(1, round(grid.per_day)) == 0:
            self._fit(hour_dispersion)

    def _start(self) -> None:
        """The level as a plain mean; at the end of the first day it becomes that of the cells."""
        total, exposure = math.fsum(self._counts), math.fsum(self._days)
        self.level = (total + 0.25) / (exposure + 0.5 * self.grid.per_slot)
        self._variance = min(1.0 / (total + 0.5) + FIRST_NOISE, 0.1)
        if self._learnt == self.grid.first_day:
            self._expected = [value * self.level for value in self._expected]

    def _learn_day(self, day: int, count: float, weight: float, by_slot: float) -> None:
        decay = self._day_decay
        counts = self._day_counts[day] * decay + weight * count
        expected = self._day_expected[day] * decay + weight * self.level * by_slot
        self._day_counts[day], self._day_expected[day] = counts, expected
        trust = DAY_FACTOR_TRUST + DAY_FACTOR_NOISE * self.level * self.grid.per_day
        self._day_factors[day] = (counts + trust) / (expected + trust)

    def _fit(self, dispersion: float) -> None:
        self._log_factors = fit_profile(
            self._log_factors,
            np.array([self._counts]),
            np.array([self._expected]),
            np.array([self._days]) / self.grid.per_slot,
            np.array([[dispersion]]),
            self.grid.prior,
        )
        self._factors = np.exp(self._log_factors[0]).tolist()

    def copy(self) -> Baseline:
        """An independent one in the same state."""
        twin = copy(self)
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, list):
                setattr(twin, name, value.copy())
        return twin

    def dump(self) -> list[Any]:
        """The state as plain values."""
        return [
            self._learnt,
            self.level,
            self._variance,
            pack(self._counts),
            pack(self._expected),
            pack(self._days),
            pack(self._log_factors[0]),
            list(self._day_counts),
            list(self._day_expected),
            list(self._day_factors),
            pack(self._minute_counts),
            pack(self._minute_expected),
        ]

    def restore(self, dump: list[Any]) -> None:
        """Take over what ``dump`` gave; the step must be the same."""
        self._learnt, self.level, self._variance = dump[:3]
        self._counts, self._expected, self._days = (unpack(v) for v in dump[3:6])
        self._log_factors = np.array([unpack(dump[6])])
        self._factors = np.exp(self._log_factors[0]).tolist()
        if self._learnt < self.grid.first_day:
            self._factors = [1.0] * len(self._factors)
        self._day_counts, self._day_expected, self._day_factors = (list(v) for v in dump[7:10])
        self._minute_counts, self._minute_expected = unpack(dump[10]), unpack(dump[11])
