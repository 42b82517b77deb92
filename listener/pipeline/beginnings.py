"""Where the pasts of new watches begin: a series rises there, and no spike may open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from listener.store.tables import (
    BackfillRow,
    CoverageRow,
    MentionRow,
    MentionWatchRow,
    WatchRow,
)
from listener.types import Interval, Precision

NEW_WATCH = timedelta(days=14)  # by then the detector takes the new level for the usual
LATER = timedelta(hours=1)  # a first run is over by then
SETTLED = timedelta(hours=1)  # the detectors know of a walk that ended so long ago


def back_fills_of(session: Session, brand_id: int, now: datetime) -> dict[str, list[Interval]]:
    """Where what new watches bring begins in the series of a brand, by source: their past, and, of
    those that show none or tell no times, themselves. History that is still walked begins further
    back with every look.
    """
    by_source: dict[str, list[Interval]] = {}
    young = session.execute(
        select(WatchRow.id, WatchRow.source, WatchRow.created_at).where(
            (WatchRow.brand_id == brand_id) | WatchRow.brand_id.is_(None),
            WatchRow.created_at > now - NEW_WATCH,
        )
    ).all()
    for watch_id, source, created_at in young:
        found = by_source.setdefault(source, [])
        past = session.scalars(
            select(CoverageRow.from_at).where(
                CoverageRow.watch_id == watch_id, CoverageRow.from_at < created_at
            )
        ).all()
        found += [(at, at) for at in past]
        if not past and (first := _first(session, watch_id, created_at)) is not None:
            found.append((first, first))
        if _is_undated(session, watch_id, created_at):
            found.append((created_at, created_at))
    walked = (
        select(BackfillRow, WatchRow.source)
        .join(WatchRow, WatchRow.id == BackfillRow.watch_id)
        .where(
            (WatchRow.brand_id == brand_id) | WatchRow.brand_id.is_(None),
            BackfillRow.to_at.is_(None),
            BackfillRow.created_at > now - NEW_WATCH,
            BackfillRow.reached_at.is_not(None),
        )
    )
    for row, source in session.execute(walked):
        reached = row.reached_at or row.from_at
        over = row.finished_at is not None and row.finished_at < now - SETTLED
        interval = (reached, reached if over else max(reached, row.from_at))
        by_source.setdefault(source, []).append(interval)
    return by_source


def of_source(
    back_fills: Mapping[str, Sequence[Interval]], source: str | None
) -> Sequence[Interval]:
    """Those that raise a series of this source; None = any source."""
    if source is not None:
        return back_fills.get(source, ())
    return [one for intervals in back_fills.values() for one in intervals]


def _first(session: Session, watch_id: int, created_at: datetime) -> datetime | None:
    """The earliest that a watch brought by the time its first run was over."""
    return session.scalar(
        select(func.min(MentionRow.event_at))
        .join(MentionWatchRow, MentionWatchRow.mention_id == MentionRow.id)
        .where(MentionWatchRow.watch_id == watch_id, MentionRow.event_at < created_at + LATER)
    )


def _is_undated(session: Session, watch_id: int, created_at: datetime) -> bool:
    """Whether its first run brought what tells no time: it counts as of then."""
    found = session.scalar(
        select(MentionRow.id)
        .join(MentionWatchRow, MentionWatchRow.mention_id == MentionRow.id)
        .where(
            MentionWatchRow.watch_id == watch_id,
            MentionRow.published_precision == Precision.NONE,
            MentionRow.event_at >= created_at,
            MentionRow.event_at < created_at + LATER,
        )
        .limit(1)
    )
    return found is not None
