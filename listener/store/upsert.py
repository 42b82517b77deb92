"""Inserts that both databases take in bulk, with a say on what happens to rows that exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar, cast

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    ColumnElement,
    Float,
    Insert,
    Integer,
    String,
    Table,
    TypeDecorator,
    any_,
    literal,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from listener.store.base import Base

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


class Bulk:
    """INSERT of many rows as tuples of driver values, for the path that every mention takes.

    Going through the dialect's types costs more than the insert itself, so the caller hands over
    what the driver takes: times as microseconds (``to_us``), JSON as text, ids as numbers. SQLite
    gets an ``executemany``, PostgreSQL one statement over arrays. ``conflict`` is what to do with
    rows that exist, such as ``DO NOTHING``; without it they are an error. ``on_sqlite`` gives
    columns that have another name there.
    """

    def __init__(
        self,
        row: type[Base],
        columns: Sequence[str],
        *,
        conflict: str = "",
        on_sqlite: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        table = table_of(row)
        conflict = f" ON CONFLICT {conflict}" if conflict else ""
        names = ", ".join(f'"{on_sqlite.get(name, name)}"' for name in columns)
        marks = ", ".join("?" * len(columns))
        self._sqlite = f'INSERT INTO "{table.name}" ({names}) VALUES ({marks}){conflict}'  # noqa: S608 - names of ours
        names = ", ".join(f'"{name}"' for name in columns)
        into = f'INSERT INTO "{table.name}" ({names})'
        types = [_array_type(table.columns[name].type) for name in columns]
        arrays = ", ".join(f"%s::{array}[]" for array, _ in types)
        values = ", ".join(
            into_column.format(f"v{at}") for at, (_, into_column) in enumerate(types)
        )
        aliases = ", ".join(f"v{at}" for at in range(len(columns)))
        self._postgresql = (
            f"{into} SELECT {values}"  # noqa: S608 - names of ours only
            f" FROM unnest({arrays}) AS rows({aliases}){conflict}"
        )
        self._quoted = [array == "text" for array, _ in types]

    def run(self, session: Session, rows: Sequence[tuple[Any, ...]]) -> int:
        """Insert; gives how many rows were new."""
        if not rows:
            return 0
        connection = session.connection()
        if connection.dialect.name == "sqlite":
            return connection.exec_driver_sql(self._sqlite, list(rows)).rowcount
        arrays = tuple(
            _array(column, quoted)
            for column, quoted in zip(zip(*rows, strict=True), self._quoted, strict=True)
        )
        return connection.exec_driver_sql(self._postgresql, arrays).rowcount


def among(session: Session, column: Any, values: Sequence[Any]) -> ColumnElement[bool]:
    """``column IN (values)`` for many values: one array on PostgreSQL, chunks are the caller's."""
    if session.get_bind().dialect.name == "sqlite":
        return cast(ColumnElement[bool], column.in_(values))
    kind = String() if isinstance(column.type, String) else BigInteger()
    return cast(ColumnElement[bool], column == any_(literal(list(values), ARRAY(kind))))


def allocate(session: Session, row: type[Base], count: int) -> list[int]:
    """Ids for ``count`` new rows, rising, so that rows pointing to each other can be written in
    bulk.
    """
    name = table_of(row).name
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        # Nobody else can write meanwhile. The sequence remembers ids whose rows are gone.
        last = connection.exec_driver_sql(
            f'SELECT coalesce(max(id), 0) FROM "{name}"'  # noqa: S608 - a table of ours
        ).scalar_one()
        if table_of(row).dialect_options["sqlite"]["autoincrement"]:
            used = connection.exec_driver_sql(
                "SELECT seq FROM sqlite_sequence WHERE name = ?", (name,)
            ).scalar()
            last = max(last, used or 0)
        return list(range(last + 1, last + count + 1))
    ids = connection.exec_driver_sql(
        "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
        (name, count),
    )
    return sorted(ids.scalars())


def _array(values: Sequence[Any], quoted: bool) -> str:
    """A PostgreSQL array literal; the driver's own takes several times as long."""
    if not quoted:
        return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"
    return (
        "{"
        + ",".join(
            [
                "NULL"
                if value is None
                else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
                for value in values
            ]
        )
        + "}"
    )


def _array_type(kind: TypeEngine[Any]) -> tuple[str, str]:
    """The PostgreSQL type of an array of values, and how an element becomes the column's value."""
    if isinstance(kind, TypeDecorator):
        kind = kind.impl_instance
    if isinstance(kind, JSON):
        return "text", "{}::jsonb"
    if isinstance(kind, TSVECTOR):
        return "text", "to_tsvector('simple', {})"
    if isinstance(kind, Boolean):
        return "bool", "{}"
    if isinstance(kind, Integer):  # BigInteger, too
        return "int8", "{}"
    if isinstance(kind, Float):
        return "float8", "{}"
    if isinstance(kind, String):
        return "text", "{}"
    raise TypeError(f"no array of {kind!r}")
