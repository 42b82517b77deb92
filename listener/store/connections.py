"""Connections: a source on a server with an account. Credentials come and go encrypted."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from listener.errors import Conflict, InvalidInput, NotFound
from listener.store.tables import ConnectionRow, WatchRow


def create(
    session: Session,
    *,
    source: str,
    name: str,
    base_url: str | None = None,
    credentials: bytes | None = None,
    now: datetime,
) -> ConnectionRow:
    """Add a connection; ``credentials`` are encrypted already. Raises InvalidInput, Conflict."""
    name = name.strip()
    if not name:
        raise InvalidInput("A connection needs a name.", field="name")
    taken = select(ConnectionRow.id).where(
        ConnectionRow.source == source, ConnectionRow.name == name
    )
    if session.scalar(taken) is not None:
        raise Conflict(f"There is a connection named {name!r} to {source} already.")
    row = ConnectionRow(
        source=source, name=name, base_url=base_url, credentials=credentials, created_at=now
    )
    session.add(row)
    session.flush()
    return row


def get(session: Session, connection_id: int) -> ConnectionRow:
    """One connection. Raises NotFound."""
    row = session.get(ConnectionRow, connection_id)
    if row is None:
        raise NotFound(f"There is no connection {connection_id}.")
    return row


def listing(session: Session, *, source: str | None = None) -> list[ConnectionRow]:
    """All connections, or those of a source, by name."""
    query = select(ConnectionRow).order_by(ConnectionRow.source, ConnectionRow.name)
    if source is not None:
        query = query.where(ConnectionRow.source == source)
    return list(session.scalars(query))


def delete(session: Session, connection_id: int) -> None:
    """Remove a connection. Raises NotFound, or Conflict while watches use it."""
    row = get(session, connection_id)
    used = session.scalar(
        select(func.count())
        .select_from(WatchRow)
        .where(WatchRow.connection_id == connection_id, WatchRow.deleted_at.is_(None))
    )
    if used:
        raise Conflict(f"{used} watches use this connection.", hint="Remove them first.")
    for watch in session.scalars(select(WatchRow).where(WatchRow.connection_id == connection_id)):
        watch.connection_id = None
    session.flush()
    session.delete(row)
    session.flush()
