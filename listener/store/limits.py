"""Limit states of hosts in the database, so that all processes ask a host as if they were one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from listener.net.limits import LimitState
from listener.store.tables import HostLimitRow
from listener.store.upsert import insert_ignore, insert_update
from listener.store.work import Database

T = TypeVar("T")

_COLUMNS = ("last_at", "full_at", "held_until", "failures", "open_until")


class DatabaseLimits:
    """A ``LimitStore``. Each change is a short transaction of its own, over before the request."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def change(self, key: str, step: Callable[[LimitState], tuple[LimitState, T]]) -> T:
        """Change one state with its row locked."""
        key = key[:300]
        with self._database.write() as work:
            insert_ignore(work.session, HostLimitRow, [{"key": key}])
            row = work.session.execute(
                select(*(getattr(HostLimitRow, name) for name in _COLUMNS))
                .where(HostLimitRow.key == key)
                .with_for_update()
            ).one()
            state, result = step(LimitState(**row._asdict()))
            values = {name: getattr(state, name) for name in _COLUMNS}
            insert_update(
                work.session, HostLimitRow, [{"key": key, **values}], key=["key"], update=_COLUMNS
            )
            work.commit()
        return result


def forget(session: Session) -> None:
    """Drop all states: hosts are asked anew."""
    session.execute(delete(HostLimitRow))
