"""Retention: what is deleted because its time is over. Each call does a part, so that nobody
waits.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, exists, select, update
from sqlalchemy.orm import Session

from listener.store import mentions
from listener.store.tables import AuthorRow, MentionRow, RunRow


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
