"""The schema's versions: brings a database to the one this code knows, says where they differ."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import OperationalError

import listener.store.tables  # noqa: F401 - the models register themselves in Base.metadata
from listener.errors import ConfigError, StorageError
from listener.store.base import Base
from listener.store.work import Database, storage_error

# Alembic is imported where it is needed: a database is at the newest version nearly always, and
# every command would pay a fifth of a second for it.
if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext

MIGRATIONS = Path(__file__).parent / "migrations"
# Any number, as long as every version of Listener takes the same one.
_LOCK = 7_316_225_031


def upgrade(database: Database) -> None:
    """Bring the database to the newest schema; nothing happens if it is there already.

    Two processes that start at once are safe: the second waits and finds the work done. The steps
    run in one transaction, so a crash half-way leaves the old schema. Raises ConfigError if the
    database was made by a newer Listener, StorageError if it cannot be written.
    """
    try:
        with database.reader.connect() as connection:
            if current(connection) == head():
                return  # as nearly always, and without waiting for a writer
        with database.engine.begin() as connection:  # SQLite: BEGIN IMMEDIATE, which is the lock
            if not database.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            found = current(connection)
            if found == head():
                return
            _refuse_newer(found)
            from alembic import command

            command.upgrade(_config(connection), "head")
    except OperationalError as error:
        raise storage_error(error) from error


def check(database: Database) -> list[str]:
    """What is wrong with the schema, a line each: not the newest, or models that differ from it."""
    with database.engine.connect() as connection:
        found = current(connection)
        if found != head():
            return [f"The database is at schema {found or 'none'}, this Listener needs {head()}."]
        from alembic.autogenerate import compare_metadata

        differences = compare_metadata(_context(connection), Base.metadata)
        return [f"Models and migrations differ: {_words(difference)}" for difference in differences]


def require(database: Database) -> None:
    """Raise StorageError unless the schema is the newest: for commands that must not migrate."""
    try:
        with database.engine.connect() as connection:
            found = current(connection)
    except OperationalError as error:
        raise storage_error(error) from error
    if found != head():
        _refuse_newer(found)
        raise StorageError(
            "The database has an older schema." if found else "The database is empty.",
            hint="Run `listener db upgrade`.",
        )


def head() -> str:
    """The newest version this code knows."""
    return max(_versions())


def current(connection: Connection) -> str | None:
    """The version of a database; None while it has no tables."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def _versions() -> set[str]:
    """All versions this code knows: what their files' names begin with."""
    return {path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py")}


def _refuse_newer(found: str | None) -> None:
    known = _versions()
    if found is not None and found not in known:
        raise ConfigError(
            f"The database was made by a newer Listener (schema {found}).",
            hint="Install that version, or restore a backup made before the update.",
        )


def _config(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    return config


def _context(connection: Connection) -> MigrationContext:
    from alembic.runtime.migration import MigrationContext

    is_sqlite = connection.dialect.name == "sqlite"

    def include(_object: Any, name: str | None, kind: str, _reflected: bool, _to: Any) -> bool:
        # FTS5 and its shadow tables: autogenerate cannot describe them.
        return not (is_sqlite and kind == "table" and (name or "").startswith("mention_search"))

    return MigrationContext.configure(
        connection, opts={"compare_type": True, "include_object": include}
    )


def _words(difference: Any) -> str:
    if isinstance(difference, list):
        return "; ".join(_words(one) for one in difference)
    return " ".join(str(part) for part in difference if part is not None)
