"""Inserts that both databases take in bulk, with a say on what happens to rows that exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Insert, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from listener.store.base import Base

# SQLite takes 32,766 parameters a statement (since 3.32), PostgreSQL 65,535.
MAX_PARAMETERS = 32_000

T = TypeVar("T")


def insert_into(session: Session, row: type[Base]) -> postgresql.Insert | sqlite.Insert:
    """The dialect's own INSERT, which has ``on_conflict_do_…``."""
    table = table_of(row)
    if session.get_bind().dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


def table_of(row: type[Base]) -> Table:
    """The Core table of a mapped class."""
    table = row.__table__
    assert isinstance(table, Table)  # noqa: S101 - tells mypy what declarative guarantees
    return table


def insert_rows(session: Session, row: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert all; a row that exists raises IntegrityError."""
    _run(session, insert_into(session, row), rows)


def insert_ignore(session: Session, row: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert what is not there yet."""
    _run(session, insert_into(session, row).on_conflict_do_nothing(), rows)


def insert_update(
    session: Session,
    row: type[Base],
    rows: Sequence[Mapping[str, Any]],
    *,
    key: Sequence[str],
    update: Sequence[str],
) -> None:
    """Insert, or take over the ``update`` columns where the ``key`` columns are there already."""
    statement = insert_into(session, row)
    _run(
        session,
        statement.on_conflict_do_update(
            index_elements=list(key), set_={name: statement.excluded[name] for name in update}
        ),
        rows,
    )


def chunks(values: Sequence[T], size: int = 5_000) -> Iterator[Sequence[T]]:
    """Slices small enough for one statement's parameters."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def _run(session: Session, statement: Insert, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        session.execute(statement, list(rows))
