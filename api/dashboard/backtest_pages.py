"""Backtests: when a rule would have told people in the past, alone or beside another setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter
from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.dashboard import rule_words
from api.dashboard.forms import Sent
from api.dashboard.view import PageView, View
from api.routes.schemas import Id
from listener.errors import InvalidInput, NotFound
from listener.rules import HAPPENING
from listener.store import brands, channels, jobs, rule_json, rules
from listener.store.tables import JobRow
from listener.types import Rule, Sensitivity

router = APIRouter()

HOME = "/backtests"
KIND = "backtest"
DAYS = (30, 90, 365)
_USUAL = 90
_HINT_DAYS = 30
_NO_WORKER = timedelta(seconds=15)  # a job that nobody took for so long: no worker runs
_TALL, _WIDE = 100.0, 1000.0  # of the picture, in its own units
_BARS = 122  # at most
_DIFFERS = (
    *("signal", "scope", "by", "sensitivity", "min_count", "severity", "quiet_from", "quiet_to"),
    *("working_days", "steps", "remind_every", "enabled"),
)


# --- asking --------------------------------------------------------------------------------------


def ask_hint(view: View, rule: Rule) -> int | None:
    """Ask how the rule would have done lately; None for one that cannot be tried.

    What the same person asked before is dropped: a form asks at every change.
    """
    if rule.signal in HAPPENING:
        return None
    asker = view.user.id if view.user else 0
    with view.services.database.write() as work:
        asked = work.session.scalars(
            select(JobRow).where(JobRow.kind == KIND, JobRow.state.in_(("pending", "running")))
        )
        old = [row.id for row in asked if row.payload.get("hint_of") == asker]
        work.session.execute(delete(JobRow).where(JobRow.id.in_(old)))
        payload = _payload(rule, None, _HINT_DAYS, view.now) | {"hint_of": asker}
        job_id = jobs.ask(work.session, KIND, payload, now=view.now)
        work.commit()
    return job_id


def begin(view: View, rule: Rule) -> Response:
    """Try a rule as it was typed, beside the stored one where it differs; leads to the result."""
    before = None
    if rule.id:
        with view.services.database.read() as session:
            stored = rules.get(session, rule.id)
        if not _same(stored, rule):
            before = stored
    return _ask(view, before or rule, rule if before else None, _USUAL)


def _ask(view: View, rule: Rule, other: Rule | None, days: int) -> Response:
    if rule.signal in HAPPENING:
        return view.render("backtest_none.html", rule_id=rule.id)
    with view.services.database.write() as work:
        job_id = jobs.ask(work.session, KIND, _payload(rule, other, days, view.now), now=view.now)
        work.commit()
    return view.go(f"{HOME}/{job_id}")


def _payload(rule: Rule, other: Rule | None, days: int, now: datetime) -> dict[str, Any]:
    return {
        "rule": rule_json.to_json(rule),
        "compare": None if other is None else rule_json.to_json(other),
        "days": days,
        "until": now.isoformat(),
    }


@router.post(HOME)
def new(view: PageView, form: Sent) -> Response:
    """Try a stored rule as it is."""
    if not form.get("rule").isdecimal():
        raise NotFound("Say which rule to try.")
    with view.services.database.read() as session:
        rule = rules.get(session, int(form.get("rule")))
    return _ask(view, rule, None, _USUAL)


@router.post(HOME + "/{job_id}/again")
def again(view: PageView, job_id: Id, form: Sent) -> Response:
    """Try the same rule over another time, or beside another setting."""
    with view.services.database.read() as session:
        rule = _rules_of(_job(session, job_id))[0]
    days = int(form.get("days")) if form.get("days") in {str(one) for one in DAYS} else _USUAL
    other = rule
    if form.get("sensitivity") in set(Sensitivity):
        other = replace(other, sensitivity=Sensitivity(form.get("sensitivity")))
    count = form.get("min_count").replace(",", "")
    if count.isdecimal() and len(count) < 7 and int(count):
        other = replace(other, min_count=int(count))
    return _ask(view, rule, None if other == rule else other, days)


@router.post(HOME + "/{job_id}/save")
def save(view: PageView, job_id: Id, form: Sent) -> Response:
    """Save one of the settings that were tried."""
    with view.services.database.read() as session:
        tried = _rules_of(_job(session, job_id))
    rule = tried[-1] if form.get("which") == "b" else tried[0]
    fields = {name: getattr(rule, name) for name in ("name", *_DIFFERS)}
    try:
        with view.services.database.write() as work:
            twin = _stored(work.session, rule)
            if twin is not None and _same(twin, rule):
                rule_id = twin.id  # sent twice
            elif rule.id:
                rules.update(work.session, rule.id, now=view.now, **fields)
                rule_id = rule.id
            else:
                rule_id = rules.add(work.session, rule, now=view.now).id
            work.commit()
    except InvalidInput:  # a channel went away meanwhile: the form says which
        return view.go(f"/rules/{rule.id}" if rule.id else "/rules/new")
    return view.go(f"/rules#r{rule_id}", "rule-saved")


def _job(session: Session, job_id: int) -> JobRow:
    job = jobs.get(session, job_id)
    if job is None or job.kind != KIND:
        raise NotFound(f"There is no backtest {job_id}.", hint="It may be long ago; try again.")
    return job


def _rules_of(job: JobRow) -> list[Rule]:
    """The rule that was tried, and the one beside it, with the ids of stored ones."""
    told = [job.payload["rule"], job.payload.get("compare")]
    return [rule_json.from_json(one) for one in told if one]


def _stored(session: Session, rule: Rule) -> Rule | None:
    """The rule as it is stored; for one that was not, another that says the same."""
    if rule.id:
        return rules.by_ids(session, [rule.id]).get(rule.id)
    found = rules.of_brand(session, rule.brand_id)
    return next((one for one in found if one.name == rule.name and _same(one, rule)), None)


def _same(one: Rule, other: Rule) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in _DIFFERS)


# --- showing -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Drawn:
    """The line of a backtest as a picture: SVG paths in 1000 x 100, and where alerts stand."""

    bars: str
    line: str
    holes: Sequence[tuple[float, float]]  # x and width of what was not collected
    marks: Sequence[tuple[float, int]]  # x, number of the alert
    top: float
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Side:
    """One of the settings that were tried."""

    code: str  # a | b
    name: str
    rule: Rule
    sentence: str
    conditions: Sequence[str]
    result: Mapping[str, Any] | None
    drawn: Drawn | None
    is_stored: bool  # nothing to save


@router.get(HOME + "/{job_id}")
def show(view: PageView, job_id: Id) -> Response:
    """A backtest: how far it is, then what came out."""
    with view.services.database.read() as session:
        job = _job(session, job_id)
        tried = _rules_of(job)
        brand = brands.get(session, tried[0].brand_id)
        names = {row.id: row.name for row in channels.listing(session)}
        stored = [_stored(session, rule) for rule in tried]
        state = _state(session, view, job)
    result = job.result or {}
    sides = [
        _side(view, code, rule, result.get(code), twin, (brand.name, names), tried)
        for code, rule, twin in zip("ab", tried, stored, strict=False)
    ]
    return view.render(
        "_backtest.html" if view.is_fragment else "backtest.html",
        job=job,
        state=state,
        days=job.payload["days"],
        offered=DAYS,
        brand=brand,
        title=rule_words.title(view, tried[0]),
        sides=sides,
        compared=result.get("compared"),
        notes=_notes(result),
        words=rule_words,
        at=datetime.fromisoformat,
    )


@router.get(HOME + "/{job_id}/hint")
def hint(view: PageView, job_id: Id) -> Response:
    """How a hint stands: htmx asks until it is there."""
    with view.services.database.read() as session:
        job = jobs.get(session, job_id)
        state = "gone" if job is None else _state(session, view, job)
    if job is None or job.kind != KIND:  # a later change of the form took its place
        return view.render("_backtest_hint.html", job=None, state="gone", result=None, at=None)
    return view.render(
        "_backtest_hint.html",
        job=job,
        state=state,
        result=(job.result or {}).get("a"),
        at=datetime.fromisoformat,
    )


def _state(session: Session, view: View, job: JobRow) -> str:
    if job.state != "pending" or view.now - job.created_at < _NO_WORKER:
        return job.state
    busy = select(JobRow.id).where(
        JobRow.kind == KIND, JobRow.state == "running", JobRow.claim_until > view.now
    )
    return "no-worker" if session.scalar(busy.limit(1)) is None else "pending"


def _side(
    view: View,
    code: str,
    rule: Rule,
    result: Mapping[str, Any] | None,
    stored: Rule | None,
    called: tuple[str, Mapping[int, str]],
    tried: Sequence[Rule],
) -> Side:
    brand, names = called
    is_stored = stored is not None and _same(stored, rule)
    if len(tried) == 1:
        name = view.say("이 설정", "These settings")
    elif is_stored:
        name = view.say("지금 설정", "As it is now")
    else:
        name = (
            view.say("바꾼 설정", "As changed")
            if code == "b"
            else view.say("시험한 설정", "As tried")
        )
    return Side(
        code=code,
        name=name,
        rule=rule,
        sentence=rule_words.sentence(view, rule, brand, names),
        conditions=rule_words.conditions(view, rule),
        result=result,
        drawn=_drawn(result) if result else None,
        is_stored=is_stored,
    )


def _notes(result: Mapping[str, Any]) -> list[Mapping[str, str]]:
    """What has to be known to read the results right, each once."""
    told = [note for code in "ab" for note in (result.get(code) or {}).get("notes", ())]
    return list({(note["ko"], note["en"]): note for note in told}.values())


def _drawn(result: Mapping[str, Any]) -> Drawn | None:
    """The counts as bars, what was expected as a line, alerts as marks."""
    points = result["timeline"]
    if not points:
        return None
    first = datetime.fromisoformat(points[0]["at"])
    last = datetime.fromisoformat(points[-1]["at"])
    length = timedelta(seconds=result["timeline_step_s"]) * len(points)
    points = _together(points)
    size = len(points)
    wide = _WIDE / size
    top = max(1.0, *(float(max(one["count"], one["expected"] or 0)) for one in points))
    bars, line, holes = [], [], []
    is_down = False
    for place, one in enumerate(points):
        x, tall = place * wide, one["count"] / top * _TALL
        if tall:
            bars.append(f"M{x:.1f},{_TALL:g}v{-tall:.1f}h{max(wide * 0.86, 0.6):.1f}v{tall:.1f}z")
        if one["collected"] < 0.5:
            holes.append((round(x, 1), round(wide, 1)))
        if one["expected"] is None:
            is_down = False
            continue
        y = _TALL - one["expected"] / top * _TALL
        line.append(f"{'L' if is_down else 'M'}{x + wide / 2:.1f},{y:.1f}")
        is_down = True

    def place_of(at: str) -> float:
        share = (datetime.fromisoformat(at) - first) / length
        return round(max(0.0, min(share, 1.0)) * _WIDE, 1)

    return Drawn(
        bars="".join(bars),
        line="".join(line),
        holes=holes,
        marks=[(place_of(one["opened_at"]), one["number"]) for one in result["alerts"]],
        top=top,
        first=first,
        last=last,
    )


def _together(points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Neighbours summed, so that bars are wide enough to be seen."""
    size = -(-len(points) // _BARS)
    found = []
    for place in range(0, len(points), size):
        group = points[place : place + size]
        usual = [one["expected"] for one in group if one["expected"] is not None]
        found.append(
            {
                "count": sum(one["count"] for one in group),
                "expected": sum(usual) / len(usual) * len(group) if usual else None,
                "collected": sum(one["collected"] for one in group) / len(group),
            }
        )
    return found
