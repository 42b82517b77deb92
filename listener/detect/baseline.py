"""What a series usually does at this time of the week: what the detector compares with."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

SATURDAY = 5
DAY = 86400.0
DAY_FACTOR_MEMORY = 6.0  # half-life of a day-of-week factor, in occurrences of that day


# Where a bucket stands, and the factors in force when it was judged: slot of the day, weekend (0 or
# 1), day of the week (Monday = 0), factor of the slot, factor of the day. Plain, for speed.
Season = tuple[int, int, int, float, float]


class Baseline:
    """level x (weekday | weekend) slot of the day x day of the week, each a decayed gamma-Poisson
    rate.

    Factors are shrunk to 1 while data are thin. A slot is an hour, or a bucket if that is longer;
    between the middles of two slots the factor is interpolated, so that short buckets see no steps
    at full hours.
    """

    __slots__ = (
        "_day_counts",
        "_day_decay",
        "_day_expected",
        "_day_factors",
        "_exposure",
        "_half",
        "_learnt",
        "_level_decay",
        "_per_day",
        "_per_slot",
        "_places",
        "_slot_counts",
        "_slot_decay",
        "_slot_expected",
        "_slot_factors",
        "_slot_seconds",
        "_slots",
        "_total",
        "level",
    )

    def __init__(
        self, step: timedelta, *, level_half_life: timedelta, season_half_life: timedelta
    ) -> None:
        seconds = step.total_seconds()
        self._half = seconds / 2
        self._slots = 24 if seconds <= 3600 else max(1, round(DAY / seconds))
        self._slot_seconds = DAY / self._slots
        self._per_day = DAY / seconds
        self._per_slot = max(1.0, self._slot_seconds / seconds)
        days = timedelta(days=1)
        self._level_decay = 0.5 ** (step / level_half_life)
        self._slot_decay = 0.5 ** (1 / (season_half_life / days * self._per_slot))
        self._day_decay = 0.5 ** (1 / (DAY_FACTOR_MEMORY * self._per_day))
        self._places: dict[int, tuple[int, int, int, float]] = {}  # by second of the day
        self._learnt = 0
        self._total = self._exposure = self.level = 0.0
        self._slot_counts = [0.0] * (2 * self._slots)
        self._slot_expected = [0.0] * (2 * self._slots)
        self._slot_factors = [1.0] * (2 * self._slots)
        self._day_counts = [0.0] * 7
        self._day_expected = [0.0] * 7
        self._day_factors = [1.0] * 7

    def at(self, local: datetime) -> tuple[float, Season]:
        """Expected count of the bucket that starts at ``local`` (wall clock), and its season."""
        seconds = local.hour * 3600 + local.minute * 60 + local.second
        place = self._places.get(seconds)
        if place is None:
            place = self._places[seconds] = self._place(seconds)
        slot, left, right, share = place
        day = local.weekday()
        weekend, offset = (1, self._slots) if day >= SATURDAY else (0, 0)
        factors = self._slot_factors
        by_slot = (1 - share) * factors[offset + left] + share * factors[offset + right]
        by_day = self._day_factors[day]
        return self.level * by_slot * by_day, (slot, weekend, day, by_slot, by_day)

    def _place(self, seconds: int) -> tuple[int, int, int, float]:
        """Of a bucket that starts so long after midnight: its slot, its neighbours, and the share.

        The neighbours are the slots between whose middles it lies; the share is how far it is from
        the left one to the right one.
        """
        middle = (seconds + self._half) / self._slot_seconds
        left = math.floor(middle - 0.5)
        share = middle - 0.5 - left
        return int(middle) % self._slots, left % self._slots, (left + 1) % self._slots, share

    def learn(self, count: float, weight: float, season: Season) -> None:
        """Take one bucket in. ``weight`` below 1 for buckets that may belong to an incident."""
        slot, weekend, day, by_slot, by_day = season
        self._total = self._total * self._level_decay + weight * count
        self._exposure = self._exposure * self._level_decay + weight * by_slot * by_day
        self._learnt += 1
        first_day = self._learnt < self._per_day
        prior = 0.5 * self._per_slot if first_day else 0.25
        level = self.level = (self._total + 0.25) / (self._exposure + prior)
        if first_day:
            return  # a profile of less than a day would explain the level away

        i = slot + self._slots if weekend else slot
        counts = self._slot_counts[i] * self._slot_decay + weight * count
        expected = self._slot_expected[i] * self._slot_decay + weight * level * by_day
        self._slot_counts[i], self._slot_expected[i] = counts, expected
        trust = 8.0 + 2.0 * level * self._per_slot
        self._slot_factors[i] = (counts + trust) / (expected + trust)

        counts = self._day_counts[day] * self._day_decay + weight * count
        expected = self._day_expected[day] * self._day_decay + weight * level * by_slot
        self._day_counts[day], self._day_expected[day] = counts, expected
        trust = 8.0 + 2.0 * level * self._per_day
        self._day_factors[day] = (counts + trust) / (expected + trust)

    def dump(self) -> list[Any]:
        """The state as plain values. The factors follow from the rest but are kept exact."""
        return [
            self._learnt,
            self._total,
            self._exposure,
            self.level,
            list(self._slot_counts),
            list(self._slot_expected),
            list(self._slot_factors),
            list(self._day_counts),
            list(self._day_expected),
            list(self._day_factors),
        ]

    def restore(self, dump: list[Any]) -> None:
        """Take over what ``dump`` gave; the step must be the same."""
        self._learnt, self._total, self._exposure, self.level = dump[:4]
        self._slot_counts, self._slot_expected, self._slot_factors = (list(v) for v in dump[4:7])
        self._day_counts, self._day_expected, self._day_factors = (list(v) for v in dump[7:])
