"""Counts for charts: series out of buckets, what was collected meanwhile, totals by brand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, func, select, type_coerce
from sqlalchemy.orm import Session

from listener.store.base import from_us
from listener.store.tables import BrandRow, BucketRow
from listener.types import Label

_MICROSECOND = timedelta(microseconds=1)


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
