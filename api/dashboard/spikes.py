"""Spikes: the list, and the one screen that answers what is going on, since when and why."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from api.dashboard import alert_actions, spike_chart, spike_page
from api.dashboard.spike_list import Asked, listed, watched
from api.dashboard.view import PageView
from api.routes.mentions import FilterQuery, to_filter
from api.routes.schemas import Id
from listener.alert import sentences
from listener.store import alerts, brands, history
from listener.store.tables import AlertRow

router = APIRouter()


@router.get("/spikes")
def listing(view: PageView) -> Response:
    """Events, those that go on first, then the newest."""
    asked = Asked.of(view)
    with view.services.database.read() as session:
        every = brands.listing(session, archived=True)
        found, more = listed(session, view, asked, every)
        nothing = None if found else watched(session)
    return view.render(
        "spikes.html", found=found, more=more, brands=every, asked=asked, watched=nothing
    )


@router.get("/spikes/{spike_id}")
def one(view: PageView, spike_id: Id) -> Response:
    """One spike, with its cause, on one screen."""
    wiring = view.services.wiring
    with view.services.database.read() as session:
        row = history.get_spike(session, spike_id)
        brand = brands.get(session, row.brand_id)
        alert = session.get(AlertRow, row.alert_id) if row.alert_id else None
        base = wiring.spike_filter(row, now=view.now)
        told = wiring.recount_spike(session, row, now=view.now)
        wanted = to_filter(session, FilterQuery.model_validate(base))
        chart = spike_chart.draw(session, view, row, told, base, wanted)
        links = spike_page.Links(row, base)
        speech = view.speech
        subject = sentences.Subject.of(
            row, brand.name, now=view.now, competitor=brand.competitor, told=told
        )
        written = spike_page.writers(session, view, told)
        top, groups = spike_page.drivers(view, row, told, links, written)
        context: dict[str, Any] = {
            "acting": alert_actions.acting(session, view, alert, spike_id=spike_id),
            "others": spike_page.others(session, row),
            "shown": spike_page.shown(session, view, brand, told),
            "history": spike_page.history(session, view, alert),
            "deliveries": spike_page.deliveries(session, alert.id) if alert else [],
        }
    return view.render(
        "spike.html",
        spike=row,
        brand=brand,
        alert=alert,
        chart=chart,
        told=told,
        subject=subject,
        links=links,
        title=sentences.title(subject, speech),
        headline=spike_page.parts(sentences.headline(subject, speech), links),
        why=[spike_page.parts(one, links) for one in sentences.sentences(subject, speech)],
        rarity=sentences.rarity(row.score, view.language),
        times=subject.observed / subject.expected if subject.expected >= 0.5 else None,
        top=top,
        groups=groups,
        past=spike_page.past(view, told),
        **context,
    )


@router.post("/spikes/{spike_id}/acknowledge")
def acknowledge(view: PageView, spike_id: Id) -> Response:
    """Somebody has seen it."""
    with view.services.database.write() as work:
        row = history.get_spike(work.session, spike_id)
        if row.alert_id is not None and view.user is not None:
            alerts.act(
                work.session,
                row.alert_id,
                "acknowledge",
                by=view.user.name or view.user.email,
                user_id=view.user.id,
                now=view.now,
            )
        work.commit()
    return view.go(f"/spikes/{spike_id}", "acknowledged")
