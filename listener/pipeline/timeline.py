"""The line of a backtest: counts, what was expected, and how much was collected, by day or hour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from listener.detect.replay import EPOCH, Arrivals
from listener.detect.series import STEP

BY_HOUR = timedelta(days=32)  # up to so long a time, points are hours
_A_DAY = timedelta(days=1) // STEP


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One place of the timeline; the counts of all series of the rule are summed."""

    at: datetime
    count: float  # of a share: the bad ones
    expected: float | None  # None = nothing was judged there (learning, or not collected)
    collected: float  # share of the time in which something was collected, 0 to 1


class Timeline:
    """Sums the series of a rule over [since, until), by the days of ``tz`` or by hours."""

    def __init__(self, since: datetime, until: datetime, tz: tzinfo) -> None:
        self._since, self._until, self._tz = since, until, tz
        self._by_hour = until - since <= BY_HOUR
        self.step_s = 3600 if self._by_hour else 86_400
        self._counts: dict[datetime, float] = {}
        self._expected: dict[datetime, float] = {}
        self._collected: dict[datetime, int] = {}
        self._judged: set[datetime] = set()
        self._places: dict[int, datetime] = {}  # by hour since 1970

    @property
    def days(self) -> float:
        """How much of the time was judged in any series."""
        return len(self._judged) / _A_DAY

    def take(self, arrivals: Arrivals, expected: Mapping[datetime, float | None]) -> int:
        """Add a series; gives how many mentions it has in the time."""
        total = 0.0
        for at_us, count in zip(arrivals.at, arrivals.count, strict=True):
            at = EPOCH + timedelta(microseconds=at_us)
            if self._since <= at < self._until:
                total += count
                place = self._place(at)
                self._counts[place] = self._counts.get(place, 0.0) + count
        collected: dict[datetime, int] = {}
        for at, usual in expected.items():
            if not self._since <= at < self._until:
                continue
            place = self._place(at)
            collected[place] = collected.get(place, 0) + 1
            if usual is not None:
                self._judged.add(at)
                self._expected[place] = self._expected.get(place, 0.0) + usual
        for place, buckets in collected.items():
            self._collected[place] = max(buckets, self._collected.get(place, 0))
        return round(total)

    def points(self) -> list[Point]:
        """All places of the time in order."""
        found = []
        at = self._place(self._since)
        while at < self._until:
            after = self._after(at)
            buckets = max((min(after, self._until) - max(at, self._since)) // STEP, 1)
            expected = self._expected.get(at)
            found.append(
                Point(
                    at=at,
                    count=round(self._counts.get(at, 0.0), 2),
                    expected=None if expected is None else round(expected, 2),
                    collected=round(min(self._collected.get(at, 0) / buckets, 1.0), 3),
                )
            )
            at = after
        return found

    def _place(self, at: datetime) -> datetime:
        hour = (at - EPOCH) // timedelta(hours=1)
        place = self._places.get(hour)
        if place is None:
            start = EPOCH + hour * timedelta(hours=1)
            if not self._by_hour:
                local = at.astimezone(self._tz)
                start = local.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
            place = self._places[hour] = start
        return place

    def _after(self, at: datetime) -> datetime:
        if self._by_hour:
            return at + timedelta(hours=1)
        return self._place(at + timedelta(hours=26))  # days of 25 hours, too
