"""Coverage: which intervals of a watch were collected in full, and since when that is known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from listener.store.buckets import STEP, STEP_S
from listener.store.tables import (
    BucketRow,
    CoverageRow,
    GapRow,
    InboundItemRow,
    InboundRow,
    WatchRow,
)
from listener.types import Interval, WatchCoverage

DROP_OUT = timedelta(days=1)  # a watch silent for longer is no longer waited for
_LEAST_PATIENCE = timedelta(minutes=15)
_FILE = "file"
_WEBHOOK = "webhook"


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


def of_brand(
    session: Session, brand_id: int, since: datetime, *, now: datetime
) -> list[WatchCoverage]:
    """What the watches of a brand (and those of no brand) are known to have collected since then.

    A watch that never succeeded is left out: it has nothing to miss. One that was paused, deleted
    or silent for more than a day is waited for up to then only. Files count as collected from the
    first to the last mention that they brought, and are never waited for; neither are webhooks,
    which count from when they were made to the oldest delivery that still waits.
    """
    rows = session.execute(
        select(
            WatchRow.id,
            WatchRow.source,
            WatchRow.created_at,
            WatchRow.deleted_at,
            WatchRow.enabled,
            WatchRow.every_s,
            WatchRow.covered_to,
        ).where(
            or_(WatchRow.brand_id == brand_id, WatchRow.brand_id.is_(None)),
            WatchRow.covered_to.is_not(None),
        )
    ).all()
    known = intervals(session, [row.id for row in rows], since, now)
    found = []
    for row in rows:
        covered_to = row.covered_to or row.created_at
        every = timedelta(seconds=row.every_s)
        ended = row.deleted_at
        if not row.enabled or now - covered_to > max(DROP_OUT, 3 * every):
            ended = min(ended or covered_to, covered_to)
        found.append(
            WatchCoverage(
                watch_id=row.id,
                active_from=row.created_at,
                active_to=max(ended, row.created_at) if ended else None,
                intervals=known.get(row.id, []),
                late_after=max(2 * every, _LEAST_PATIENCE),
                source=row.source,
            )
        )
    return [*found, *_of_files(session, brand_id, _FILE), *_of_webhooks(session, brand_id, now)]


def of_source(
    session: Session, brand_id: int, watches: Sequence[WatchCoverage], source: str | None
) -> list[WatchCoverage]:
    """Those ``of_brand`` by which a series of one source is judged; None = all of them.

    A source that nothing collects was brought by a file that names it, and counts as files do.
    """
    if source is None:
        return list(watches)
    found = [watch for watch in watches if watch.source == source]
    return found or _of_files(session, brand_id, source, unless_collected=True)


def is_collected(session: Session, brand_id: int, source: str) -> bool:
    """Whether any watch or webhook of a brand, or of none, is or was of that source."""
    if source == _WEBHOOK:
        query = select(InboundRow.id).where(
            or_(InboundRow.brand_id == brand_id, InboundRow.brand_id.is_(None))
        )
    else:
        query = select(WatchRow.id).where(
            or_(WatchRow.brand_id == brand_id, WatchRow.brand_id.is_(None)),
            WatchRow.source == source,
        )
    return session.scalar(query.limit(1)) is not None


def _of_files(
    session: Session, brand_id: int, source: str, *, unless_collected: bool = False
) -> list[WatchCoverage]:
    if unless_collected and is_collected(session, brand_id, source):
        return []
    rows = session.execute(
        select(func.min(BucketRow.at), func.max(BucketRow.at))
        .where(
            BucketRow.brand_id == brand_id,
            BucketRow.dimension == f"source:{source}",
            BucketRow.step_s == STEP_S,
        )
        .having(func.count() > 0)
    )
    return [
        WatchCoverage(
            watch_id=0,
            active_from=first,
            active_to=first,
            intervals=[(first, last + STEP)],
            source=source,
        )
        for first, last in rows
    ]


def _of_webhooks(session: Session, brand_id: int, now: datetime) -> list[WatchCoverage]:
    oldest = (
        select(func.min(InboundItemRow.received_at))
        .where(InboundItemRow.inbound_id == InboundRow.id, InboundItemRow.state == "waiting")
        .scalar_subquery()
    )
    rows = session.execute(
        select(InboundRow.created_at, oldest).where(
            or_(InboundRow.brand_id == brand_id, InboundRow.brand_id.is_(None)),
            InboundRow.enabled.is_(True),
        )
    )
    found = []
    for made, waits_since in rows:
        upto: datetime | None = waits_since
        covered = (made, max(made, now if upto is None else upto))
        found.append(
            WatchCoverage(
                watch_id=0,
                active_from=made,
                active_to=made,
                intervals=[covered],
                source=_WEBHOOK,
            )
        )
    return found


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
