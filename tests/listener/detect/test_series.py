"""Coverage of buckets: every row of the table in ``build_series``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from listener.detect.series import (
    SeriesBucket,
    build_series,
    floor_to_step,
    split_final,
)
from listener.types import Bucket, Coverage, WatchCoverage

T = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
STEP = timedelta(minutes=5)
COMPLETE, PARTIAL, UNKNOWN = Coverage.COMPLETE, Coverage.PARTIAL, Coverage.UNKNOWN


def at(minutes: float) -> datetime:
    return T + timedelta(minutes=minutes)


def watch(*intervals: tuple[float, float], **change: Any) -> WatchCoverage:
    values: dict[str, Any] = {"watch_id": 1, "active_from": at(-1000)}
    values["intervals"] = [(at(a), at(b)) for a, b in intervals]
    return WatchCoverage(**{**values, **change})


def first(*watches: WatchCoverage, now: float) -> tuple[Coverage, bool]:
    """Coverage of the bucket 12:00 to 12:05, ``now`` in minutes after 12:00."""
    (item,) = build_series({T: 3}, watches, start=T, end=T + STEP, now=at(now))
    assert item.bucket.count == (None if item.bucket.coverage is UNKNOWN else 3)
    return item.bucket.coverage, item.final


ALL = (-100, 100)


@pytest.mark.parametrize(
    ("watches", "now", "expected"),
    [
        # not ended yet
        ([watch((-100, 3))], 4, (PARTIAL, False)),
        ([watch((-100, 0))], 4, (UNKNOWN, False)),
        # ended, waiting
        ([watch(ALL)], 6, (COMPLETE, True)),
        ([watch((-100, 5))], 5, (COMPLETE, True)),
        ([watch((-100, 3))], 6, (PARTIAL, False)),
        ([watch(ALL), watch((-100, 0))], 6, (PARTIAL, False)),
        ([watch(), watch()], 6, (UNKNOWN, False)),
        # late: given up an hour after the end
        ([watch(ALL), watch((-100, 0))], 65, (PARTIAL, False)),
        ([watch(ALL), watch((-100, 0))], 66, (PARTIAL, True)),
        ([watch((-100, 3)), watch()], 66, (PARTIAL, True)),
        ([watch(), watch()], 66, (UNKNOWN, True)),
        ([watch(ALL), watch(late_after=timedelta(days=1))], 66, (PARTIAL, False)),
        ([watch(ALL), watch(late_after=timedelta(0))], 6, (PARTIAL, True)),
        # not active then
        ([watch(ALL), watch(active_from=at(5))], 6, (COMPLETE, True)),
        ([watch(ALL), watch(active_to=at(0))], 6, (COMPLETE, True)),
        ([watch(ALL, active_from=at(500))], 6, (COMPLETE, True)),
        ([watch((-100, 3), active_from=at(500))], 6, (PARTIAL, True)),
        ([watch(active_from=at(500))], 6, (UNKNOWN, True)),
        ([watch(ALL, active_from=at(0), active_to=at(0))], 6, (COMPLETE, True)),
        # active for a part: that part counts
        ([watch((2, 100), active_from=at(2))], 6, (COMPLETE, True)),
        ([watch((3, 100), active_from=at(2))], 6, (PARTIAL, False)),
        ([watch((-100, 4), active_to=at(4))], 6, (COMPLETE, True)),
        # intervals that touch are one
        ([watch((2, 100), (-100, 2))], 6, (COMPLETE, True)),
        ([watch((-100, 2), (3, 100))], 6, (PARTIAL, False)),
        # files only
        ([], 6, (COMPLETE, True)),
        ([], 4, (PARTIAL, False)),
    ],
)
def test_each_row_of_the_table(
    watches: list[WatchCoverage], now: float, expected: tuple[Coverage, bool]
) -> None:
    assert first(*watches, now=now) == expected


def test_sparse_counts_are_zero_where_collected() -> None:
    series = build_series({at(5): 7}, [watch((0, 10))], start=T, end=at(15), now=at(500))
    assert [item.bucket for item in series] == [
        Bucket(at(0), 0),
        Bucket(at(5), 7),
        Bucket(at(10), None, UNKNOWN),
    ]


def test_nothing_beyond_now() -> None:
    series = build_series({}, [], start=T, end=at(60), now=at(12))
    assert [item.bucket.at for item in series] == [at(0), at(5), at(10)]
    assert build_series({}, [], start=at(60), end=at(90), now=at(12)) == []


def test_a_dead_watch_silences_nobody() -> None:
    """Of two watches one dies: time moves on, but those hours are not taken as all there is."""
    series = build_series(
        {}, [watch((-100, 600)), watch((-100, 30))], start=T, end=at(600), now=at(300)
    )
    kinds = [(item.bucket.coverage, item.final) for item in series]
    assert kinds[:6] == [(COMPLETE, True)] * 6
    assert kinds[6:47] == [(PARTIAL, True)] * 41
    assert kinds[47:] == [(PARTIAL, False)] * 13


def test_split_stops_at_the_first_that_may_change() -> None:
    buckets = [Bucket(at(5 * i), 1) for i in range(4)]
    series = [
        SeriesBucket(b, final) for b, final in zip(buckets, [True, True, False, True], strict=True)
    ]
    assert split_final(series) == (buckets[:2], buckets[2:])


def test_floor_to_step() -> None:
    assert floor_to_step(at(7.5)) == at(5)
    assert floor_to_step(at(5)) == at(5)
    seoul = at(7).astimezone(ZoneInfo("Asia/Seoul"))
    assert floor_to_step(seoul) == at(5)
    assert floor_to_step(at(7), timedelta(hours=1)) == T


def test_long_histories_are_quick() -> None:
    runs = [(at(60 * i), at(60 * i + 60)) for i in range(24 * 60)]
    watches = [watch(intervals=runs, watch_id=i) for i in range(5)]
    series = build_series({}, watches, start=T, end=at(60 * 24 * 60), now=at(60 * 24 * 60))
    assert len(series) == 60 * 288
    assert all(item.final for item in series)
