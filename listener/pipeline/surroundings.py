"""What was around a spike: other brands meanwhile, earlier spikes like it, what is usual."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import Session

from listener.alert.message import is_count
from listener.detect.catalogue import parts_of, rule_of
from listener.detect.explain import similarity
from listener.detect.surprise import nb_surprise
from listener.store import feed
from listener.store.feed_query import MentionFilter
from listener.store.tables import AlertRow, BrandRow, BucketRow, SpikeRow

WEEK = timedelta(days=7)
WEEKS = 4  # before, that a competitor is compared with
ALIKE = 0.5  # similarity from which a past spike is shown
MOST_ALIKE = 3
_PAST = 100  # spikes looked through for similar ones
_SHARED = 3.0  # surprise at which a competitor's count has risen, too
_RISEN = 1.25  # times the usual from which a competitor's spike is worth telling
_SAME = 0.3  # of the way to being alike that the same series is
_SCATTER = 0.1  # dispersion of a competitor's counts
_MOST_COUNTED = 20_000
_STEP_S = 300


def own_words(session: Session, brand_id: int) -> set[str]:
    """The brand's names: that they occur in its mentions is no news."""
    row = session.get_one(BrandRow, brand_id)
    return {row.name, *row.aliases, *row.hashtags, *row.handles}


def rivals(session: Session, row: SpikeRow, wanted: MentionFilter) -> list[dict[str, Any]]:
    """What the same series of other brands did meanwhile: of competitors for an own brand, of all
    others for a competitor. The most raised first.

    ``usual`` is the mean of the same hours of the last four weeks.
    """
    dimension, _ = parts_of(row.dimension)
    if rule_of(row.dimension) is not None or not is_count(dimension):
        return []
    own = session.get_one(BrandRow, row.brand_id)
    query = select(BrandRow.id, BrandRow.name).where(
        BrandRow.archived_at.is_(None), BrandRow.id != row.brand_id
    )
    if not own.competitor:
        query = query.where(BrandRow.competitor.is_(True))
    others = {brand_id: name for brand_id, name in session.execute(query.limit(50))}
    if not others:
        return []
    start, until = row.onset_at, wanted.until or row.onset_at
    weeks = _weeks(session, others, dimension, start, until)
    first = _first_buckets(session, others)
    spiked = _spikes_meanwhile(session, others, row.dimension, start, until)
    found: list[dict[str, Any]] = []
    for brand_id, name in others.items():
        known = [
            weeks.get((brand_id, n), 0)
            for n in range(1, WEEKS + 1)
            if brand_id in first and first[brand_id] <= start - n * WEEK
        ]
        if not known:
            continue
        usual, seen = sum(known) / len(known), weeks.get((brand_id, 0), 0)
        if seen:  # by the filter of its link; an empty bucket says enough
            seen = feed.count(session, replace(wanted, brand_id=brand_id), limit=_MOST_COUNTED)
        up = (brand_id in spiked and seen >= _RISEN * usual) or (
            seen >= 3 and nb_surprise(seen, max(usual, 0.3), _SCATTER) >= _SHARED
        )
        found.append(
            {
                "brand_id": brand_id,
                "name": name,
                "observed": seen,
                "usual": round(usual, 2),
                "up": up,
                "spike_id": spiked.get(brand_id),
            }
        )
    found.sort(key=lambda one: (not one["up"], one["usual"] - one["observed"], str(one["name"])))
    return found[:10]


def _weeks(
    session: Session, brands: Collection[int], dimension: str, start: datetime, end: datetime
) -> dict[tuple[int, int], int]:
    """Mentions of these hours, by brand and by how many weeks ago."""
    at = BucketRow.at
    spans = [
        and_(at >= start - n * WEEK, at < end - n * WEEK)
        for n in range(WEEKS + 1)
        if n == 0 or end - start <= WEEK
    ]
    week = case(*((span, n) for n, span in enumerate(spans)))
    rows = session.execute(
        select(BucketRow.brand_id, week, func.sum(BucketRow.count))
        .where(
            BucketRow.brand_id.in_(brands),
            BucketRow.dimension == dimension,
            BucketRow.step_s == _STEP_S,
            at >= start - WEEKS * WEEK,
            at < end,
            or_(*spans),
        )
        .group_by(BucketRow.brand_id, week)
    )
    return {(brand_id, int(n)): int(total) for brand_id, n, total in rows}


class Tally(NamedTuple):
    """A series in a time: mentions, and the sum of the scores of those that have one."""

    count: int = 0  # type: ignore[assignment]  # a tuple has a method of this name
    total: float = 0.0
    scored: int = 0

    @property
    def mean(self) -> float:
        """Of the scored ones; 0 without any."""
        return self.total / self.scored if self.scored else 0.0


def tally(
    session: Session, brand_id: int, dimensions: Collection[str], start: datetime, end: datetime
) -> dict[str, Tally]:
    """The series of a brand in [start, end), by dimension."""
    rows = session.execute(
        select(
            BucketRow.dimension,
            func.sum(BucketRow.count),
            func.sum(BucketRow.score_sum),
            func.sum(BucketRow.scored),
        )
        .where(
            BucketRow.brand_id == brand_id,
            BucketRow.dimension.in_(dimensions),
            BucketRow.step_s == _STEP_S,
            BucketRow.at >= start,
            BucketRow.at < end,
        )
        .group_by(BucketRow.dimension)
    )
    found = dict.fromkeys(dimensions, Tally())
    for dimension, count, total, scored in rows:
        found[dimension] = Tally(int(count), float(total), int(scored))
    return found


def _first_buckets(session: Session, brands: Collection[int]) -> dict[int, datetime]:
    found = {}
    for brand_id in brands:
        first = session.scalar(
            select(func.min(BucketRow.at)).where(
                BucketRow.brand_id == brand_id, BucketRow.step_s == _STEP_S
            )
        )
        if first is not None:
            found[brand_id] = first
    return found


def _spikes_meanwhile(
    session: Session, brands: Collection[int], dimension: str, start: datetime, end: datetime
) -> dict[int, int]:
    rows = session.execute(
        select(SpikeRow.brand_id, SpikeRow.id)
        .where(
            SpikeRow.brand_id.in_(brands),
            SpikeRow.dimension == dimension,
            SpikeRow.onset_at < end,
            (SpikeRow.resolved_at > start) | SpikeRow.resolved_at.is_(None),
        )
        .order_by(SpikeRow.id)
    )
    return {brand_id: spike_id for brand_id, spike_id in rows}


def alike(session: Session, row: SpikeRow, told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Earlier spikes of the brand with the same drivers, and how they ended; the most alike first.

    Of an event with several spikes the most alike one stands for all.
    """
    query = (
        select(SpikeRow, AlertRow.verdict)
        .outerjoin(AlertRow, AlertRow.id == SpikeRow.alert_id)
        .where(
            SpikeRow.brand_id == row.brand_id,
            SpikeRow.onset_at < row.onset_at,
            SpikeRow.state == "resolved",
        )
        .order_by(SpikeRow.onset_at.desc(), SpikeRow.id.desc())
        .limit(_PAST)
    )
    if row.alert_id is not None:
        query = query.where((SpikeRow.alert_id != row.alert_id) | SpikeRow.alert_id.is_(None))
    best: dict[object, tuple[float, SpikeRow, str | None]] = {}
    for other, verdict in session.execute(query):
        near = similarity(told, other.explanation or {})
        if other.dimension == row.dimension:
            near += (1.0 - near) * _SAME
        key = ("alert", other.alert_id) if other.alert_id is not None else ("spike", other.id)
        if near >= ALIKE and (key not in best or near > best[key][0]):
            best[key] = near, other, verdict
    ranked = sorted(best.values(), key=lambda one: (-one[0], -one[1].id))[:MOST_ALIKE]
    return [
        {
            "spike_id": other.id,
            "dimension": other.dimension,
            "onset": other.onset_at.isoformat(),
            "lasted_s": int(((other.resolved_at or row.onset_at) - other.onset_at).total_seconds()),
            "observed": (other.explanation or {}).get("observed") or other.observed,
            "expected": round((other.explanation or {}).get("expected") or other.expected, 2),
            "similarity": round(near, 3),
            "verdict": verdict,
        }
        for near, other, verdict in ranked
    ]
