"""The unit of work: leaving the block without ``commit()`` rolls back. Only pipeline/ and the edges
commit.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from sqlalchemy import Engine, event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from listener.errors import StorageError
from listener.store.base import make_engine

_REST = 0.2  # of the time that a writer held SQLite's lock …
_LONGEST_REST = 0.1  # seconds: … as often as those who wait for it ask


class _Turns(threading.local):
    """Lets a thread that writes over and over rest in between, on SQLite.

    Those who wait for the lock ask for it ten times a second only. Somebody who takes it again at
    once would keep them waiting until they give up ("database is locked").
    """

    until = 0.0

    def wait(self) -> None:
        """Rest if this thread has held the lock right now."""
        time.sleep(max(0.0, self.until - time.monotonic()))

    def held(self, seconds: float) -> None:
        """This thread gave the lock back after so long."""
        self.until = time.monotonic() + min(seconds * _REST, _LONGEST_REST)


class UnitOfWork:
    """One write transaction. The modules of ``store/`` take its ``session``; they may flush, never
    commit.

    Raises StorageError when the database cannot take the write (disk full, read-only, locked too
    long).
    """

    def __init__(self, engine: Engine, turns: _Turns | None = None) -> None:
        self._engine = engine
        self._turns = turns
        self._begun: float | None = None
        self.held_s = 0.0  # how long others could not write, on SQLite; waiting is not in it

    def __enter__(self) -> UnitOfWork:
        if self._turns is not None:
            self._turns.wait()
        self.session = Session(self._engine, expire_on_commit=False)
        event.listen(self.session, "after_begin", self._begins)
        return self

    def commit(self) -> None:
        """Make it all visible at once."""
        self.session.commit()
        self._ends()

    def _begins(self, *_: object) -> None:
        self._begun = time.monotonic()

    def _ends(self) -> None:
        if self._begun is not None:
            self.held_s = time.monotonic() - self._begun
            self._begun = None
            if self._turns is not None:
                self._turns.held(self.held_s)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _tb: TracebackType | None,
    ) -> None:
        try:
            self.session.rollback()
        finally:
            self.session.close()
            self._ends()
        if isinstance(error, OperationalError):
            raise storage_error(error) from error


class Database:
    """The two engines of an install: one that writes, and one that only reads and never waits for a
    writer.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = make_engine(url)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self.reader = make_engine(url, read_only=True) if self.is_sqlite else self.engine
        self._turns = _Turns() if self.is_sqlite else None

    def write(self) -> UnitOfWork:
        """Begin a write transaction: ``with database.write() as work: …; work.commit()``."""
        return UnitOfWork(self.engine, self._turns)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session for reading only; on SQLite a consistent snapshot. Rows outlive the block.

        Raises StorageError when the database does not answer.
        """
        try:
            with Session(self.reader, expire_on_commit=False) as session:
                if not self.is_sqlite:
                    session.execute(text("SET TRANSACTION READ ONLY"))
                yield session
        except OperationalError as error:
            raise storage_error(error) from error

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()
        if self.reader is not self.engine:
            self.reader.dispose()


def is_deadlock(error: StorageError) -> bool:
    """Whether PostgreSQL chose this transaction to end a circle of waiting: trying again helps."""
    cause = error.__cause__
    return isinstance(cause, OperationalError) and (
        getattr(cause.orig, "sqlstate", None) in ("40P01", "40001")
    )


def storage_error(error: OperationalError) -> StorageError:
    """Say in words what the database refused."""
    said = str(error.orig).lower()
    if "full" in said or "no space" in said:
        return StorageError(
            "The disk is full, so nothing was stored.",
            hint="Free some room; collection goes on from where it stood.",
        )
    if "readonly" in said or "read-only" in said:
        return StorageError(
            "The database is read-only.", hint="Check the rights of the home folder."
        )
    if "locked" in said:
        return StorageError(
            "The database is locked by another program.", hint="Close it and try again."
        )
    return StorageError(
        "The database does not answer.", hint=str(error.orig).strip().split("\n")[0]
    )
