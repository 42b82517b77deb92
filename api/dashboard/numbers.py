"""The counts behind the charts: read from buckets, binned into the bars of a period."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy import BigInteger, func, select, type_coerce
from sqlalchemy.orm import Session

from api.deps import By, Wiring
from listener.detect.series import SeriesBucket, build_series
from listener.store import stats
from listener.store.base import to_us
from listener.store.buckets import STEP, STEP_S
from listener.store.tables import BucketRow, GapRow, MatchRow, MentionRow, WatchRow
from listener.types import Coverage, WatchCoverage

_GRAIN = timedelta(minutes=15)  # zones differ from UTC by quarters of an hour
_GRAIN_US = int(_GRAIN.total_seconds()) * 1_000_000
_HOUR = timedelta(hours=1)


def first_bucket(session: Session, brand_id: int) -> datetime | None:
    """Where the brand's numbers begin."""
    return session.scalar(
        select(func.min(BucketRow.at)).where(
            BucketRow.brand_id == brand_id, BucketRow.step_s == STEP_S
        )
    )


def bars(
    session: Session, brand_id: int, dimensions: Sequence[str], edges: Sequence[datetime]
) -> dict[str, list[int]]:
    """Mentions by dimension and bar."""
    # Bars may follow the wall clock of any zone; whole hours are enough where they fit.
    whole = all(edge.minute == 0 for edge in edges)
    counted = stats.counts(
        session, brand_id, dimensions, edges[0], edges[-1], step=_HOUR if whole else _GRAIN
    )
    found = {dimension: [0] * (len(edges) - 1) for dimension in dimensions}
    for dimension, by_start in counted.items():
        for start, count in by_start.items():
            found[dimension][bisect_right(edges, start) - 1] += count
    return found


def distinct(
    session: Session, brand_id: int, since: datetime, until: datetime, by: By, wiring: Wiring
) -> dict[str, int]:
    """How many stories or authors there are of each dimension in [since, until)."""
    told = wiring.count_distinct(session, brand_id, since, until, by=by, places=lambda _: 0)
    return {dimension: places[0] for dimension, places in told.items()}


def distinct_bars(
    session: Session,
    brand_id: int,
    dimensions: Sequence[str],
    edges: Sequence[datetime],
    by: By,
    wiring: Wiring,
) -> dict[str, list[int]]:
    """Stories or authors by dimension and bar, each once a bar."""
    starts = [to_us(edge) for edge in edges]
    told = wiring.count_distinct(
        session,
        brand_id,
        edges[0],
        edges[-1],
        by=by,
        places=lambda at_us: bisect_right(starts, at_us) - 1,
        wanted=dimensions,
    )
    return {
        dimension: [told[dimension].get(place, 0) for place in range(len(edges) - 1)]
        for dimension in dimensions
    }


@dataclass(frozen=True, slots=True)
class Ratings:
    """Ratings on a scale of five."""

    average: float | None
    count: int


def ratings(
    session: Session, brand_id: int, since: datetime, until: datetime, edges: Sequence[datetime]
) -> tuple[Ratings, list[float | None]]:
    """The average rating and that of each bar, every source's scale brought to 1..5."""
    low = func.coalesce(MentionRow.rating_min, 1.0)
    high = func.coalesce(MentionRow.rating_max, 5.0)
    share = (MentionRow.rating - low) / func.nullif(high - low, 0.0)
    grain = type_coerce(MatchRow.event_at, BigInteger) // _GRAIN_US
    rows = session.execute(
        select(grain, func.sum(share), func.count())
        .select_from(MatchRow)
        .join(MentionRow, MentionRow.id == MatchRow.mention_id)
        .where(
            MatchRow.brand_id == brand_id,
            MatchRow.event_at >= since,
            MatchRow.event_at < until,
            MentionRow.rating.is_not(None),
            MentionRow.is_own.is_(False),
        )
        .group_by(grain)
    ).all()
    starts = [to_us(edge) for edge in edges]
    sums = [0.0] * (len(edges) - 1)
    counts = [0] * (len(edges) - 1)
    for number, total, count in rows:
        place = min(max(bisect_right(starts, number * _GRAIN_US) - 1, 0), len(sums) - 1)
        sums[place] += total or 0.0
        counts[place] += count
    count = sum(counts)
    return (
        Ratings(1 + 4 * sum(sums) / count if count else None, count),
        [1 + 4 * s / n if n else None for s, n in zip(sums, counts, strict=True)],
    )


# --- what was collected --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WatchGap:
    """A stretch that a watch did not collect."""

    watch_id: int
    label: str
    from_at: datetime
    to_at: datetime | None
    why: str
    detail: str


def gaps_of(
    session: Session, brand_id: int | None, since: datetime, until: datetime
) -> list[WatchGap]:
    """Gaps that are not filled, of the watches that serve a brand (None = of all), latest first."""
    query = (
        select(GapRow, WatchRow.source, WatchRow.label)
        .join(WatchRow, WatchRow.id == GapRow.watch_id)
        .where(
            GapRow.filled_at.is_(None),
            GapRow.from_at < until,
            (GapRow.to_at.is_(None)) | (GapRow.to_at > since),
            WatchRow.deleted_at.is_(None),
        )
        .order_by(GapRow.from_at.desc())
        .limit(200)
    )
    if brand_id is not None:
        query = query.where((WatchRow.brand_id == brand_id) | WatchRow.brand_id.is_(None))
    return [
        WatchGap(gap.watch_id, label or source, gap.from_at, gap.to_at, gap.why, gap.detail)
        for gap, source, label in session.execute(query)
    ]


def bar_coverage(
    watches: Sequence[WatchCoverage], edges: Sequence[datetime], now: datetime
) -> list[Coverage | None]:
    """How well each bar is known; None for those that lie ahead. The running one counts as
    complete.
    """
    judged: list[Coverage | None] = []
    for start, end in pairwise(edges):
        if start >= now:
            judged.append(None)
            continue
        upto = min(end, now - STEP) if end > now - STEP else end
        if upto <= start:
            judged.append(Coverage.COMPLETE)
            continue
        series: Iterable[SeriesBucket] = build_series(
            {}, watches, start=start, end=upto, now=now, step=upto - start
        )
        judged.append(next((item.bucket.coverage for item in series), None))
    return judged
