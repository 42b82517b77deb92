"""Back-fills: the rest of walks that were too long for a run, worked off beside live collection.

Like a watch's run a back-fill is claimed with a token, and every write of it asks whether the
token still holds.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from listener.errors import ClaimLost
from listener.store import coverage, gaps
from listener.store.tables import BackfillRow, GapRow, WatchRow
from listener.types import Gap, Rest, State

GIVE_UP_AFTER = 12
"""Failures in a row after which a back-fill is not tried again; with the backoff that is days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillClaim:
    """A fenced lease on a back-fill. Items whose time is not told lie within ``[since, until)``,
    where ``since`` is known.
    """

    backfill_id: int
    watch_id: int
    token: str
    state: State
    until: datetime
    since: datetime | None = None
    failures: int = 0


def hand_over(
    session: Session, watch_id: int, run_id: int | None, rests: Sequence[Rest], *, now: datetime
) -> list[BackfillRow]:
    """Write down what is left to walk, each with the gap that it leaves open meanwhile."""
    made = []
    for rest in rests:
        gap = _gap(session, watch_id, run_id, rest.gap, now) if rest.gap else None
        row = BackfillRow(
            watch_id=watch_id,
            gap_id=gap.id if gap else None,
            state={"cursor": dict(rest.state.cursor)},
            from_at=(rest.gap.to_at if rest.gap else rest.from_at) or now,
            to_at=rest.gap.from_at if rest.gap else None,
            next_run_at=now,
            created_at=now,
        )
        session.add(row)
        made.append(row)
    session.flush()
    return made


def claim(
    session: Session,
    *,
    now: datetime,
    lease: timedelta,
    watch_id: int | None = None,
    due_at: datetime | None = None,
) -> BackfillClaim | None:
    """Take the back-fill that waited longest, of watches that are not paused; None = none is due.

    ``due_at`` replaces the time at which it must be due.
    """
    query = (
        select(BackfillRow)
        .join(WatchRow, WatchRow.id == BackfillRow.watch_id)
        .where(
            BackfillRow.finished_at.is_(None),
            BackfillRow.next_run_at <= (due_at or now),
            or_(BackfillRow.claim_token.is_(None), BackfillRow.claim_until <= now),
            WatchRow.enabled.is_(True),
            WatchRow.deleted_at.is_(None),
        )
        .order_by(BackfillRow.next_run_at, BackfillRow.id)
        .limit(1)
        .with_for_update(of=BackfillRow, skip_locked=True)
        .execution_options(populate_existing=True)
    )
    if watch_id is not None:
        query = query.where(BackfillRow.watch_id == watch_id)
    row = session.scalar(query)
    if row is None:
        return None
    row.claim_token = secrets.token_hex(16)
    row.claim_until = now + lease
    session.flush()
    return BackfillClaim(
        backfill_id=row.id,
        watch_id=row.watch_id,
        token=row.claim_token,
        state=State(cursor=row.state.get("cursor", {})),
        since=row.to_at,
        until=row.from_at,
        failures=row.failures,
    )


def check_claim(session: Session, claim: BackfillClaim, *, now: datetime, lease: timedelta) -> None:
    """Raise ClaimLost unless the back-fill still bears the token; renews and holds it."""
    row = session.execute(
        select(BackfillRow.id)
        .where(BackfillRow.id == claim.backfill_id, BackfillRow.claim_token == claim.token)
        .with_for_update()
    ).first()
    if row is None:
        raise ClaimLost(f"Another worker took over back-fill {claim.backfill_id}.")
    _set(session, claim, {"claim_until": now + lease})


def advance(
    session: Session,
    claim: BackfillClaim,
    state: State,
    *,
    requests: int,
    items: int,
    new: int,
    reached_at: datetime | None,
) -> None:
    """Where to go on, and how far it is, with the items of this transaction."""
    row = session.get_one(BackfillRow, claim.backfill_id, populate_existing=True)
    row.state = {"cursor": dict(state.cursor)}
    row.requests += requests
    row.items += items
    row.new += new
    if reached_at is not None:
        row.reached_at = min(reached_at, row.reached_at or reached_at)
    session.flush()


def pause(
    session: Session,
    claim: BackfillClaim,
    *,
    next_run_at: datetime,
    now: datetime,
    requests: int = 0,
    error: str | None = None,
    code: str | None = None,
    for_good: bool = False,
) -> None:
    """End a turn that did not come to the end. Raises ClaimLost.

    With ``error`` it counts as a failure; after ``GIVE_UP_AFTER`` of them in a row, or
    ``for_good``, it is given up and its gap stays.
    """
    check_claim(session, claim, now=now, lease=timedelta())
    row = session.get_one(BackfillRow, claim.backfill_id, populate_existing=True)
    row.claim_token = row.claim_until = None
    row.next_run_at = next_run_at
    row.requests += requests
    row.error, row.error_code = error, code
    row.failures = row.failures + 1 if error else 0
    if for_good or row.failures >= GIVE_UP_AFTER:
        row.finished_at = now
    session.flush()


def complete(session: Session, claim: BackfillClaim, *, now: datetime) -> None:
    """The walk came to its end: the gap is filled, and what lies between counts as collected.
    Raises ClaimLost.
    """
    check_claim(session, claim, now=now, lease=timedelta())
    row = session.get_one(BackfillRow, claim.backfill_id, populate_existing=True)
    row.claim_token = row.claim_until = None
    row.finished_at = now
    row.complete = True
    row.failures = 0
    row.error = row.error_code = None
    session.flush()
    if row.gap_id is not None:
        gap = session.get(GapRow, row.gap_id)
        gaps.fill(session, row.gap_id, now=now)
        if gap is not None and gap.to_at is not None:
            coverage.add(session, row.watch_id, gap.from_at, gap.to_at, now=now)
    else:
        _cover_history(session, row, now)


def history_from(session: Session, watch_id: int, *, since: datetime) -> datetime | None:
    """Above which time the watch is whole although lanes of it are still walked further back; None
    = none is, or was given up since then.
    """
    rows = [row for row in _histories(session, watch_id, since) if not row.complete]
    return max((row.reached_at or row.from_at for row in rows), default=None)


def _cover_history(session: Session, row: BackfillRow, now: datetime) -> None:
    """History counts as collected as far back as all lanes that walk it have come."""
    lanes = _histories(session, row.watch_id, row.created_at)
    reached = [one.reached_at for one in lanes if one.complete and one.reached_at]
    if not reached:
        return
    since, until = min(reached), max(one.from_at for one in lanes)
    least = history_from(session, row.watch_id, since=row.created_at)
    since = max(since, least) if least else since
    if since < until:
        coverage.add(session, row.watch_id, since, until, now=now)


def _histories(session: Session, watch_id: int, since: datetime) -> Sequence[BackfillRow]:
    """Walks into the time before the watch, but for those that had ended by then."""
    return session.scalars(
        select(BackfillRow).where(
            BackfillRow.watch_id == watch_id,
            BackfillRow.gap_id.is_(None),
            BackfillRow.to_at.is_(None),
            or_(BackfillRow.finished_at.is_(None), BackfillRow.finished_at > since),
        )
    ).all()


def stop(session: Session, watch_id: int, *, now: datetime) -> None:
    """End all back-fills of a watch, as when it asks for something else now."""
    session.execute(
        update(BackfillRow)
        .where(BackfillRow.watch_id == watch_id, BackfillRow.finished_at.is_(None))
        .values(finished_at=now, claim_token=None, claim_until=None)
    )


def listing(
    session: Session, *, watch_ids: Sequence[int] | None = None, open_only: bool = True
) -> list[BackfillRow]:
    """Back-fills, the oldest first."""
    query = select(BackfillRow).order_by(BackfillRow.id)
    if watch_ids is not None:
        query = query.where(BackfillRow.watch_id.in_(watch_ids))
    if open_only:
        query = query.where(BackfillRow.finished_at.is_(None))
    return list(session.scalars(query))


def progress(row: BackfillRow, *, history: timedelta) -> float:
    """How much of the time to be walked back is behind it, in 0..1; history may end earlier."""
    if row.complete:
        return 1.0
    target = row.to_at or row.from_at - history
    if row.reached_at is None or row.reached_at >= row.from_at or target >= row.from_at:
        return 0.0
    return min((row.from_at - row.reached_at) / (row.from_at - target), 1.0)


def _gap(session: Session, watch_id: int, run_id: int | None, gap: Gap, now: datetime) -> GapRow:
    row = GapRow(
        watch_id=watch_id,
        run_id=run_id,
        from_at=gap.from_at,
        to_at=gap.to_at,
        why=gap.why,
        detail=gap.detail,
        known_at=now,
    )
    session.add(row)
    session.flush()
    return row


def _set(session: Session, claim: BackfillClaim, values: Mapping[str, Any]) -> None:
    session.execute(update(BackfillRow).where(BackfillRow.id == claim.backfill_id).values(**values))
