"""Watches: what to collect, what is due, and who is at it right now.

A claim is a fenced lease: it has a token, and every write of the run asks whether the watch still
bears it. A worker that slept past its deadline while another took over gets ClaimLost and writes
nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, case, func, literal, or_, select, update
from sqlalchemy.orm import Session

from listener.errors import ClaimLost, InvalidInput, NotFound
from listener.store import backfills, brands, coverage, gaps, runs
from listener.store.base import UtcDateTime
from listener.store.tables import BrandRow, ConnectionRow, MentionRow, MentionWatchRow, WatchRow
from listener.types import Claim, Connection, GapReason, MatchMode, Outcome, State, Watch

SUCCESS = (Outcome.OK, Outcome.UNCHANGED)
MIN_EVERY = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a run ended. ``complete``: nothing between the old mark and the run's start is
    missing.
    """

    outcome: Outcome
    complete: bool
    next_run_at: datetime
    code: str | None = None
    error: str | None = None
    hint: str | None = None
    gap: GapReason | None = (
        None  # what to call the time from now on, where nothing could be collected
    )
    notices: Sequence[str] = ()
    requests: int = 0  # made in vain, which no batch has counted


# --- what there is --------------------------------------------------------------------------------


def create(
    session: Session,
    *,
    source: str,
    params: Mapping[str, str],
    match: MatchMode,
    every: timedelta,
    brand_id: int | None = None,
    connection_id: int | None = None,
    label: str = "",
    enabled: bool = True,
    now: datetime,
) -> WatchRow:
    """Add a watch, due at once. Raises NotFound for the brand or connection, InvalidInput.

    The caller has checked source and parameters against the source's spec.
    """
    _check(session, match, every, brand_id, connection_id)
    row = WatchRow(
        source=source,
        params=dict(params),
        match=match,
        every_s=int(every.total_seconds()),
        brand_id=brand_id,
        connection_id=connection_id,
        label=label.strip(),
        enabled=enabled,
        state={},
        next_run_at=now,
        health_since=now,
        created_at=now,
    )
    session.add(row)
    session.flush()
    return row


def update_watch(session: Session, watch_id: int, *, now: datetime, **fields: Any) -> WatchRow:
    """Change ``params``, ``match``, ``every``, ``brand_id``, ``connection_id``, ``label``,
    ``enabled``.

    New parameters, or another brand or connection, are a new question: the watch forgets its state,
    is due at once, and a run in progress loses its claim. Raises NotFound, InvalidInput.
    """
    row = get(session, watch_id)
    unknown = set(fields) - {
        *("params", "match", "every", "brand_id", "connection_id", "label", "enabled")
    }
    if unknown:
        raise TypeError(f"a watch has no {', '.join(sorted(unknown))}")
    if "every" in fields:
        row.every_s = int(fields["every"].total_seconds())
    asked = row.brand_id, row.connection_id
    for name in ("match", "brand_id", "connection_id", "label", "enabled"):
        if name in fields:
            setattr(row, name, fields[name])
    _check(
        session,
        MatchMode(row.match),
        timedelta(seconds=row.every_s),
        row.brand_id,
        row.connection_id,
    )
    moved = dict(fields.get("params", row.params)) != row.params or (
        (row.brand_id, row.connection_id) != asked
    )
    if moved:
        row.params = dict(fields.get("params", row.params))
        row.profile = {}
        backfills.stop(session, row.id, now=now)
        row.state = {}
        row.covered_to = None
        row.claim_token = row.claim_until = None
        row.next_run_at = now
    elif fields.get("enabled") and row.next_run_at < now:
        row.next_run_at = now  # what it missed while it was paused is not late
    elif "every" in fields or fields.get("enabled"):
        row.next_run_at = min(row.next_run_at, now + timedelta(seconds=row.every_s))
    session.flush()
    return row


def delete(session: Session, watch_id: int, *, now: datetime) -> None:
    """Stop for good; what was collected stays, and a run in progress loses its claim. Raises
    NotFound.
    """
    row = get(session, watch_id)
    row.deleted_at = now
    row.enabled = False
    row.claim_token = row.claim_until = None
    backfills.stop(session, row.id, now=now)
    session.flush()


def get(session: Session, watch_id: int) -> WatchRow:
    """One watch that is not deleted, as it stands now. Raises NotFound."""
    row = session.get(WatchRow, watch_id, populate_existing=True)
    if row is None or row.deleted_at is not None:
        raise NotFound(f"There is no watch {watch_id}.", hint="`listener watch list` shows them.")
    return row


def listing(
    session: Session, *, brand_id: int | None = None, source: str | None = None
) -> list[WatchRow]:
    """All watches that are not deleted, the oldest first."""
    query = select(WatchRow).where(WatchRow.deleted_at.is_(None)).order_by(WatchRow.id)
    if brand_id is not None:
        query = query.where(WatchRow.brand_id == brand_id)
    if source is not None:
        query = query.where(WatchRow.source == source)
    return list(session.scalars(query))


def load(
    session: Session, watch_id: int, open_credentials: Callable[[bytes], Mapping[str, str]]
) -> Watch:
    """The noun with its brand and connection, the credentials decrypted. Raises NotFound."""
    row = get(session, watch_id)
    brand = session.get(BrandRow, row.brand_id) if row.brand_id else None
    connection = session.get(ConnectionRow, row.connection_id) if row.connection_id else None
    return Watch(
        id=row.id,
        source=row.source,
        params=row.params,
        match=MatchMode(row.match),
        every=timedelta(seconds=row.every_s),
        label=row.label,
        brand=brands.from_row(brand) if brand else None,
        connection=Connection(source=row.source)
        if connection is None
        else Connection(
            id=connection.id,
            source=connection.source,
            name=connection.name,
            base_url=connection.base_url,
            credentials=open_credentials(connection.credentials) if connection.credentials else {},
        ),
    )


def state_of(row: WatchRow) -> State:
    """Where a watch stands."""
    return State(
        cursor=row.state.get("cursor", {}),
        validators=row.state.get("validators", {}),
    )


# --- who is at it ---------------------------------------------------------------------------------


def due(session: Session, *, now: datetime, limit: int = 100) -> list[WatchRow]:
    """Watches to be collected now, the longest overdue first; those in work are left out."""
    query = _due(now).order_by(WatchRow.next_run_at, WatchRow.id).limit(limit)
    return list(session.scalars(query))


def run_soon(session: Session, watch_id: int, *, now: datetime) -> None:
    """Make the watch due ("collect now"). Raises NotFound."""
    row = get(session, watch_id)
    row.next_run_at = min(row.next_run_at, now)
    session.flush()


def accept(session: Session, watch_id: int, *, now: datetime) -> None:
    """What a suspect watch brings is normal: forget what was, and collect it now. Raises
    NotFound.
    """
    row = get(session, watch_id)
    row.profile = {}
    row.next_run_at = min(row.next_run_at, now)
    session.flush()


def claim(
    session: Session, watch_id: int | None, *, now: datetime, lease: timedelta
) -> Claim | None:
    """Take a watch, or (with None) the one longest overdue; begins its run.

    A watch that is named need not be due or enabled. None: nothing is due, or somebody is at it. A
    claim whose deadline has passed is free for the next.
    """
    if watch_id is None:
        query = _due(now)
    else:
        query = select(WatchRow).where(
            WatchRow.id == watch_id, WatchRow.deleted_at.is_(None), _is_free(now)
        )
    row = session.scalar(
        query.order_by(WatchRow.next_run_at, WatchRow.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    if row is None:
        return None
    row.claim_token = secrets.token_hex(16)
    row.claim_until = now + lease
    run_id = runs.start(session, row.id, row.claim_token, now=now)
    return Claim(watch_id=row.id, run_id=run_id, token=row.claim_token, until=row.claim_until)


def check_claim(
    session: Session, claim: Claim, *, now: datetime, lease: timedelta | None = None
) -> None:
    """Raise ClaimLost unless the watch still bears the token; holds it for this transaction.

    A deadline that has passed does no harm as long as nobody else came. ``lease`` renews it.
    """
    row = session.execute(
        select(WatchRow.id)
        .where(WatchRow.id == claim.watch_id, WatchRow.claim_token == claim.token)
        .with_for_update()
    ).first()
    if row is None:
        raise ClaimLost(f"Another worker took over watch {claim.watch_id}.")
    if lease is not None:
        session.execute(
            update(WatchRow).where(WatchRow.id == claim.watch_id).values(claim_until=now + lease)
        )


def advance(
    session: Session, claim: Claim, state: State, *, last_item_at: datetime | None = None
) -> None:
    """Where to resume once the items of this transaction are stored. Check the claim first."""
    values: dict[str, Any] = {
        "state": {
            "cursor": dict(state.cursor),
            "validators": {url: dict(v) for url, v in state.validators.items()},
        }
    }
    if last_item_at is not None:
        is_older = or_(WatchRow.last_item_at.is_(None), WatchRow.last_item_at < last_item_at)
        told = literal(last_item_at, UtcDateTime)
        values["last_item_at"] = case((is_older, told), else_=WatchRow.last_item_at)
    session.execute(update(WatchRow).where(WatchRow.id == claim.watch_id).values(**values))


def finish(session: Session, claim: Claim, ending: Ending, *, now: datetime) -> WatchRow:
    """End the run: outcome, health, next run, coverage and gaps. Raises ClaimLost."""
    check_claim(session, claim, now=now)
    watch = session.get_one(WatchRow, claim.watch_id, populate_existing=True)
    run = runs.get(session, claim.run_id)
    _cover(session, watch, claim, ending, started_at=run.started_at, now=now)

    success = ending.outcome in SUCCESS
    health = Outcome.OK if success else ending.outcome
    if watch.health != health:
        watch.health_since = now
    watch.health = health
    watch.health_reason = ending.error or ""
    watch.failures = 0 if success else watch.failures + 1
    if success:
        watch.last_success_at = now
    watch.next_run_at = ending.next_run_at
    watch.claim_token = watch.claim_until = None

    run.finished_at = now
    run.outcome = ending.outcome
    run.error_code = ending.code
    run.error = ending.error
    run.hint = ending.hint
    run.next_run_at = ending.next_run_at
    session.flush()
    if ending.notices or ending.requests:
        runs.count(session, run.id, requests=ending.requests, notices=ending.notices)
    return watch


def _cover(
    session: Session,
    watch: WatchRow,
    claim: Claim,
    ending: Ending,
    *,
    started_at: datetime,
    now: datetime,
) -> None:
    if not ending.complete:
        if ending.gap is not None and watch.covered_to is not None:
            gaps.begin(
                session,
                watch.id,
                claim.run_id,
                ending.gap,
                watch.covered_to,
                detail=ending.error or "",
                now=now,
            )
        return
    gaps.end(session, watch.id, claim.run_id, upto=started_at, now=now)
    since = watch.covered_to or _first_whole(session, watch.id, started_at)
    if since < started_at:
        coverage.add(session, watch.id, since, started_at, now=now)
    watch.covered_to = max(started_at, watch.covered_to or started_at)


def _first_whole(session: Session, watch_id: int, started_at: datetime) -> datetime:
    """How far back a first run saw everything: to the earliest item that the watch brought, or to
    where a lane is still being walked.
    """
    earliest = session.scalar(
        select(func.min(MentionRow.event_at))
        .join(MentionWatchRow, MentionWatchRow.mention_id == MentionRow.id)
        .where(MentionWatchRow.watch_id == watch_id)
    )
    least = backfills.history_from(session, watch_id, since=started_at)
    return max((at for at in (earliest, least) if at is not None), default=started_at)


def _due(now: datetime) -> Select[WatchRow]:
    return select(WatchRow).where(
        WatchRow.enabled.is_(True),
        WatchRow.deleted_at.is_(None),
        WatchRow.next_run_at <= now,
        _is_free(now),
    )


def _is_free(now: datetime) -> Any:
    return or_(WatchRow.claim_token.is_(None), WatchRow.claim_until <= now)


def _check(
    session: Session,
    match: MatchMode,
    every: timedelta,
    brand_id: int | None,
    connection_id: int | None,
) -> None:
    if every < MIN_EVERY:
        raise InvalidInput(
            f"A watch runs every {MIN_EVERY.total_seconds():.0f} seconds at most.", field="every"
        )
    if match is MatchMode.ALL and brand_id is None:
        raise InvalidInput(
            "A watch whose items all belong to a brand needs the brand.", field="brand"
        )
    if brand_id is not None:
        brands.get(session, brand_id)
    if connection_id is not None and session.get(ConnectionRow, connection_id) is None:
        raise NotFound(f"There is no connection {connection_id}.")
