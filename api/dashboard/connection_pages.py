"""Connections: accounts of sources with their health, budget and secrets, which are never shown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from api.dashboard.forms import ANYWHERE, Form, Sent
from api.dashboard.names import Pair
from api.dashboard.view import PageView, View
from api.routes.schemas import Id
from listener.errors import Conflict, InvalidInput, ListenerError, NotFound
from listener.store import connections, jobs

router = APIRouter()

_KEYS = "c."  # of the fields that are credentials
_NUMBER = re.compile(r"[0-9][0-9,]{0,14}\Z")

HEALTH: dict[str, tuple[str, Pair]] = {
    "new": ("idle", ("아직 쓰지 않음", "Not used yet")),
    "ok": ("good", ("정상", "Healthy")),
    "needs-credentials": ("bad", ("API 키 필요", "Needs credentials")),
    "blocked": ("bad", ("차단됨", "Blocked")),
    "out-of-budget": ("warn", ("예산 소진", "Out of budget")),
    "failing": ("bad", ("오류", "Failing")),
}
UNITS: dict[str, Pair] = {
    "calls": ("요청", "requests"),
    "usd": ("비용", "cost"),
    "post": ("읽은 게시물", "posts read"),
    "user": ("읽은 계정", "accounts read"),
    "search": ("검색", "searches"),
}
PERIODS: dict[str, Pair] = {"day": ("오늘", "today"), "month": ("이번 달", "this month")}


@router.get("/connections")
def listing(view: PageView) -> Response:
    """All connections, with what they used up."""
    found = [one.as_json() for one in view.services.wiring.connections.listing()]
    return view.render("connections.html", found=found, **_words())


@router.get("/connections/new")
def new(view: PageView) -> Response:
    """Choose a source; then its form."""
    spec = view.sources().get(view.request.query_params.get("source", ""))
    if spec is None:
        usable = {
            name: one
            for name, one in view.sources().items()
            if one["credentials"] or one.get("base_url")
        }
        return view.render("connection_sources.html", specs=usable)
    return _form(view, spec, Form())


@router.post("/connections")
def add(view: PageView, form: Sent) -> Response:
    """Save a new connection."""
    spec = view.sources().get(form.get("source"))
    if spec is None:
        raise NotFound(f"There is no source {form.get('source')!r}.")
    typed = _typed(view, spec, form)
    if not form.errors:
        try:
            view.services.wiring.connections.add(spec["name"], **typed)
        except ListenerError as error:
            _blame(view, form, error)
    if form.errors:
        return _form(view, spec, form, status=422)
    return view.go("/connections", "saved")


@router.get("/connections/test/{job_id}")
def tested(view: PageView, job_id: Id) -> Response:
    """How a test went: the page asks until it is known."""
    with view.services.database.read() as session:
        job = jobs.get(session, job_id)
    if job is None or job.kind != "test-connection":
        raise NotFound(f"There is no test {job_id}.")
    return view.render("_connection_test.html", job=job)


@router.get("/connections/{connection_id}")
def show(view: PageView, connection_id: Id) -> Response:
    """One connection and its form."""
    facts = view.services.wiring.connections.facts(connection_id).as_json()
    spec = view.sources().get(facts["source"])
    if spec is None:
        raise NotFound(f"There is no source {facts['source']!r} any more.")
    values = {
        "name": facts["name"],
        "base_url": facts["base_url"] or "",
        "budget_calls": _shown(facts["budget_calls"]),
        "budget_usd": _shown(facts["budget_usd"]),
    }
    return _form(view, spec, Form(values), facts=facts)


@router.post("/connections/{connection_id}")
def change(view: PageView, connection_id: Id, form: Sent) -> Response:
    """Save changes; secrets that were left empty stay as they are."""
    facts = view.services.wiring.connections.facts(connection_id).as_json()
    spec = view.sources().get(facts["source"])
    if spec is None:
        raise NotFound(f"There is no source {facts['source']!r} any more.")
    typed = _typed(view, spec, form)
    if not form.errors:
        try:
            view.services.wiring.connections.change(connection_id, **typed)
        except ListenerError as error:
            _blame(view, form, error)
    if form.errors:
        return _form(view, spec, form, facts=facts, status=422)
    return view.go(f"/connections/{connection_id}", "saved")


@router.post("/connections/{connection_id}/test")
def test(view: PageView, connection_id: Id) -> Response:
    """Ask the source with this account."""
    with view.services.database.write() as work:
        row = connections.get(work.session, connection_id)
        payload = {"source": row.source, "connection_id": row.id}
        job_id = jobs.ask(work.session, "test-connection", payload, now=view.now)
        work.commit()
    return view.go(f"/connections/{connection_id}?test={job_id}")


@router.post("/connections/{connection_id}/remove")
def remove(view: PageView, connection_id: Id) -> Response:
    """Remove it, unless watches use it."""
    try:
        view.services.wiring.connections.remove(connection_id)
    except Conflict:
        return view.go(f"/connections/{connection_id}?used=yes")
    return view.go("/connections", "connection-removed")


def choices(view: View, source: str) -> list[dict[str, Any]]:
    """The connections that a new watch of this source may use, for its form: ``[{"id", "title"}]``.

    The settings' account is none of them: it is what a watch without a connection uses.
    """
    with view.services.database.read() as session:
        rows = connections.listing(session, source=source)
    return [{"id": row.id, "title": row.name} for row in rows]


def _form(
    view: View,
    spec: Mapping[str, Any],
    form: Form,
    *,
    facts: Mapping[str, Any] | None = None,
    status: int = 200,
) -> Response:
    query = view.request.query_params
    job_id = query.get("test", "")
    return view.render(
        "connection.html",
        status,
        spec=spec,
        form=form,
        facts=facts,
        prefix=_KEYS,
        job_id=job_id if job_id.isdecimal() else "",
        used=query.get("used") == "yes",
        **_words(),
    )


def _typed(view: View, spec: Mapping[str, Any], form: Form) -> dict[str, Any]:
    """What was typed, as the wiring takes it; what is wrong goes into the form."""
    say = view.say
    if not form.get("name") or len(form.get("name")) > 100:
        form.errors["name"] = say("이름을 100자 안으로 적어 주세요.", "Write a name.")
    typed: dict[str, Any] = {"name": form.get("name"), "base_url": form.get("base_url") or None}
    calls, usd = form.get("budget_calls"), form.get("budget_usd")
    typed["budget_calls"] = None
    if calls and _NUMBER.match(calls) and int(calls.replace(",", "")) <= 1_000_000_000:
        typed["budget_calls"] = int(calls.replace(",", "")) or None
    elif calls:
        form.errors["budget_calls"] = say("숫자로 적어 주세요. 예: 1000", "A number, like 1000.")
    typed["budget_micro_usd"] = None
    if usd:
        try:
            amount = Decimal(usd.replace(",", "").lstrip("$").strip())
            if not amount.is_finite() or not 0 <= amount <= 1_000_000:
                raise InvalidOperation
            typed["budget_micro_usd"] = int(amount * 1_000_000) or None
        except InvalidOperation:
            form.errors["budget_usd"] = say("금액을 적어 주세요. 예: 50", "An amount, like 50.")
    names: Sequence[str] = [one["name"] for one in spec["credentials"]]
    given = {name: form.get(_KEYS + name) for name in names}
    secrets = {name: value for name, value in given.items() if value}
    secrets |= {name: "" for name in names if form.get(f"forget.{name}") == "yes"}
    typed["credentials"] = secrets
    for name in names:
        form.values.pop(_KEYS + name, None)  # never back onto a page
    return typed


def _blame(view: View, form: Form, error: ListenerError) -> None:
    place = ANYWHERE
    if isinstance(error, Conflict):
        place = "name"
    elif isinstance(error, InvalidInput) and error.field in ("base_url", "budget_usd"):
        place = error.field
    elif error.code == "forbidden-address":
        place = "base_url"
    form.blame(error, view.say, place=place)


def _shown(amount: float | None) -> str:
    return "" if amount is None else f"{amount:g}" if amount < 1e6 else f"{amount:.0f}"


def _words() -> dict[str, Any]:
    return {"health_of": HEALTH, "units": UNITS, "periods": PERIODS}
