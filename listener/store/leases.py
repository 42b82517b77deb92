"""Leases: who may do what only one process may do. A lease not renewed in time is free for the
next.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from listener.store.tables import LeaseRow
from listener.store.upsert import insert_ignore


def acquire(session: Session, name: str, holder: str, *, now: datetime, length: timedelta) -> bool:
    """Take or renew the lease; False while somebody else holds it."""
    insert_ignore(session, LeaseRow, [{"name": name, "holder": holder, "until": now + length}])
    taken = session.execute(
        update(LeaseRow)
        .where(
            LeaseRow.name == name,
            or_(LeaseRow.holder == holder, LeaseRow.until <= now),
        )
        .values(holder=holder, until=now + length)
        .returning(LeaseRow.name)
    ).first()
    return taken is not None


def release(session: Session, name: str, holder: str) -> None:
    """Give the lease back, so that the next holder need not wait for it to run out."""
    session.execute(delete(LeaseRow).where(LeaseRow.name == name, LeaseRow.holder == holder))


def holder_of(session: Session, name: str, *, now: datetime) -> str | None:
    """Who holds the lease now."""
    return session.scalar(
        select(LeaseRow.holder).where(LeaseRow.name == name, LeaseRow.until > now)
    )
