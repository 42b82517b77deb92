"""Gaps: intervals of a watch that were not collected, and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from listener.store.tables import BackfillRow, GapRow
from listener.types import Gap, GapReason


def record(
    session: Session, watch_id: int, run_id: int | None, found: Sequence[Gap], *, now: datetime
) -> None:
    """Write gaps down; one that is known already is not written twice."""
    if not found:
        return
    known = {
        (row.from_at, row.to_at, row.why)
        for row in session.scalars(
            select(GapRow).where(GapRow.watch_id == watch_id, GapRow.filled_at.is_(None))
        )
    }
    for gap in found:
        if (gap.from_at, gap.to_at, gap.why) not in known:
            session.add(_row(gap, watch_id, run_id, now))
    session.flush()


def begin(
    session: Session,
    watch_id: int,
    run_id: int,
    why: GapReason,
    from_at: datetime,
    *,
    detail: str = "",
    now: datetime,
) -> None:
    """Open a gap whose end is not known yet, unless the watch has such a one."""
    if ongoing(session, watch_id) is None:
        session.add(
            _row(Gap(from_at=from_at, to_at=None, why=why, detail=detail), watch_id, run_id, now)
        )
        session.flush()


def ongoing(session: Session, watch_id: int) -> GapRow | None:
    """The gap that is still open at its end."""
    return session.scalar(
        select(GapRow)
        .where(GapRow.watch_id == watch_id, GapRow.to_at.is_(None), GapRow.filled_at.is_(None))
        .order_by(GapRow.id)
        .limit(1)
    )


def end(session: Session, watch_id: int, run_id: int, *, upto: datetime, now: datetime) -> None:
    """The watch is complete up to that time again: give an open gap its end.

    Where the source told all of the time back, the gap is filled. Where the run had to report gaps
    of its own in that time (the source does not reach back as far, or it is too much for a
    run), these parts stay, under the first reason; what back-fills them goes on doing so.
    """
    gap = ongoing(session, watch_id)
    if gap is None:
        return
    inside = [
        row
        for row in session.scalars(
            select(GapRow).where(
                GapRow.watch_id == watch_id,
                GapRow.run_id == run_id,
                GapRow.id != gap.id,
                GapRow.filled_at.is_(None),
            )
        )
        if row.to_at is not None and row.to_at > gap.from_at
    ]
    if not inside:
        gap.to_at = upto
        gap.filled_at = now
    else:
        for row in inside:
            row.from_at, row.why = max(gap.from_at, row.from_at), gap.why
        first = min(inside, key=lambda row: row.from_at)
        gap.from_at, gap.to_at = first.from_at, first.to_at
        session.execute(
            update(BackfillRow).where(BackfillRow.gap_id == first.id).values(gap_id=gap.id)
        )
        session.delete(first)
    session.flush()


def fill(session: Session, gap_id: int, *, now: datetime) -> None:
    """The interval was collected after all."""
    row = session.get(GapRow, gap_id)
    if row is not None and row.filled_at is None:
        row.filled_at = now
        session.flush()


def listing(
    session: Session,
    *,
    watch_ids: Sequence[int] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    filled: bool = False,
) -> list[GapRow]:
    """Gaps that touch [since, until), the latest first; with ``filled`` also those closed since."""
    query = select(GapRow).order_by(GapRow.from_at.desc(), GapRow.id.desc())
    if watch_ids is not None:
        query = query.where(GapRow.watch_id.in_(watch_ids))
    if since is not None:
        query = query.where(or_(GapRow.to_at.is_(None), GapRow.to_at > since))
    if until is not None:
        query = query.where(GapRow.from_at < until)
    if not filled:
        query = query.where(GapRow.filled_at.is_(None))
    return list(session.scalars(query))


def _row(gap: Gap, watch_id: int, run_id: int | None, now: datetime) -> GapRow:
    return GapRow(
        watch_id=watch_id,
        run_id=run_id,
        from_at=gap.from_at,
        to_at=gap.to_at,
        why=gap.why,
        detail=gap.detail,
        known_at=now,
    )
