"""Fixtures that all tests share: a fresh database of either kind, a fixed time, settings."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from builders import NOW
from listener.settings import Settings
from listener.store import schema
from listener.store.base import Base
from listener.store.work import Database
from postgres import postgres

_numbers = itertools.count(1)

# One database for all tests of a worker, as new before each: a new database takes ten times as
# long, and so does TRUNCATE.
_WIPE = ";".join(
    [
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        *(f'DELETE FROM "{t.name}"' for t in reversed(Base.metadata.sorted_tables)),  # noqa: S608
        "SELECT setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S'",
        "INSERT INTO counter (name, value) VALUES ('change', 0)",
    ]
)


@pytest.fixture
def now() -> datetime:
    """The time of every test."""
    return NOW


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of an install in a folder of its own, whatever the environment says."""
    return Settings(home=tmp_path / "home", secret_key="a secret of the tests")  # type: ignore[arg-type]


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database with the newest schema; a test using it runs on both kinds."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty database with the newest schema; a test using it runs on SQLite and PostgreSQL."""
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def sqlite(sqlite_url: str) -> Iterator[Database]:
    """As ``database``, on SQLite only: for tests above the store, to which it makes no
    difference.
    """
    opened = Database(sqlite_url)
    yield opened
    opened.close()


@pytest.fixture
def postgresql(postgresql_url: str) -> Iterator[Database]:
    """As ``database``, on PostgreSQL only: for what several writers at once do."""
    opened = Database(postgresql_url)
    yield opened
    opened.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database that has no tables yet."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server: str = request.getfixturevalue("postgres_url")
    name = f"empty_{next(_numbers)}"
    _execute(server, f"CREATE DATABASE {name}")
    yield _with_name(server, name)
    _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    path = tmp_path / "listener.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.db"
    database = Database(f"sqlite:///{path}")
    schema.upgrade(database)
    database.close()  # folds the write-ahead log into the file
    return path


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a PostgreSQL server's maintenance database; the server is the test session's
    own.
    """
    with postgres() as url:
        yield url


@pytest.fixture
def postgresql_url(postgres_database: str) -> str:
    _execute(postgres_database, _WIPE)
    return postgres_database


@pytest.fixture(scope="session")
def postgres_database(postgres_url: str) -> str:
    _execute(postgres_url, "CREATE DATABASE listener")
    url = _with_name(postgres_url, "listener")
    database = Database(url)
    schema.upgrade(database)
    database.close()
    return url


def _with_name(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def _execute(url: str, statement: str) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(statement.encode())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first, so that no worker is left alone with them at the end."""
    long = ("tests/system/", "tests/spiders/", "tests/api/dashboard/test_browser.py")
    items.sort(key=lambda item: not item.nodeid.startswith(long))
