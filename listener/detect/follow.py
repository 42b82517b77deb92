"""One look at one series: its new buckets over a detector and the life of its spike. Pure.

The watchdog and backtests take the same way, so that they find the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from listener.detect.lifecycle import Event, Judged, SpikeLife, advance
from listener.detect.policy import Policy
from listener.detect.series import STEP, SeriesBucket, split_final
from listener.detect.shares import ShareBucket, ShareDetector
from listener.detect.spike import Detector
from listener.types import Bucket, Coverage, Interval

AnyDetector: TypeAlias = Detector | ShareDetector

# A new watch that shows the past raises a series where its past begins: no spike may begin there.
BACK_FILL = (timedelta(hours=-1), timedelta(hours=2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What one look at a series gave."""

    upto: datetime  # the detector has passed all buckets before it
    moved: bool  # whether it passed any
    spike: SpikeLife | None
    events: Sequence[Event]


def follow(
    detector: AnyDetector,
    series: Sequence[SeriesBucket],
    life: SpikeLife | None,
    policy: Policy,
    *,
    upto: datetime,
    back_fills: Sequence[Interval] = (),
    now: datetime,
) -> Followed:
    """Step ``detector`` (it is changed) over the final buckets of ``series``, and a copy of it over
    the rest. For a detector of shares these are ``ShareBucket``s.

    ``series`` begins at ``upto``. ``life`` is the last known spike of the series. ``back_fills`` is
    where the pasts of new watches begin: no spike opens there.
    """
    final, rest = split_final(series)
    news = now - policy.max_lateness - STEP
    is_open = False
    if life is not None and life.is_open:
        is_open = True
        news = min(news, life.risen_at)

    def judge(by: Any, bucket: Bucket, final: bool) -> Judged:
        was_on = by.is_spike
        verdict = by.step(bucket)
        if not is_open and _begins_at(verdict.onset_at, back_fills):
            verdict = replace(verdict, is_spike=False)
        elif was_on and verdict.onset_at is not None:
            # What goes on since a time that is no news any more is not when this surge began.
            begins = max(verdict.onset_at, bucket.at + STEP - verdict.window)
            verdict = replace(verdict, onset_at=begins)
        return Judged(verdict, bucket.coverage, final)

    judged = []
    for bucket in final:
        if bucket.at < news:  # learnt from only: it can neither open a spike nor end one
            learner: Any = detector
            learner.judge(bucket.at, bucket.count, bucket.coverage)
        else:
            judged.append(judge(detector, bucket, True))
    if rest:
        twin = detector.copy()
        judged += [judge(twin, bucket, False) for bucket in rest]
    spike, events = advance(life, judged, policy, now=now)
    return Followed(
        upto=final[-1].at + STEP if final else upto,
        moved=bool(final),
        spike=spike,
        events=events,
    )


def fill(
    frame: Sequence[SeriesBucket], tally: Mapping[datetime, Any], start: datetime, *, shares: bool
) -> list[SeriesBucket]:
    """The frame of coverage from ``start`` on, with the numbers of one series in it: counts, or
    (bad ones, all) of a share. What is left out is 0.
    """
    filled = []
    for item in frame:
        bucket = item.bucket
        if bucket.at < start:
            continue
        if shares:
            share: Any = _share(bucket, tally)
            item = SeriesBucket(share, item.final)
        elif bucket.at in tally and bucket.coverage is not Coverage.UNKNOWN:
            counted = Bucket(bucket.at, tally[bucket.at], bucket.coverage)
            item = SeriesBucket(counted, item.final)
        filled.append(item)
    return filled


def _share(bucket: Bucket, tally: Mapping[datetime, Any]) -> ShareBucket:
    if bucket.coverage is Coverage.UNKNOWN:
        return ShareBucket(bucket.at, None, None, bucket.coverage)
    k, n = tally.get(bucket.at, (0.0, 0.0))
    return ShareBucket(bucket.at, k, n, bucket.coverage)


def _begins_at(onset_at: datetime | None, back_fills: Sequence[Interval]) -> bool:
    """Whether a surge begins where the past of a new watch does."""
    before, after = BACK_FILL
    return onset_at is not None and any(
        start + before <= onset_at <= end + after for start, end in back_fills
    )
