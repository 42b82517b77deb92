"""The counts around a spike against what its detector expects, for the picture in a message."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from listener.alert.message import is_count
from listener.alert.picture import BARS, Bar, Curve
from listener.detect.catalogue import filter_of
from listener.detect.policy import policy_of
from listener.detect.series import STEP, SeriesBucket, build_series, floor_to_step
from listener.detect.spike import Detector
from listener.detect.surprise import nb_band
from listener.store import coverage
from listener.store.buckets import STEP_S
from listener.store.tables import BucketRow, DetectorRow, SpikeRow
from listener.types import By, Coverage, Sensitivity

Level = Callable[[datetime], float]  # start of a 5-minute bucket -> what is expected in it

WEEK = timedelta(days=7)
HOUR = timedelta(hours=1)
_SCATTER = 0.1  # counts vary more than chance: variance = mean + 0.1 mean²
# Up to this length of a spike: the length of a bar, and how much before the onset is shown.
_SCALES = (
    (HOUR, STEP, 3 * HOUR),
    (4 * HOUR, timedelta(minutes=15), 9 * HOUR),
    (12 * HOUR, timedelta(minutes=30), 24 * HOUR),
    (timedelta(days=4), timedelta(hours=2), timedelta(days=2)),
    (timedelta.max, timedelta(hours=6), timedelta(days=4)),
)
_COUNTED = {
    By.POSTS: BucketRow.count,
    By.STORIES: BucketRow.new_stories,
    By.AUTHORS: BucketRow.new_authors,
}


def curve_of(session: Session, row: SpikeRow, tz: ZoneInfo, *, now: datetime) -> Curve | None:
    """What is drawn of a spike; None where its series is no count, or nothing of it is stored.

    What is expected comes from the detector as it stands now, which learns nothing from a spike
    that goes on for less than two days.
    """
    if not is_count(row.dimension):
        return None
    end = min(now, (row.resolved_at or now) + HOUR)
    length = max(end - row.onset_at, STEP)
    step, lead = next((step, lead) for upto, step, lead in _SCALES if length <= upto)
    size = min(BARS, -(-(length + lead) // step))
    zone = tz.utcoffset(end.astimezone(tz).replace(tzinfo=None)) or timedelta(0)
    first = floor_to_step(end + zone, step) - zone - (size - 1) * step  # bars begin on the hour
    counts = _counts(session, row, first, end)
    if not counts:
        return None
    watches = coverage.of_source(
        session,
        row.brand_id,
        coverage.of_brand(session, row.brand_id, first, now=now),
        (row.scope or filter_of(row.dimension)).get("source"),
    )
    series = build_series(counts, watches, start=first, end=end, now=now)
    level = _level(session, row, tz)
    return Curve(
        bars=tuple(_bars(series, counts, level, first, step)), step=step, onset_at=row.onset_at
    )


def _counts(
    session: Session, row: SpikeRow, since: datetime, until: datetime
) -> dict[datetime, int]:
    column = _COUNTED[By(row.by)]
    rows = session.execute(
        select(BucketRow.at, column).where(
            BucketRow.brand_id == row.brand_id,
            BucketRow.dimension == row.dimension,
            BucketRow.step_s == STEP_S,
            BucketRow.at >= since,
            BucketRow.at < until,
        )
    )
    return {at: count for at, count in rows if count}


def _level(session: Session, row: SpikeRow, tz: ZoneInfo) -> Level:
    state = session.scalar(
        select(DetectorRow.state).where(
            DetectorRow.brand_id == row.brand_id,
            DetectorRow.dimension == row.dimension,
            DetectorRow.by == row.by,
            DetectorRow.sensitivity == row.sensitivity,
        )
    )
    detector = None
    if state is not None:
        detector = Detector.load(state, policy_of(Sensitivity(row.sensitivity)), tz)
    if detector is None:  # none is kept, or one of an older version: as much as before the spike
        spread = max((row.updated_at - row.onset_at) // STEP, 1)
        return lambda at: row.expected / spread
    return _asking(detector)


def _asking(detector: Detector) -> Level:
    """What a detector expects at any time: it is asked for the same hour of a week to come."""
    last = detector.last_at

    def level(at: datetime) -> float:
        moment = at
        if last is not None and moment <= last:
            moment += ((last - moment) // WEEK + 1) * WEEK
        return detector.copy().judge(moment, None, Coverage.UNKNOWN)[0]

    return level


def _bars(
    series: Sequence[SeriesBucket],
    counts: Mapping[datetime, int],
    level: Level,
    first: datetime,
    step: timedelta,
) -> list[Bar]:
    """The buckets summed up to bars; what was seen without coverage is shown all the same."""
    places: dict[int, list[SeriesBucket]] = {}
    for item in series:
        places.setdefault((item.bucket.at - first) // step, []).append(item)
    bars = []
    for place, items in sorted(places.items()):
        seen = sum(counts.get(item.bucket.at, 0) for item in items)
        known = seen or any(item.bucket.coverage is not Coverage.UNKNOWN for item in items)
        mean = sum(level(item.bucket.at) for item in items)
        bars.append(
            Bar(first + place * step, seen if known else None, mean, *nb_band(mean, _SCATTER))
        )
    while bars and bars[-1].count is None:
        bars.pop()  # the latest minutes are still on their way: that is no gap
    return bars
