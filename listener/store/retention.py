"""Retention: what is deleted because its time is over. Each call does a part, so that nobody
waits.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, exists, or_, select, update
from sqlalchemy.orm import Session

from listener.store import mentions
from listener.store.tables import (
    AuthorRow,
    BackfillRow,
    CoverageRow,
    HostLimitRow,
    MentionRow,
    NoticeRow,
    OutboxRow,
    RunRow,
    SpendingRow,
    WatchRow,
)


def expire_mentions(session: Session, *, now: datetime, limit: int) -> int:
    """Delete mentions that matched no brand in the time given to them; gives how many.

    Readers of the feed were never told of them, or that they left; so there is nothing to tell.
    """
    ids = session.scalars(
        select(MentionRow.id)
        .where(MentionRow.expires_at <= now)
        .order_by(MentionRow.expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    mentions.remove(session, ids)
    return len(ids)


def forget_raw(session: Session, *, before: datetime, limit: int) -> int:
    """Empty the source's original record of mentions seen before that time; gives how many."""
    ids = session.scalars(
        select(MentionRow.id)
        .where(MentionRow.raw.is_not(None), MentionRow.seen_at < before)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    session.execute(update(MentionRow).where(MentionRow.id.in_(ids)).values(raw=None))
    return len(ids)


def forget_authors(session: Session, *, limit: int) -> int:
    """Delete authors of whom no mention is left; gives how many."""
    written = exists().where(MentionRow.author_id == AuthorRow.id)
    ids = session.scalars(
        select(AuthorRow.id).where(~written).limit(limit).with_for_update(skip_locked=True)
    ).all()
    session.execute(delete(AuthorRow).where(AuthorRow.id.in_(ids)))
    return len(ids)


def forget_runs(session: Session, *, before: datetime, limit: int) -> int:
    """Delete finished runs that began before that time; gives how many."""
    ids = session.scalars(
        select(RunRow.id)
        .where(RunRow.started_at < before, RunRow.finished_at.is_not(None))
        .limit(limit)
    ).all()
    session.execute(delete(RunRow).where(RunRow.id.in_(ids)))
    return len(ids)


def forget_backfills(session: Session, *, before: datetime, limit: int) -> int:
    """Delete back-fills that ended before that time; gives how many."""
    ids = session.scalars(
        select(BackfillRow.id).where(BackfillRow.finished_at < before).limit(limit)
    ).all()
    session.execute(delete(BackfillRow).where(BackfillRow.id.in_(ids)))
    return len(ids)


def forget_coverage(session: Session, *, before: datetime, limit: int) -> int:
    """Delete what is known of coverage of times that nobody asks about any more."""
    ids = session.scalars(
        select(CoverageRow.id)
        # All watches there are: lets the index find what is old.
        .where(CoverageRow.watch_id.in_(select(WatchRow.id)), CoverageRow.to_at < before)
        .limit(limit)
    ).all()
    session.execute(delete(CoverageRow).where(CoverageRow.id.in_(ids)))
    return len(ids)


def forget_notices(session: Session, *, before: datetime, limit: int) -> int:
    """Delete notices that ended before that time, with the messages that told of them."""
    ids = session.scalars(
        select(NoticeRow.id)
        .where(NoticeRow.state != "open", NoticeRow.ended_at < before)
        .limit(limit)
    ).all()
    session.execute(delete(OutboxRow).where(OutboxRow.notice_id.in_(ids)))
    session.execute(delete(NoticeRow).where(NoticeRow.id.in_(ids)))
    return len(ids)


def forget_tests(session: Session, *, before: datetime, limit: int) -> int:
    """Delete test messages of channels made before that time."""
    ids = session.scalars(
        select(OutboxRow.id)
        .where(
            OutboxRow.alert_id.is_(None),
            OutboxRow.notice_id.is_(None),
            OutboxRow.state != "pending",
            OutboxRow.created_at < before,
        )
        .limit(limit)
    ).all()
    session.execute(delete(OutboxRow).where(OutboxRow.id.in_(ids)))
    return len(ids)


def forget_spending(session: Session, *, before: datetime) -> None:
    """Delete what was spent in periods that began before that time: a few rows a day."""
    session.execute(delete(SpendingRow).where(SpendingRow.starts_at < before))


def forget_hosts(session: Session, *, before: datetime) -> None:
    """Delete the limits of hosts that were not asked since, and hold nobody back."""
    held = or_(HostLimitRow.held_until.is_(None), HostLimitRow.held_until < before)
    session.execute(delete(HostLimitRow).where(HostLimitRow.last_at < before, held))
