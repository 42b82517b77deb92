"""What is being collected: watches with their health, runs and gaps in words, and their buttons."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from api.dashboard import connection_pages
from api.dashboard.view import PageView, View
from api.dashboard.watched import DAY, rated_lines, troubles, watched, worst_first
from api.routes.schemas import Id
from listener.store import brands, notices, runs, watches
from listener.store.tables import WatchRow

router = APIRouter()

_WEEK = 7
_MONTH = 30
_RUNS = 30
_NOTICES = 10


@router.get("/sources")
def listing(view: PageView) -> Response:
    """All watches by brand, the ones that need a hand first."""
    now = view.now
    with view.services.database.read() as session:
        rows = watches.listing(session)
        found = watched(
            session,
            rows,
            now,
            view.say.tz,
            days=_WEEK,
            history=view.services.settings.history_days * DAY,
        )
        wrong = troubles(session, rows, now)
        told = notices.page(session, limit=_NOTICES)
        has_brand = bool(brands.listing(session))
    return view.render(
        "sources.html",
        groups=worst_first(found, wrong),
        troubles=wrong,
        labels=labels_of(view, rows),
        notices=told,
        has_brand=has_brand,
        troubled=sum(one.health.tone in ("bad", "warn") for one in found),
    )


def labels_of(view: View, rows: list[WatchRow]) -> dict[int, str]:
    """What each watch is called."""
    return {row.id: row.label or view.source_name(row.source) for row in rows}


@router.get("/sources/{watch_id}")
def one(view: PageView, watch_id: Id) -> Response:
    """One watch: what it brings, what is missing, its runs, what it used up, who was told."""
    now = view.now
    before = view.request.query_params.get("before", "")
    with view.services.database.read() as session:
        row = watches.get(session, watch_id)
        (found,) = watched(
            session,
            [row],
            now,
            view.say.tz,
            days=_MONTH,
            history=view.services.settings.history_days * DAY,
        )
        history = runs.listing(
            session,
            watch_id=watch_id,
            before_id=int(before) if before.isdecimal() and len(before) < 18 else None,
            limit=_RUNS + 1,
        )
        told = notices.of_watch(session, watch_id)
        rated = rated_lines(session, since=now - 90 * DAY, until=now, watch_id=watch_id)
        labels = labels_of(view, watches.listing(session))
    more = None
    if len(history) > _RUNS:
        history = history[:_RUNS]
        more = view.here(before=history[-1].id)
    return view.render(
        "source.html",
        watch=found,
        spec=view.sources().get(row.source),
        runs=history,
        more=more,
        notices=told,
        labels=labels,
        rated=rated,
        account=_account(view, row),
        units=connection_pages.UNITS,
        periods=connection_pages.PERIODS,
        health_of=connection_pages.HEALTH,
    )


def _account(view: View, row: WatchRow) -> dict[str, Any] | None:
    """What the watch's connection used up, where anything is counted."""
    for facts in view.services.wiring.connections.listing(source=row.source):
        if facts.id == row.connection_id:
            told = facts.as_json()
            return told if told["usage"] else None
    return None


# --- buttons -------------------------------------------------------------------------------------


@router.post("/sources/{watch_id}/collect")
def collect_now(view: PageView, watch_id: Id) -> Response:
    """Make it due; the collector does the rest."""
    with view.services.database.write() as work:
        watches.run_soon(work.session, watch_id, now=view.now)
        work.commit()
    return _back(view, watch_id, "watch-due")


@router.post("/sources/{watch_id}/accept")
def accept(view: PageView, watch_id: Id) -> Response:
    """What looks suspect is normal: learn anew."""
    with view.services.database.write() as work:
        watches.accept(work.session, watch_id, now=view.now)
        work.commit()
    return _back(view, watch_id, "watch-accepted")


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
