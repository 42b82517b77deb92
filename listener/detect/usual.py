"""The usual share of a series at this hour: what the detector of shares compares with."""

from __future__ import annotations

import math
from copy import copy
from datetime import timedelta
from typing import Any, Final

from listener.detect.baseline import DAY, SATURDAY
from listener.detect.packing import pack, unpack
from listener.detect.policy import Policy

FIRST_SHARE: Final = 0.25  # before anything was seen
FIRST_VARIANCE: Final = 2.0  # of its logit
DRIFT: Final = 0.002  # variance of the logit of the level, a day
NEW_DRIFT: Final = 0.1  # when a worse share has been accepted as the usual one
MOST_MOVE: Final = 0.3  # the logit moves no further in one bucket
MOST_LOGIT: Final = 6.0
HOURS: Final = 24
WEEKEND: Final = 24  # the cell of what sets weekends and holidays apart
HOUR_TRUST: Final = 1 / 0.35**2  # a prior standard deviation of 0.35 in the logit, each hour
WEEKEND_TRUST: Final = 1 / 0.25**2


class UsualShare:
    """The usual share: a level that may drift, times the hour of the day, times the weekend; all
    of it in the logit.

    Level by a Kalman filter; hours and weekend as decayed sums of the working response of a
    logistic regression, shrunk to zero (McCullagh & Nelder 1989, section 2.5).
    """

    __slots__ = ("_drift", "_keep", "_offsets", "_sums", "_weights", "logit", "variance")

    def __init__(self, policy: Policy) -> None:
        days = policy.step / timedelta(days=1)
        self._drift = DRIFT * days
        self._keep = 0.5 ** (timedelta(days=1) / policy.season_half_life)
        self.logit = math.log(FIRST_SHARE / (1 - FIRST_SHARE))
        self.variance = FIRST_VARIANCE
        self._sums = [0.0] * (HOURS + 1)
        self._weights = [0.0] * (HOURS + 1)
        self._offsets = [0.0] * (HOURS + 1)

    def at(self, moment: int) -> float:
        """The usual share in a bucket that starts so many seconds after Monday 00:00."""
        logit = self.logit + self._offset(moment)
        return 1.0 / (1.0 + math.exp(-min(max(logit, -MOST_LOGIT), MOST_LOGIT)))

    def _offset(self, moment: int) -> float:
        day, second = divmod(moment, DAY)
        hour, part = divmod(second / 3600.0 - 0.5, 1.0)
        offsets = self._offsets
        left, right = int(hour) % HOURS, (int(hour) + 1) % HOURS
        found = (1.0 - part) * offsets[left] + part * offsets[right]
        return found + offsets[WEEKEND] if day >= SATURDAY else found

    def learn(
        self, moment: int, k: float, n: float, weight: float, scatter: float, drift: float
    ) -> None:
        """Take ``k`` of ``n`` in. ``scatter`` is how many times the variance of a binomial they
        have, with all around them; ``drift`` multiplies how far the level may wander."""
        share = self.at(moment)
        told = weight * n * share * (1.0 - share) / scatter
        miss = weight * (k - n * share) / scatter
        variance = self.variance + self._drift * drift
        variance = self.variance = 1.0 / (1.0 / variance + told)
        move = variance * miss
        self.logit += min(max(move, -MOST_MOVE), MOST_MOVE)
        self.logit = min(max(self.logit, -MOST_LOGIT), MOST_LOGIT)
        day, second = divmod(moment, DAY)
        cells = (int(second // 3600), WEEKEND) if day >= SATURDAY else (int(second // 3600),)
        for cell in cells:
            self._sums[cell] += miss + told * self._offsets[cell]
            self._weights[cell] += told

    def wait(self, drift: float = 1.0) -> None:
        """A bucket passed that tells nothing."""
        self.variance = min(self.variance + self._drift * drift, FIRST_VARIANCE)

    def end_day(self) -> None:
        """Fit hours and weekend anew, each hour with its neighbours, and forget a little."""
        sums, weights = self._sums, self._weights
        for hour in range(HOURS):
            before, after = (hour - 1) % HOURS, (hour + 1) % HOURS
            total = sums[hour] + 0.5 * (sums[before] + sums[after])
            weight = weights[hour] + 0.5 * (weights[before] + weights[after])
            self._offsets[hour] = total / (weight + HOUR_TRUST)
        self._offsets[WEEKEND] = sums[WEEKEND] / (weights[WEEKEND] + WEEKEND_TRUST)
        self._sums = [value * self._keep for value in sums]
        self._weights = [value * self._keep for value in weights]

    def copy(self) -> UsualShare:
        twin = copy(self)
        twin._sums, twin._weights = self._sums.copy(), self._weights.copy()
        twin._offsets = self._offsets.copy()
        return twin

    def dump(self) -> list[Any]:
        cells = (pack(v) for v in (self._sums, self._weights, self._offsets))
        return [self.logit, self.variance, *cells]

    def restore(self, dump: list[Any]) -> None:
        self.logit, self.variance = dump[:2]
        self._sums, self._weights, self._offsets = (unpack(v) for v in dump[2:])
