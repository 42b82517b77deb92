"""Counts for charts: series out of buckets, what was collected meanwhile, totals by brand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, func, or_, select, type_coerce
from sqlalchemy.orm import Session

from listener.store import coverage
from listener.store.base import from_us
from listener.store.coverage import Interval
from listener.store.tables import BrandRow, BucketRow, WatchRow
from listener.types import Label

DROP_OUT = timedelta(days=1)  # a watch silent for longer is no longer waited for
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """What one watch is known to have collected in a time: [from, to) ``intervals``, merged.

    ``active_to`` None = active still. A bucket that the watch lacks ``late_after`` its end will
    hardly come any more.
    """

    watch_id: int
    active_from: datetime
    active_to: datetime | None
    intervals: Sequence[Interval]
    late_after: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """What was said of a brand in a time, its own voice left out."""

    brand_id: int
    name: str
    competitor: bool
    mentions: int
    share: float | None  # of all brands' mentions (share of voice), 0..1; None = there were none
    complaints: int
    labels: Mapping[str, int]  # by Label, and "unscored"
    score: float | None  # mean sentiment, -1..1


def counts(
    session: Session,
    brand_id: int,
    dimensions: Sequence[str],
    since: datetime,
    until: datetime,
    *,
    step: timedelta,
) -> dict[str, dict[datetime, int]]:
    """Mentions of [since, until) by dimension and start of the step; what is left out is zero.

    ``step`` divides a day in UTC and is a multiple of 5 minutes. Authors and stories are distinct
    within a bucket, so that they cannot be summed like this.
    """
    step_us = step // _MICROSECOND
    at_us = type_coerce(BucketRow.at, BigInteger)
    start_us = (at_us - at_us % step_us).label("start")
    rows = session.execute(
        select(BucketRow.dimension, start_us, func.sum(BucketRow.count))
        .where(
            BucketRow.brand_id == brand_id,
            BucketRow.dimension.in_(dimensions),
            # Old buckets are kept in longer steps; each time is in one length only.
            BucketRow.step_s <= int(step.total_seconds()),
            BucketRow.at >= since,
            BucketRow.at < until,
        )
        .group_by(BucketRow.dimension, start_us)
    )
    found: dict[str, dict[datetime, int]] = {dimension: {} for dimension in dimensions}
    for dimension, start, count in rows:
        found[dimension][from_us(start)] = int(count)
    return found


def dimensions(
    session: Session, brand_id: int, since: datetime, until: datetime
) -> Mapping[str, int]:
    """All dimensions with mentions in [since, until), and how many."""
    rows = session.execute(
        select(BucketRow.dimension, func.sum(BucketRow.count))
        .where(BucketRow.brand_id == brand_id, BucketRow.at >= since, BucketRow.at < until)
        .group_by(BucketRow.dimension)
        .order_by(BucketRow.dimension)
    )
    return {dimension: int(count) for dimension, count in rows}


def tracks(session: Session, brand_id: int, since: datetime, *, now: datetime) -> list[Track]:
    """What the watches of a brand (and those of no brand) have collected since then.

    A watch that never succeeded is left out: it has nothing to miss. One that was paused, deleted
    or silent for more than a day is waited for up to then only.
    """
    rows = session.scalars(
        select(WatchRow).where(
            or_(WatchRow.brand_id == brand_id, WatchRow.brand_id.is_(None)),
            WatchRow.covered_to.is_not(None),
        )
    ).all()
    known = coverage.intervals(session, [row.id for row in rows], since, now)
    found = []
    for row in rows:
        covered_to = row.covered_to or row.created_at
        every = timedelta(seconds=row.every_s)
        ended = row.deleted_at
        if not row.enabled or now - covered_to > max(DROP_OUT, 3 * every):
            ended = min(ended or covered_to, covered_to)
        found.append(
            Track(
                watch_id=row.id,
                active_from=row.created_at,
                active_to=max(ended, row.created_at) if ended else None,
                intervals=known.get(row.id, []),
                late_after=max(2 * every, timedelta(minutes=15)),
            )
        )
    return found


def totals(session: Session, since: datetime, until: datetime) -> list[Total]:
    """Every brand in force with its mentions of [since, until), the most talked of first."""
    counted: dict[int, dict[str, tuple[int, float, int]]] = {}
    wanted = ("all", "complaint", "unscored", *Label)
    for brand_id, dimension, *numbers in session.execute(
        select(
            BucketRow.brand_id,
            BucketRow.dimension,
            func.sum(BucketRow.count),
            func.sum(BucketRow.score_sum),
            func.sum(BucketRow.scored),
        )
        .where(BucketRow.at >= since, BucketRow.at < until, BucketRow.dimension.in_(list(wanted)))
        .group_by(BucketRow.brand_id, BucketRow.dimension)
    ):
        count, score_sum, scored = numbers
        counted.setdefault(brand_id, {})[dimension] = int(count), float(score_sum), int(scored)
    brands = session.execute(
        select(BrandRow.id, BrandRow.name, BrandRow.competitor).where(
            BrandRow.archived_at.is_(None)
        )
    ).all()
    none = (0, 0.0, 0)
    of_all = sum(counted.get(brand.id, {}).get("all", none)[0] for brand in brands)
    found = []
    for brand in brands:
        by_dimension = counted.get(brand.id, {})
        mentions, score_sum, scored = by_dimension.get("all", none)
        found.append(
            Total(
                brand_id=brand.id,
                name=brand.name,
                competitor=brand.competitor,
                mentions=mentions,
                share=mentions / of_all if of_all else None,
                complaints=by_dimension.get("complaint", none)[0],
                labels={
                    label: by_dimension.get(label, none)[0]
                    for label in (*(str(label) for label in Label), "unscored")
                },
                score=score_sum / scored if scored else None,
            )
        )
    return sorted(found, key=lambda total: (-total.mentions, total.name))
