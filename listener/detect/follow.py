"""One look at one series: its new buckets over a detector and the life of its spike. Pure.

The watchdog and backtests take the same way, so that they find the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from listener.detect.lifecycle import Event, Judged, SpikeLife, advance
from listener.detect.policy import Policy
from listener.detect.series import STEP, SeriesBucket, split_final
from listener.detect.spike import Detector
from listener.types import Bucket, Coverage, Interval

# A new watch that shows the past raises a series where its past begins: no spike may begin there.
BACK_FILL = (timedelta(hours=-1), timedelta(hours=2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What one look at a series gave."""

    upto: datetime  # the detector has passed all buckets before it
    moved: bool  # whether it passed any
    spike: SpikeLife | None
    events: Sequence[Event]

    def dump(self, detector: Detector) -> Mapping[str, Any] | None:
        """The state to keep; None = the detector did not move."""
        return detector.dump() if self.moved else None


def follow(
    detector: Detector,
    series: Sequence[SeriesBucket],
    life: SpikeLife | None,
    policy: Policy,
    *,
    upto: datetime,
    back_fills: Sequence[Interval] = (),
    now: datetime,
) -> Followed:
    """Step ``detector`` (it is changed) over the final buckets of ``series``, and a copy of it over
    the rest.

    ``series`` begins at ``upto``. ``life`` is the last known spike of the series. ``back_fills`` is
    where the pasts of new watches begin: no spike opens there.
    """
    final, rest = split_final(series)
    news = now - policy.max_lateness - STEP
    is_open = False
    if life is not None and life.is_open:
        is_open = True
        news = min(news, life.risen_at)

    def judge(by: Detector, bucket: Bucket, final: bool) -> Judged:
        verdict = by.step(bucket)
        if not is_open and _begins_at(verdict.onset_at, back_fills):
            verdict = replace(verdict, is_spike=False)
        return Judged(verdict, bucket.coverage, final)

    judged = []
    for bucket in final:
        if bucket.at < news:  # learnt from only: it can neither open a spike nor end one
            detector.judge(bucket.at, bucket.count, bucket.coverage)
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
    frame: Sequence[SeriesBucket], counts: Mapping[datetime, int], start: datetime
) -> list[SeriesBucket]:
    """The brand's frame of coverage from ``start`` on, with the counts of one series in it."""
    filled = []
    for item in frame:
        bucket = item.bucket
        if bucket.at < start:
            continue
        if bucket.coverage is not Coverage.UNKNOWN and bucket.at in counts:
            item = replace(item, bucket=Bucket(bucket.at, counts[bucket.at], bucket.coverage))
        filled.append(item)
    return filled


def _begins_at(onset_at: datetime | None, back_fills: Sequence[Interval]) -> bool:
    """Whether a surge begins where the past of a new watch does."""
    before, after = BACK_FILL
    return onset_at is not None and any(
        start + before <= onset_at <= end + after for start, end in back_fills
    )
