"""Connections: a source on a server with an account. Credentials come and go encrypted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from listener.errors import Conflict, InvalidInput, NotFound
from listener.store.tables import ConnectionRow, WatchRow
from listener.types import Connection, Outcome

_WAITING = (Outcome.OUT_OF_BUDGET, Outcome.NEEDS_CREDENTIALS)


def create(
    session: Session,
    *,
    source: str,
    name: str,
    base_url: str | None = None,
    credentials: bytes | None = None,
    budget_calls: int | None = None,
    budget_micro_usd: int | None = None,
    now: datetime,
) -> ConnectionRow:
    """Add a connection; ``credentials`` are encrypted already. Raises InvalidInput, Conflict."""
    row = ConnectionRow(
        source=source,
        name=_free_name(session, source, name),
        base_url=base_url,
        credentials=credentials,
        budget_calls=budget_calls,
        budget_micro_usd=budget_micro_usd,
        created_at=now,
    )
    session.add(row)
    session.flush()
    return row


def change(session: Session, connection_id: int, *, now: datetime, **fields: Any) -> ConnectionRow:
    """Change ``name``, ``base_url``, ``credentials`` (encrypted) and budgets. Watches that waited
    for credentials or for budget are due at once. Raises NotFound, InvalidInput, Conflict.
    """
    row = get(session, connection_id)
    known = {"name", "base_url", "credentials", "budget_calls", "budget_micro_usd"}
    if unknown := set(fields) - known:
        raise TypeError(f"a connection has no {', '.join(sorted(unknown))}")
    if "name" in fields:
        fields["name"] = _free_name(session, row.source, fields["name"], but=connection_id)
    for name, value in fields.items():
        setattr(row, name, value)
    if set(fields) - {"name"}:
        row.tested_at = row.test_error = None
        session.execute(
            update(WatchRow)
            .where(
                WatchRow.connection_id == connection_id,
                WatchRow.deleted_at.is_(None),
                WatchRow.health.in_(_WAITING),
                WatchRow.next_run_at > now,
            )
            .values(next_run_at=now)
        )
    session.flush()
    return row


def tested(session: Session, connection_id: int, *, error: str | None, now: datetime) -> None:
    """Note how a test went; ``error`` None = well. A connection that is gone is no matter."""
    row = session.get(ConnectionRow, connection_id)
    if row is not None:
        row.tested_at, row.test_error = now, error
        session.flush()


def check_source(session: Session, connection_id: int | None, source: str) -> None:
    """See that a watch's connection is one to its source. Raises InvalidInput, NotFound."""
    if connection_id is None:
        return
    row = get(session, connection_id)
    if row.source != source:
        raise InvalidInput(
            f"The connection {row.name!r} is one to {row.source}, not to {source}.",
            field="connection_id",
            hint="`listener connection list` shows them.",
        )


def find(session: Session, given: str, *, source: str | None = None) -> ConnectionRow:
    """A connection by number or name. Raises NotFound, or Conflict for a name that several bear."""
    if given.isdecimal() and len(given) < 18:
        return get(session, int(given))
    found = [row for row in listing(session, source=source) if row.name == given.strip()]
    if not found:
        raise NotFound(
            f"There is no connection {given!r}.", hint="`listener connection list` shows them."
        )
    if len(found) > 1:
        raise Conflict(f"Several connections are named {given!r}.", hint="Give its number.")
    return found[0]


def opened(row: ConnectionRow, read: Callable[[bytes], Mapping[str, str]]) -> Connection:
    """The connection with its credentials decrypted by ``read``."""
    return Connection(
        id=row.id,
        source=row.source,
        name=row.name,
        base_url=row.base_url,
        credentials=read(row.credentials) if row.credentials else {},
    )


def watches_of(session: Session) -> list[WatchRow]:
    """All watches that are not deleted, for telling how their connections are."""
    return list(session.scalars(select(WatchRow).where(WatchRow.deleted_at.is_(None))))


def get(session: Session, connection_id: int) -> ConnectionRow:
    """One connection. Raises NotFound."""
    row = session.get(ConnectionRow, connection_id)
    if row is None:
        raise NotFound(
            f"There is no connection {connection_id}.",
            hint="`listener connection list` shows them.",
        )
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


def _free_name(session: Session, source: str, name: str, *, but: int | None = None) -> str:
    name = name.strip()
    if not name:
        raise InvalidInput("A connection needs a name.", field="name")
    if len(name) > 100:
        raise InvalidInput("A name has 100 characters at most.", field="name")
    taken = select(ConnectionRow.id).where(
        ConnectionRow.source == source, ConnectionRow.name == name
    )
    if session.scalar(taken) not in (None, but):
        raise Conflict(f"There is a connection named {name!r} to {source} already.")
    return name
