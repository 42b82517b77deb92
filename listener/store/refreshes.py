"""Which stored items to ask their source about again: no marks on items, only their age."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.orm import Session

from listener.store.tables import MentionRow, MentionWatchRow, WatchRow
from listener.types import Kept


@dataclass(frozen=True, slots=True)
class Due:
    """A watch whose items may have come of age since ``since``."""

    watch_id: int
    since: datetime


def claim(
    session: Session, *, now: datetime, every: timedelta, sources: Sequence[str]
) -> Due | None:
    """Take the watch that was refreshed longest ago, if that is ``every`` ago; None = none is due.

    It counts as refreshed from then on, so that no two workers ask for the same, and one that
    cannot be asked keeps no other waiting.
    """
    at = func.coalesce(WatchRow.refreshed_at, WatchRow.created_at)
    row = session.execute(
        select(WatchRow.id, at.label("since"))
        .where(
            WatchRow.enabled.is_(True),
            WatchRow.deleted_at.is_(None),
            WatchRow.source.in_(sources),
            at <= now - every,
        )
        .order_by(at, WatchRow.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).first()
    if row is None:
        return None
    session.execute(update(WatchRow).where(WatchRow.id == row.id).values(refreshed_at=now))
    return Due(row.id, row.since)


def of_age(
    session: Session, due: Due, ages: Sequence[timedelta], *, now: datetime, limit: int
) -> list[Kept]:
    """Items that reached one of the ages in (since, now], the newest first, so that a limit leaves
    out the oldest.
    """
    moments = [
        and_(MentionRow.event_at > due.since - age, MentionRow.event_at <= now - age)
        for age in ages
    ]
    query = (
        select(MentionRow.external_id, MentionRow.namespace, MentionRow.url, MentionRow.thread_id)
        .join(MentionWatchRow, MentionWatchRow.mention_id == MentionRow.id)
        .where(
            MentionWatchRow.watch_id == due.watch_id,
            MentionRow.derived.is_(False),
            or_(*moments),
        )
        .order_by(MentionRow.event_at.desc())
        .limit(limit)
    )
    return [
        Kept(
            external_id=row.external_id,
            namespace=row.namespace,
            url=row.url,
            thread_id=row.thread_id,
        )
        for row in session.execute(query)
    ]
