"""Where the pasts of new watches begin: a series rises there, and no spike may open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from listener.store.asof import first_brought, is_undated
from listener.store.tables import BackfillRow, CoverageRow, WatchRow
from listener.types import Interval

NEW_WATCH = timedelta(days=14)  # by then the detector takes the new level for the usual
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
        if not past and (first := first_brought(session, watch_id, created_at)) is not None:
            _, at = first
            found.append((at, at))
        if is_undated(session, watch_id, created_at):
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
