"""Notices: troubles of collecting that people were told of, open until the watches do well."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from listener.errors import NotFound
from listener.store.tables import ConnectionRow, GapRow, NoticeRow, WatchRow


def accounts(session: Session, rows: Sequence[WatchRow]) -> dict[int, tuple[str, str | None]]:
    """Name and base URL of the connection that each watch collects by; those without are left
    out.
    """
    ids = {row.connection_id for row in rows if row.connection_id is not None}
    found = {
        row.id: (row.name or f"{row.source} {row.id}", row.base_url)
        for row in session.scalars(select(ConnectionRow).where(ConnectionRow.id.in_(ids)))
    }
    return {row.id: found[row.connection_id] for row in rows if row.connection_id in found}


def opened(session: Session, *, lock: bool = False) -> list[NoticeRow]:
    """The notices whose trouble lasts, the latest first; ``lock`` holds them to the commit."""
    query = select(NoticeRow).where(NoticeRow.state == "open").order_by(NoticeRow.id.desc())
    return list(session.scalars(query.with_for_update() if lock else query))


def recent(session: Session, since: datetime) -> list[NoticeRow]:
    """Those that ended since, the latest first."""
    query = select(NoticeRow).where(NoticeRow.state != "open", NoticeRow.ended_at >= since)
    return list(session.scalars(query.order_by(NoticeRow.id.desc())))


def get(session: Session, notice_id: int) -> NoticeRow:
    """One notice. Raises NotFound."""
    row = session.get(NoticeRow, notice_id)
    if row is None:
        raise NotFound(f"There is no notice {notice_id}.")
    return row


def page(
    session: Session,
    *,
    state: str | None = None,
    before_id: int | None = None,
    limit: int = 50,
) -> list[NoticeRow]:
    """Notices, the latest first."""
    query = select(NoticeRow).order_by(NoticeRow.id.desc()).limit(limit)
    if state is not None:
        query = query.where(NoticeRow.state == state)
    if before_id is not None:
        query = query.where(NoticeRow.id < before_id)
    return list(session.scalars(query))


def of_watch(session: Session, watch_id: int, *, limit: int = 10) -> list[NoticeRow]:
    """The latest notices that a watch is in."""
    found = page(session, limit=200)
    return [row for row in found if watch_id in row.watch_ids][:limit]


def missed(session: Session, row: NoticeRow) -> list[GapRow]:
    """The gaps of the notice's watches in the time of the trouble, the earliest first."""
    query = select(GapRow).where(
        GapRow.watch_id.in_(row.watch_ids),
        or_(GapRow.to_at.is_(None), GapRow.to_at > row.since),
        # A run that ends the gap may be a little later than what it tells of.
        GapRow.known_at >= row.since - timedelta(days=1),
    )
    if row.ended_at is not None:
        query = query.where(GapRow.from_at < row.ended_at)
    return list(session.scalars(query.order_by(GapRow.from_at, GapRow.id)))


def watches_of(session: Session, row: NoticeRow) -> list[WatchRow]:
    """The watches of a notice that are not deleted."""
    query = select(WatchRow).where(WatchRow.id.in_(row.watch_ids), WatchRow.deleted_at.is_(None))
    return list(session.scalars(query.order_by(WatchRow.id)))
