"""One look at one series."""

from __future__ import annotations

import random
from datetime import timedelta

from builders import NOW
from listener.detect.follow import fill, follow
from listener.detect.lifecycle import Opened
from listener.detect.policy import Policy
from listener.detect.series import STEP, SeriesBucket
from listener.detect.shares import ShareBucket
from listener.detect.spike import Detector
from listener.types import Bucket, Coverage

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def test_a_surge_begins_where_it_does_not_where_an_old_one_did() -> None:
    """Since an old surge only a part was collected: nobody could say that it was over."""
    chance = random.Random(7)
    since, old = NOW - 9 * DAY, NOW - 3 * DAY
    series = []
    at = since
    while at < NOW:
        count = chance.choice((0, 0, 1, 1, 2))
        if old <= at < old + HOUR or at >= NOW - HOUR / 2:
            count = 25
        coverage = Coverage.COMPLETE if at < old + HOUR else Coverage.PARTIAL
        series.append(SeriesBucket(Bucket(at, count, coverage), True))
        at += STEP
    found = follow(Detector(Policy()), series, None, Policy(), upto=since, now=NOW)
    (event,) = found.events
    assert isinstance(event, Opened)
    assert NOW - 5 * HOUR < event.spike.onset_at < NOW, "not three days ago"


def test_numbers_are_filled_into_what_is_covered() -> None:
    frame = [
        SeriesBucket(Bucket(NOW, 0), True),
        SeriesBucket(Bucket(NOW + STEP, 0), True),
        SeriesBucket(Bucket(NOW + 2 * STEP, None, Coverage.UNKNOWN), False),
    ]
    counts = {NOW: 9, NOW + STEP: 3, NOW + 2 * STEP: 5}
    found = fill(frame, counts, NOW + STEP, shares=False)
    assert [item.bucket.count for item in found] == [3, None]
    assert [item.final for item in found] == [True, False]

    shares = fill(frame, {NOW: (1.0, 4.0), NOW + 2 * STEP: (1.0, 2.0)}, NOW, shares=True)
    assert [item.bucket for item in shares] == [
        ShareBucket(NOW, 1.0, 4.0),
        ShareBucket(NOW + STEP, 0.0, 0.0),
        ShareBucket(NOW + 2 * STEP, None, None, Coverage.UNKNOWN),
    ]
