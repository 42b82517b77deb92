"""The schema: from nothing to the newest, once, and equal to the models."""

from __future__ import annotations

import multiprocessing
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text

from listener.errors import ConfigError, StorageError
from listener.store import schema
from listener.store.work import Database


def start(url: str, together: Barrier, found: Queue[list[str]]) -> None:
    """What a process does first."""
    database = Database(url)
    together.wait(30)
    schema.upgrade(database)
    found.put(schema.check(database))
    database.close()


@pytest.fixture
def empty(empty_url: str) -> Database:
    """A database without tables."""
    return Database(empty_url)


def test_upgrade_from_nothing_gives_the_models(empty: Database) -> None:
    needs = f"this Listener needs {schema.head()}."
    assert schema.check(empty) == [f"The database is at schema none, {needs}"]

    schema.upgrade(empty)
    schema.upgrade(empty)

    assert schema.check(empty) == []
    with empty.read() as session:
        assert session.execute(text("SELECT name, value FROM counter")).all() == [("change", 0)]
    empty.close()


def test_versions_are_those_of_their_files() -> None:
    script = ScriptDirectory(str(schema.MIGRATIONS))
    assert schema.head() == script.get_current_head()
    for one in script.walk_revisions():
        assert Path(one.path).name.startswith(f"{one.revision}_")


def test_check_names_a_column_that_is_missing(empty: Database) -> None:
    schema.upgrade(empty)
    with empty.engine.begin() as connection:
        connection.execute(text("ALTER TABLE brand ADD COLUMN colour VARCHAR(10)"))

    (difference,) = schema.check(empty)

    assert "colour" in difference
    empty.close()


def test_two_processes_may_start_at_once(empty_url: str) -> None:
    fork = multiprocessing.get_context("fork")
    together, found = fork.Barrier(3), fork.Queue()
    processes = [fork.Process(target=start, args=(empty_url, together, found)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)

    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert [found.get(timeout=5) for _ in processes] == [[], [], []]


def test_a_database_of_a_newer_version_is_left_alone(empty: Database) -> None:
    schema.upgrade(empty)
    with empty.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(ConfigError, match="newer Listener"):
        schema.upgrade(empty)
    with pytest.raises(ConfigError, match="newer Listener"):
        schema.require(empty)
    empty.close()


def test_require_says_what_to_do(empty: Database) -> None:
    with pytest.raises(StorageError, match="listener db upgrade"):
        schema.require(empty)
    schema.upgrade(empty)
    schema.require(empty)
    empty.close()


def test_a_migration_that_fails_leaves_nothing(
    empty: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("stop")

    with monkeypatch.context() as patch:
        patch.setattr("alembic.operations.Operations.bulk_insert", fail)
        with pytest.raises(RuntimeError, match="stop"):
            schema.upgrade(empty)

    with empty.engine.connect() as connection:
        assert schema.current(connection) is None
    schema.upgrade(empty)
    assert schema.check(empty) == []
    empty.close()
