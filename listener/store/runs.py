"""Runs: one attempt of a watch each, counted batch by batch, so that a crash leaves true
numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from listener.errors import NotFound
from listener.store.tables import RunRow
from listener.types import Outcome

MAX_NOTICES = 100  # kept of one run


def start(session: Session, watch_id: int, token: str, *, now: datetime) -> int:
    """Begin a run. One that never ended (its worker died or slept) ends as lost."""
    session.execute(
        update(RunRow)
        .where(RunRow.watch_id == watch_id, RunRow.finished_at.is_(None))
        .values(outcome=Outcome.LOST, finished_at=now)
    )
    row = RunRow(watch_id=watch_id, token=token, started_at=now)
    session.add(row)
    session.flush()
    return row.id


def count(
    session: Session,
    run_id: int,
    *,
    requests: int = 0,
    items: int = 0,
    new: int = 0,
    edited: int = 0,
    rejected: int = 0,
    notices: Sequence[str] = (),
) -> None:
    """Add what one batch brought."""
    session.execute(
        update(RunRow)
        .where(RunRow.id == run_id)
        .values(
            requests=RunRow.requests + requests,
            items=RunRow.items + items,
            new=RunRow.new + new,
            edited=RunRow.edited + edited,
            rejected=RunRow.rejected + rejected,
        )
    )
    if notices:
        row = get(session, run_id)
        row.notices = list(dict.fromkeys([*row.notices, *notices]))[:MAX_NOTICES]
        session.flush()


def get(session: Session, run_id: int) -> RunRow:
    """One run, as it stands now. Raises NotFound."""
    row = session.get(RunRow, run_id, populate_existing=True)
    if row is None:
        raise NotFound(f"There is no run {run_id}.")
    return row


def listing(
    session: Session,
    *,
    watch_id: int | None = None,
    before_id: int | None = None,
    limit: int = 50,
) -> list[RunRow]:
    """The latest runs first, of one watch or all; ``before_id`` goes on where a page ended."""
    query = select(RunRow).order_by(RunRow.id.desc()).limit(limit)
    if watch_id is not None:
        query = query.where(RunRow.watch_id == watch_id)
    if before_id is not None:
        query = query.where(RunRow.id < before_id)
    return list(session.scalars(query))
