"""Rating snapshots: averages over many ratings as sources tell them, kept where they change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from listener.store.tables import RatingRow, WatchRow
from listener.types import RatingSnapshot

DAILY = timedelta(days=1)
"""An average that does not change is written down this often, so that a line can be drawn."""

_SAME = 1e-9
_TITLE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """A subject with its averages in order of time. ``source`` is that of its watch."""

    source: str
    namespace: str
    subject: str
    points: tuple[RatingRow, ...]

    @property
    def latest(self) -> RatingRow:
        """Where it stands."""
        return self.points[-1]


def record(
    session: Session, watch_id: int, snapshots: Sequence[RatingSnapshot], *, now: datetime
) -> int:
    """Write down what is new: an average or count that changed, or the first of a day.

    Of a subject told twice the last counts. Returns how many rows were written.
    """
    told = {(one.namespace, one.subject): one for one in snapshots}
    if not told:
        return 0
    known = _latest(session, watch_id, [one.subject for one in told.values()])
    written = 0
    for identity, one in told.items():
        had = known.get(identity)
        if had is None or _differs(one, had) or now - had.at >= DAILY:
            session.add(_row(one, watch_id, now))
            written += 1
    session.flush()
    return written


def listing(
    session: Session,
    *,
    since: datetime,
    until: datetime,
    watch_id: int | None = None,
    brand_id: int | None = None,
) -> list[Rated]:
    """The averages of [since, until) by subject, with the last one from before it where there is
    one; the most rated subject first.
    """
    query = (
        select(RatingRow, WatchRow.source)
        .join(WatchRow, WatchRow.id == RatingRow.watch_id)
        .order_by(RatingRow.at, RatingRow.id)
    )
    if watch_id is not None:
        query = query.where(RatingRow.watch_id == watch_id)
    if brand_id is not None:
        query = query.where(WatchRow.brand_id == brand_id)
    before = (
        select(func.max(RatingRow.id))
        .join(WatchRow, WatchRow.id == RatingRow.watch_id)
        .where(RatingRow.at < since)
        .group_by(RatingRow.watch_id, RatingRow.namespace, RatingRow.subject)
    )
    inside = (RatingRow.at >= since) & (RatingRow.at < until)
    found: dict[tuple[str, str, str], list[RatingRow]] = {}
    for row, source in session.execute(query.where(inside | RatingRow.id.in_(before))):
        found.setdefault((source, row.namespace, row.subject), []).append(row)
    rated = [
        Rated(source=source, namespace=namespace, subject=subject, points=tuple(points))
        for (source, namespace, subject), points in found.items()
    ]
    return sorted(rated, key=lambda one: (-(one.latest.count or 0), one.source, one.subject))


def page(
    session: Session,
    *,
    brand_id: int | None = None,
    watch_id: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before_id: int | None = None,
    limit: int = 50,
) -> list[tuple[RatingRow, WatchRow]]:
    """Snapshots with their watches, the latest first."""
    query = (
        select(RatingRow, WatchRow)
        .join(WatchRow, WatchRow.id == RatingRow.watch_id)
        .order_by(RatingRow.id.desc())
        .limit(limit)
    )
    if brand_id is not None:
        query = query.where(WatchRow.brand_id == brand_id)
    if watch_id is not None:
        query = query.where(RatingRow.watch_id == watch_id)
    if since is not None:
        query = query.where(RatingRow.at >= since)
    if until is not None:
        query = query.where(RatingRow.at < until)
    if before_id is not None:
        query = query.where(RatingRow.id < before_id)
    return [(row, watch) for row, watch in session.execute(query)]


def _latest(
    session: Session, watch_id: int, subjects: Sequence[str]
) -> dict[tuple[str, str], RatingRow]:
    newest = (
        select(func.max(RatingRow.id))
        .where(RatingRow.watch_id == watch_id, RatingRow.subject.in_(subjects))
        .group_by(RatingRow.namespace, RatingRow.subject)
    )
    rows = session.scalars(select(RatingRow).where(RatingRow.id.in_(newest)))
    return {(row.namespace, row.subject): row for row in rows}


def _differs(one: RatingSnapshot, had: RatingRow) -> bool:
    return (
        abs(one.average - had.average) > _SAME
        or one.count != had.count
        or (one.rating_min, one.rating_max) != (had.rating_min, had.rating_max)
    )


def _row(one: RatingSnapshot, watch_id: int, now: datetime) -> RatingRow:
    return RatingRow(
        watch_id=watch_id,
        namespace=one.namespace,
        subject=one.subject,
        at=now,
        average=one.average,
        count=one.count,
        rating_min=one.rating_min,
        rating_max=one.rating_max,
        title=one.title[:_TITLE] if one.title else None,
        url=one.url,
        country=one.country,
    )
