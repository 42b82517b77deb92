"""From sparse counts and what each watch has covered to the buckets that the detector takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from listener.types import Bucket, Coverage, Interval, WatchCoverage

STEP = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class SeriesBucket:
    """A bucket, and whether it is ``final``: nothing but late or edited items can change it."""

    bucket: Bucket
    final: bool


def floor_to_step(at: datetime, step: timedelta = STEP) -> datetime:
    """The start of the bucket that ``at`` lies in, for steps that divide a day, in UTC."""
    midnight = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (at - midnight) // step * step


def build_series(
    counts: Mapping[datetime, int],
    watches: Sequence[WatchCoverage],
    *,
    start: datetime,
    end: datetime,
    now: datetime,
    step: timedelta = STEP,
) -> list[SeriesBucket]:
    """The buckets from ``start`` (the start of one) up to ``end`` or ``now``, whichever is first.

    ``counts`` has the start of a bucket as key; one that is left out counts 0. Of each bucket:

    ======================================  ========  =====
    watches                                 coverage  final
    ======================================  ========  =====
    the bucket has not ended, some covered  PARTIAL   no
    the bucket has not ended, none covered  UNKNOWN   no
    every active one covers it              COMPLETE  yes
    some do, others may still               PARTIAL   no
    some do, the others are given up        PARTIAL   yes
    none does, some may still               UNKNOWN   no
    none does, all are given up             UNKNOWN   yes
    none was active, another one covers it  COMPLETE  yes
    none was active, none covers it         UNKNOWN   yes
    there is no watch at all (file import)  COMPLETE  yes, once ended
    ======================================  ========  =====

    "Some" includes a watch that covers a part of the bucket. A watch that was active for a part of
    the bucket has to cover that part.
    """
    tracks = [_Track(watch) for watch in watches]
    series = []
    at = start
    while at < end and at < now:
        to = at + step
        coverage, final = _judge(tracks, at, to, now) if tracks else _without_watches(to, now)
        count = None if coverage is Coverage.UNKNOWN else counts.get(at, 0)
        series.append(SeriesBucket(Bucket(at, count, coverage), final))
        at = to
    return series


def split_final(series: Iterable[SeriesBucket]) -> tuple[list[Bucket], list[Bucket]]:
    """The buckets before the first one that may still change, and the rest.

    A kept detector may step over the former; the latter are judged on a copy of it.
    """
    final: list[Bucket] = []
    rest: list[Bucket] = []
    for item in series:
        (final if item.final and not rest else rest).append(item.bucket)
    return final, rest


def _without_watches(to: datetime, now: datetime) -> tuple[Coverage, bool]:
    return (Coverage.COMPLETE, True) if to <= now else (Coverage.PARTIAL, False)


def _judge(
    tracks: list[_Track], at: datetime, to: datetime, now: datetime
) -> tuple[Coverage, bool]:
    touched = covered = waited_for = given_up = False
    for track in tracks:
        track.move_to(at)
        touched = touched or track.touches(to)
        if track.covers(at, to):
            covered = True
        elif track.is_active(at, to):
            if now > to + track.watch.late_after:
                given_up = True
            else:
                waited_for = True
    if to > now:
        return (Coverage.PARTIAL if touched else Coverage.UNKNOWN), False
    if covered and not waited_for and not given_up:
        return Coverage.COMPLETE, True
    return (Coverage.PARTIAL if touched else Coverage.UNKNOWN), not waited_for


class _Track:
    """The merged intervals of one watch, read once from left to right."""

    __slots__ = ("_intervals", "_next", "watch")

    def __init__(self, watch: WatchCoverage) -> None:
        self.watch = watch
        self._next = 0
        self._intervals: list[Interval] = []
        for begin, stop in sorted(watch.intervals):
            if begin >= stop:
                continue
            if self._intervals and begin <= self._intervals[-1][1]:
                first, last = self._intervals[-1]
                self._intervals[-1] = (first, max(last, stop))
            else:
                self._intervals.append((begin, stop))

    def move_to(self, at: datetime) -> None:
        """Leave behind what ended by ``at``."""
        while self._next < len(self._intervals) and self._intervals[self._next][1] <= at:
            self._next += 1

    def is_active(self, at: datetime, to: datetime) -> bool:
        active_to = self.watch.active_to
        if active_to is None:
            return self.watch.active_from < to
        return self.watch.active_from < min(to, active_to) and active_to > at

    def touches(self, to: datetime) -> bool:
        return self._next < len(self._intervals) and self._intervals[self._next][0] < to

    def covers(self, at: datetime, to: datetime) -> bool:
        """Whether the bucket is covered, as far as the watch was active in it."""
        if self._next >= len(self._intervals):
            return False
        if self.is_active(at, to):
            at = max(at, self.watch.active_from)
            to = min(to, self.watch.active_to or to)
        begin, stop = self._intervals[self._next]
        return begin <= at and stop >= to
