"""Models and rules: the set in force, a newer one beside it, what it would change, the switch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.auth import Principal, name_of
from api.dashboard.forms import Sent
from api.dashboard.view import PageView, View, href
from api.routes.schemas import Id
from listener.store import comparison, corrections, generations, jobs, rescoring, rule_sets
from listener.store.comparison import LABELS, Compared
from listener.store.generations import Generation
from listener.store.tables import JobRow

router = APIRouter()

HOME = "/models"
_COMPARED = timedelta(days=90)
_KINDS = ("rescore", "switch-generation")


@dataclass(frozen=True, slots=True)
class Card:
    """A set of models and rules as it is shown."""

    one: Generation
    rules: str  # where its rules come from
    lacking: int | None  # mentions that it has not read; None = not asked
    left: timedelta | None  # until it is complete, as far as that can be told


@router.get(HOME)
def show(view: PageView) -> Response:
    """All sets, and what the one asked for (else the newest) would change."""
    with view.services.database.read() as session:
        found = generations.counted(session)
        active = next((one for one in found if one.active), None)
        present = generations.present_id(session)
        other = _other(view, found, present)
        compared: Sequence[Compared] = ()
        # While it reads, the page asks again and again, and half of it tells nothing yet.
        reading = other is not None and _is_reading(other)
        if active is not None and other is not None and other.readings and not reading:
            since = view.now - _COMPARED
            compared = comparison.compare(session, active.id, other.id, since=since)
        context: dict[str, Any] = {
            "active": active and _card(session, view, active, ask=False),
            "other": other and _card(session, view, other, ask=not reading),
            "rest": [one for one in found if one is not active and one is not other],
            "switches": generations.switches(session, limit=20),
            "job": _last_job(session, view.now),
            "corrected": corrections.count(session),
            "waiting": other is None and _edited_since(view, session),
        }
    return view.render(
        "models.html",
        present=present,
        compared=compared,
        labels=LABELS,
        home=HOME,
        days=_COMPARED.days,
        versions=_versions,
        moved_topics=_moved_topics,
        **context,
    )


def _other(view: View, found: Sequence[Generation], present: int | None) -> Generation | None:
    """The set beside the one in force: the one asked for, else that of the present models."""
    asked = view.request.query_params.get("with", "")
    wanted = int(asked) if asked.isdecimal() and len(asked) < 16 else present
    return next((one for one in found if one.id == wanted and not one.active), None)


def _is_reading(one: Generation) -> bool:
    row = one.progress
    return row is not None and row.finished_at is None and row.error is None


def _edited_since(view: View, session: Session) -> bool:
    """Whether the rules in use are others than those that read what screens show."""
    counted = view.rules.counted_by(session)
    return counted is not None and counted.version != view.rules.current(session).version


def _moved_topics(one: Compared) -> list[tuple[str, int, int]]:
    """Topics with another number of mentions, the largest change first."""
    old, new = one.old.topics, one.new.topics
    moved = [(topic, old[topic], new[topic]) for topic in old | new if old[topic] != new[topic]]
    return sorted(moved, key=lambda each: (-abs(each[2] - each[1]), each[0]))


def _card(session: Session, view: View, one: Generation, *, ask: bool) -> Card:
    kept = rule_sets.get(session, one.rules_version)
    row = one.progress
    left = None
    if row is not None and row.finished_at is None and row.done:
        left = (row.updated_at - row.started_at) / row.done * max(row.total - row.done, 0)
    return Card(
        one=one,
        rules=kept.origin if kept else "",
        lacking=rescoring.lacking(session, one.id) if ask else None,
        left=left,
    )


def _last_job(session: Session, now: datetime) -> JobRow | None:
    """What was asked for last, while it waits or if it failed within the last hour."""
    row = session.scalar(
        select(JobRow)
        .where(JobRow.kind.in_(_KINDS), JobRow.created_at > now - timedelta(hours=1))
        .order_by(JobRow.id.desc())
        .limit(1)
    )
    return None if row is None or row.state == "done" else row


def _versions(told: Mapping[str, Any] | None) -> str:
    if not told:
        return "–"
    models = (f"{language} {' '.join(model)}" for language, model in told["models"].items())
    return " · ".join([*models, str(told["rules_version"])])


@router.post(f"{HOME}/rescore")
def rescore(view: PageView, form: Sent) -> Response:
    """Let the service read history by a set, in the background."""
    wanted = form.get("generation")
    payload = {"generation": int(wanted) if wanted.isdecimal() else None, "switch": False}
    return _ask(view, "rescore", payload, wanted)


@router.post(f"{HOME}/{{generation_id}}/switch")
def switch(view: PageView, generation_id: Id, form: Sent) -> Response:
    """Let the service put a set in force."""
    by = name_of(Principal(user=view.user))
    payload = {"generation": generation_id, "force": form.get("force") == "yes", "by": by}
    return _ask(view, "switch-generation", payload, "")


def _ask(view: View, kind: str, payload: Mapping[str, Any], shown: str) -> Response:
    with view.services.database.write() as work:
        jobs.ask(work.session, kind, payload, now=view.now)
        work.commit()
    return view.go(href(HOME, **{"with": shown}), "asked")
