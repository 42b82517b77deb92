"""Jobs: what an edge asks the runtime to do, as rows. The runtime claims, does and answers them."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, or_, select, update
from sqlalchemy.orm import Session

from listener.store.tables import JobRow


@dataclass(frozen=True, slots=True)
class Job:
    """A job in the hands of one worker; ``token`` fences its answer."""

    id: int
    kind: str
    payload: Mapping[str, Any]
    token: str


def ask(session: Session, kind: str, payload: Mapping[str, Any], *, now: datetime) -> int:
    """Write a job down; its id is how the edge finds the answer."""
    row = JobRow(kind=kind, payload=dict(payload), state="pending", created_at=now)
    session.add(row)
    session.flush()
    return row.id


def any_free(
    session: Session,
    *,
    now: datetime,
    only: Collection[str] | None = None,
    but: Collection[str] = (),
) -> bool:
    """Whether there is something to ``claim``: costs no lock."""
    return session.scalar(select(JobRow.id).where(_free(now, only, but)).limit(1)) is not None


def _free(now: datetime, only: Collection[str] | None, but: Collection[str]) -> ColumnElement[bool]:
    free = or_(JobRow.state == "pending", (JobRow.state == "running") & (JobRow.claim_until < now))
    if only is not None:
        free = and_(free, JobRow.kind.in_(only))
    return and_(free, JobRow.kind.not_in(but))


def claim(
    session: Session,
    *,
    now: datetime,
    length: timedelta,
    only: Collection[str] | None = None,
    but: Collection[str] = (),
) -> Job | None:
    """The oldest job that nobody works on, or whose worker went silent.

    ``only`` and ``but`` are kinds: long ones are done beside those that somebody waits for.
    """
    job_id = session.scalar(
        select(JobRow.id)
        .where(_free(now, only, but))
        .order_by(JobRow.created_at, JobRow.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if job_id is None:
        return None
    token = secrets.token_hex(16)
    row = session.execute(
        update(JobRow)
        .where(JobRow.id == job_id)
        .values(state="running", claim_token=token, claim_until=now + length)
        .returning(JobRow.kind, JobRow.payload)
    ).one()
    return Job(job_id, row.kind, row.payload, token)


def answer(
    session: Session,
    job: Job,
    *,
    result: Mapping[str, Any] | None,
    error: str | None = None,
    now: datetime,
) -> bool:
    """Store the result (or the error, in words); False when another worker took the job over."""
    done = session.execute(
        update(JobRow)
        .where(JobRow.id == job.id, JobRow.claim_token == job.token, JobRow.state == "running")
        .values(
            state="failed" if error else "done",
            result=None if result is None else dict(result),
            error=error,
            finished_at=now,
        )
        .returning(JobRow.id)
    ).first()
    return done is not None


def go_on(session: Session, job: Job, *, progress: float, now: datetime, length: timedelta) -> bool:
    """Say how far a long job is (0 to 1) and keep its claim; False when it was cancelled, or
    another worker took it over.
    """
    held = session.execute(
        update(JobRow)
        .where(JobRow.id == job.id, JobRow.claim_token == job.token, JobRow.state == "running")
        .values(progress=progress, claim_until=now + length)
        .returning(JobRow.id)
    ).first()
    return held is not None


def cancel(session: Session, job_id: int, *, now: datetime) -> bool:
    """Ask no more for a job; False when it is over already. Whoever works on it stops soon."""
    stopped = session.execute(
        update(JobRow)
        .where(JobRow.id == job_id, JobRow.state.in_(("pending", "running")))
        .values(state="cancelled", claim_token=None, finished_at=now)
        .returning(JobRow.id)
    ).first()
    return stopped is not None


def get(session: Session, job_id: int) -> JobRow | None:
    """A job with its state and result."""
    return session.get(JobRow, job_id)


def purge(session: Session, *, before: datetime) -> None:
    """Forget jobs that were finished before that time."""
    session.execute(delete(JobRow).where(JobRow.finished_at < before))
