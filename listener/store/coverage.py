"""Coverage: which intervals of a watch were collected in full, and since when that is known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from listener.store.tables import CoverageRow, GapRow

Interval = tuple[datetime, datetime]  # [from, to)


def add(
    session: Session, watch_id: int, from_at: datetime, to_at: datetime, *, now: datetime
) -> None:
    """The watch covers [from_at, to_at) except for its gaps in there."""
    holes = [
        (row.from_at, row.to_at or to_at)
        for row in session.scalars(
            select(GapRow).where(
                GapRow.watch_id == watch_id,
                GapRow.filled_at.is_(None),
                GapRow.from_at < to_at,
            )
        )
    ]
    for start, end in without((from_at, to_at), holes):
        session.add(CoverageRow(watch_id=watch_id, from_at=start, to_at=end, known_at=now))
    session.flush()


def intervals(
    session: Session,
    watch_ids: Sequence[int],
    since: datetime,
    until: datetime,
    *,
    as_of: datetime | None = None,
) -> dict[int, list[Interval]]:
    """Per watch what of [since, until) is covered, merged and in order.

    ``as_of`` answers as it was known at that time, for replays.
    """
    query = (
        select(CoverageRow.watch_id, CoverageRow.from_at, CoverageRow.to_at)
        .where(
            CoverageRow.watch_id.in_(watch_ids),
            CoverageRow.to_at > since,
            CoverageRow.from_at < until,
        )
        .order_by(CoverageRow.watch_id, CoverageRow.from_at)
    )
    if as_of is not None:
        query = query.where(CoverageRow.known_at <= as_of)
    covered: dict[int, list[Interval]] = {watch_id: [] for watch_id in watch_ids}
    for watch_id, start, end in session.execute(query):
        covered[watch_id].append((max(start, since), min(end, until)))
    return {watch_id: merged(pieces) for watch_id, pieces in covered.items()}


def without(whole: Interval, holes: Iterable[Interval]) -> list[Interval]:
    """What is left of an interval without the holes, in order."""
    left: list[Interval] = []
    start, end = whole
    for hole_start, hole_end in sorted(holes):
        if hole_end <= start:
            continue
        if hole_start >= end:
            break
        if hole_start > start:
            left.append((start, hole_start))
        start = max(start, hole_end)
    if start < end:
        left.append((start, end))
    return left


def merged(pieces: Iterable[Interval]) -> list[Interval]:
    """The union of intervals, in order."""
    union: list[Interval] = []
    for start, end in sorted(pieces):
        if union and start <= union[-1][1]:
            union[-1] = (union[-1][0], max(union[-1][1], end))
        else:
            union.append((start, end))
    return union
