"""What is being collected: watches with their health, runs and gaps in words, and their buttons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import APIRouter
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.dashboard import names
from api.dashboard.view import PageView, View
from api.routes.schemas import Id
from listener.store import brands, coverage, gaps, runs, watches
from listener.store.tables import GapRow, MentionWatchRow, RunRow, WatchRow
from listener.types import Outcome

router = APIRouter()

_DAYS = 7
_RUNS = 30
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Watched:
    """A watch as people see it."""

    row: WatchRow
    brand: str | None
    health: names.Health
    running: bool
    last: RunRow | None
    gaps: Sequence[GapRow]
    strip: Sequence[str]
    mentions: int


def state_of(row: WatchRow, now: datetime) -> str:
    """Its health as a code: paused and late come before what the last run said."""
    if not row.enabled:
        return "paused"
    overdue = now - row.next_run_at
    running = row.claim_until is not None and row.claim_until > now
    if not running and overdue > max(timedelta(minutes=2), timedelta(seconds=row.every_s)):
        return "late" if row.health in ("new", Outcome.OK) else row.health
    return row.health


@router.get("/sources")
def listing(view: PageView) -> Response:
    """All watches, the ones that need a hand first."""
    now = view.now
    with view.services.database.read() as session:
        rows = watches.listing(session)
        found = _watched(session, rows, now)
        has_brand = bool(brands.listing(session))
    order = {"bad": 0, "warn": 1, "wait": 2, "good": 3, "idle": 4}
    found.sort(key=lambda one: (order[one.health.tone], one.row.id))
    tones = [one.health.tone for one in found]
    return view.render(
        "sources.html",
        found=found,
        has_brand=has_brand,
        troubled=sum(tone in ("bad", "warn") for tone in tones),
    )


def _watched(session: Session, rows: Sequence[WatchRow], now: datetime) -> list[Watched]:
    """The watches with what belongs to them, in one query each."""
    ids = [row.id for row in rows]
    by_brand = {brand.id: brand.name for brand in brands.listing(session, archived=True)}
    newest = select(func.max(RunRow.id)).where(RunRow.watch_id.in_(ids)).group_by(RunRow.watch_id)
    last = {
        run.watch_id: run for run in session.scalars(select(RunRow).where(RunRow.id.in_(newest)))
    }
    start = _first_hour(now)
    holes: dict[int, list[GapRow]] = {}
    for gap in gaps.listing(session, watch_ids=ids, since=start):
        holes.setdefault(gap.watch_id, []).append(gap)
    covered = coverage.intervals(session, ids, start, now)
    counted: Mapping[int, int] = {
        watch_id: count
        for watch_id, count in session.execute(
            select(MentionWatchRow.watch_id, func.count())
            .where(MentionWatchRow.watch_id.in_(ids))
            .group_by(MentionWatchRow.watch_id)
        )
    }
    return [
        Watched(
            row=row,
            brand=by_brand.get(row.brand_id) if row.brand_id else None,
            health=names.health_of(state_of(row, now)),
            running=row.claim_until is not None and row.claim_until > now,
            last=last.get(row.id),
            gaps=holes.get(row.id, []),
            strip=_strip(row, covered.get(row.id, []), now),
            mentions=counted.get(row.id, 0),
        )
        for row in rows
    ]


def _strip(row: WatchRow, pieces: Sequence[tuple[datetime, datetime]], now: datetime) -> list[str]:
    """Each hour of the last week: yes, part, no (not collected) or none (not watched yet)."""
    start = _first_hour(now)
    # The latest stretch is on its way: the next run brings it.
    known = max(start, now - max(2 * timedelta(seconds=row.every_s), timedelta(minutes=15)))
    strip: list[str] = []
    for hour in range(_DAYS * 24 + 1):
        begin = start + hour * HOUR
        end = min(begin + HOUR, known)
        if begin >= end:
            break
        seconds = sum(max((min(b, end) - max(a, begin)).total_seconds(), 0.0) for a, b in pieces)
        if seconds >= (end - begin).total_seconds() - 1:
            strip.append("yes")
        elif seconds > 0:
            strip.append("part")
        else:
            strip.append("none" if end <= row.created_at or row.covered_to is None else "no")
    return strip


def _first_hour(now: datetime) -> datetime:
    return (now - timedelta(days=_DAYS)).replace(minute=0, second=0, microsecond=0)


@router.get("/sources/{watch_id}")
def one(view: PageView, watch_id: Id) -> Response:
    """One watch: its runs, gaps and the hours it covered."""
    before = view.request.query_params.get("before", "")
    with view.services.database.read() as session:
        row = watches.get(session, watch_id)
        found = _watched(session, [row], view.now)[0]
        history = runs.listing(
            session,
            watch_id=watch_id,
            before_id=int(before) if before.isdecimal() and len(before) < 18 else None,
            limit=_RUNS + 1,
        )
        holes = gaps.listing(session, watch_ids=[watch_id], filled=True)[:50]
    more = None
    if len(history) > _RUNS:
        history = history[:_RUNS]
        more = view.here(before=history[-1].id)
    return view.render(
        "source.html",
        watch=found,
        spec=view.sources().get(row.source),
        runs=history,
        gaps=holes,
        more=more,
        outcomes={code: health.name for code, health in names.HEALTH.items()},
    )


# --- buttons -------------------------------------------------------------------------------------


@router.post("/sources/{watch_id}/collect")
def collect_now(view: PageView, watch_id: Id) -> Response:
    """Make it due; the collector does the rest."""
    with view.services.database.write() as work:
        watches.run_soon(work.session, watch_id, now=view.now)
        work.commit()
    return _back(view, watch_id, "watch-due")


@router.post("/sources/{watch_id}/pause")
def pause(view: PageView, watch_id: Id) -> Response:
    """Stop for now."""
    return _enable(view, watch_id, False)


@router.post("/sources/{watch_id}/resume")
def resume(view: PageView, watch_id: Id) -> Response:
    """Go on."""
    return _enable(view, watch_id, True)


@router.post("/sources/{watch_id}/remove")
def remove(view: PageView, watch_id: Id) -> Response:
    """Stop for good; what was collected stays."""
    with view.services.database.write() as work:
        watches.delete(work.session, watch_id, now=view.now)
        work.commit()
    return view.go("/sources", "watch-removed")


def _enable(view: View, watch_id: int, enabled: bool) -> Response:
    with view.services.database.write() as work:
        watches.update_watch(work.session, watch_id, enabled=enabled, now=view.now)
        work.commit()
    return _back(view, watch_id, "watch-resumed" if enabled else "watch-paused")


def _back(view: View, watch_id: int, flash: str) -> Response:
    to_list = view.request.query_params.get("back") == "list"
    return view.go("/sources" if to_list else f"/sources/{watch_id}", flash)
