"""A new watch: a source, a form made of its parameters, and a test before anything is saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from api.dashboard.connection_pages import PERIODS, UNITS, choices
from api.dashboard.forms import ANYWHERE, Form, Sent
from api.dashboard.names import KINDS, Pair
from api.dashboard.view import PageView, View
from api.routes.schemas import Id
from listener.collect.presets import WORD, filled
from listener.errors import InvalidInput, ListenerError, NotFound
from listener.settings import source_setting
from listener.store import brands, connections, jobs, watches
from listener.types import Brand, MatchMode, Span

router = APIRouter()

# Choices of parameters by what they are called; a kind of mention has its own names.
_CHOICES: dict[str, Pair] = {
    "auto": ("알아서 판단", "Automatic"),
    "article": ("본문까지 (기사·글)", "The article"),
    "forum": ("게시판·댓글", "Forum or comments"),
    "selectors": ("직접 지정 (CSS 선택자·XPath)", "By selectors (CSS or XPath)"),
    "title": ("제목만", "Titles only"),
}
_PAGE = "page"  # the source whose preview is a table of fields
# Fields of a page, by the parameter that names their place and by their key in a preview's items.
_FIELDS: dict[str, tuple[str, Pair]] = {
    "title": ("title", ("제목", "Title")),
    "text": ("text", ("본문", "Text")),
    "author": ("author", ("작성자", "Author")),
    "date": ("published_at", ("날짜", "Date")),
    "rating": ("rating", ("별점", "Rating")),
    "link": ("url", ("주소", "Address")),
}
_PREFIX = "p."  # of the fields that are a source's parameters
_NO_WORKER = timedelta(seconds=15)  # a job that nobody took for so long: no worker runs
_TOO_LONG = timedelta(minutes=5)


@router.get("/watches/new")
def new(view: PageView) -> Response:
    """Choose a source, or a preset of one; then its form."""
    query = view.request.query_params
    source, brand = query.get("source", ""), query.get("brand", "")
    spec = view.sources().get(source)
    if spec is None:
        with view.services.database.read() as session:
            every = brands.listing(session)
        return view.render(
            "watch_sources.html", groups=_groups(view), brand=brand, brands=every, **_presets(view)
        )
    values = {
        "brand": brand,
        "match": str(spec["default_match"]),
        "every": _minutes(spec["every_seconds"]),
        "preset": query.get("preset", ""),
        "word": _word(view, spec, query.get("preset", ""), brand),
        **{
            _PREFIX + name: str(one.get("default", ""))
            for name, one in spec["params"]["properties"].items()
        },
    }
    return _form(view, spec, Form(values))


@router.post("/watches/new")
def add(view: PageView, form: Sent) -> Response:
    """Test what a watch would bring, or save it."""
    spec = view.sources().get(form.get("source"))
    if spec is None:
        raise NotFound(f"There is no source {form.get('source')!r}.")
    checked = _check(view, spec, form)
    if checked is None or form.errors:
        return _form(view, spec, form, status=422)
    if form.get("action") == "preview":
        return _form(view, spec, form, job_id=_ask(view, spec, checked, form))
    try:
        with view.services.database.write() as work:
            connections.check_source(work.session, _number(form, "connection"), spec["name"])
            watches.create(
                work.session,
                source=spec["name"],
                params=checked.params,
                match=checked.match,
                every=checked.every,
                brand_id=_number(form, "brand"),
                connection_id=_number(form, "connection"),
                label=form.get("label")[:200],
                now=view.now,
            )
            work.commit()
    except ListenerError as error:
        form.blame(error, view.say)
        return _form(view, spec, form, status=422)
    return view.go("/sources", "watch-added")


@router.get("/watches/{watch_id}/edit")
def edit(view: PageView, watch_id: Id) -> Response:
    """The form of a watch that is there."""
    with view.services.database.read() as session:
        row = watches.get(session, watch_id)
    values = {
        "brand": str(row.brand_id or ""),
        "connection": str(row.connection_id or ""),
        "match": row.match,
        "every": _minutes(row.every_s),
        "label": row.label,
        **{_PREFIX + name: value for name, value in row.params.items()},
    }
    return _form(view, _spec_of(view, row.source), Form(values), watch_id=watch_id)


@router.post("/watches/{watch_id}/edit")
def change(view: PageView, watch_id: Id, form: Sent) -> Response:
    """Test the changed watch, or save it. A new question is collected anew, from its history on."""
    with view.services.database.read() as session:
        row = watches.get(session, watch_id)
    spec = _spec_of(view, row.source)
    checked = _check(view, spec, form)
    if checked is None or form.errors:
        return _form(view, spec, form, status=422, watch_id=watch_id)
    if form.get("action") == "preview":
        job_id = _ask(view, spec, checked, form)
        return _form(view, spec, form, job_id=job_id, watch_id=watch_id)
    fields: dict[str, Any] = {
        "params": checked.params,
        "match": checked.match.value,
        "every": checked.every,
        "label": form.get("label")[:200],
    }
    told = {"brand_id": _number(form, "brand"), "connection_id": _number(form, "connection")}
    # Naming one of these makes it a new question.
    fields |= {name: value for name, value in told.items() if value != getattr(row, name)}
    try:
        with view.services.database.write() as work:
            connections.check_source(work.session, _number(form, "connection"), row.source)
            watches.update_watch(work.session, watch_id, now=view.now, **fields)
            work.commit()
    except ListenerError as error:
        form.blame(error, view.say)
        return _form(view, spec, form, status=422, watch_id=watch_id)
    return view.go(f"/sources/{watch_id}", "saved")


def _word(view: View, spec: Mapping[str, Any], preset: str, brand: str) -> str:
    """The brand's name, for presets that are filled with that."""
    chosen = _preset(spec, Form({"preset": preset}))
    found = _brand(view, Form({"brand": brand})) if chosen and chosen["brand"] else None
    return found.name if found else ""


def _spec_of(view: View, source: str) -> Mapping[str, Any]:
    spec = view.sources().get(source)
    if spec is None:
        raise NotFound(f"There is no source {source!r} any more.")
    return spec


def _number(form: Form, name: str) -> int | None:
    return int(form.get(name)) if form.get(name).isdecimal() else None


def _ask(view: View, spec: Mapping[str, Any], checked: Any, form: Form) -> int:
    """Ask for a preview; gives the job."""
    with view.services.database.write() as work:
        payload = {
            "source": spec["name"],
            "params": dict(checked.params),
            "match": checked.match.value,
            "brand_id": _number(form, "brand"),
            "connection_id": _number(form, "connection"),
            "every_s": checked.every.total_seconds(),
        }
        job_id = jobs.ask(work.session, "preview", payload, now=view.now)
        work.commit()
    return job_id


_GROUPS: tuple[Pair, ...] = (
    ("키 없이 바로", "At once, without a key"),
    ("키가 필요한 곳", "With a key"),
    ("들어오는 것", "What is sent to us"),
)
_KOREAN_FIRST = ("naver", "kakao", "appstore", "googleplay", "youtube", "x")


def _groups(view: View) -> list[tuple[Pair, list[Mapping[str, Any]]]]:
    """The sources as they are offered: by what they need, those that Koreans use most first."""
    found: list[list[Mapping[str, Any]]] = [[], [], []]
    for name, spec in view.sources().items():
        needs_key = any(one["required"] for one in spec["credentials"])
        if not spec["push"] or name == "webhook":
            found[2 if spec["push"] or name == "email" else int(needs_key)].append(spec)
    for specs in found:
        specs.sort(
            key=lambda spec: (
                _KOREAN_FIRST.index(spec["name"]) if spec["name"] in _KOREAN_FIRST else 99,
                not spec["first"],
            )
        )
    return [(title, specs) for title, specs in zip(_GROUPS, found, strict=True) if specs]


def _presets(view: View) -> dict[str, Any]:
    return {
        "presets": [(name, one) for name, spec in view.sources().items() for one in spec["presets"]]
    }


def _needs_word(preset: Mapping[str, Any] | None) -> bool:
    return preset is not None and any(WORD in value for value in preset["params"].values())


def _preset(spec: Mapping[str, Any], form: Form) -> Mapping[str, Any] | None:
    """The preset that the form fills in."""
    return next((one for one in spec["presets"] if one["name"] == form.get("preset")), None)


def _check(view: View, spec: Mapping[str, Any], form: Form) -> Any:
    """The checked watch, or None with the errors in the form."""
    say = view.say
    params = {
        name: form.get(_PREFIX + name)
        for name in spec["params"]["properties"]
        if form.get(_PREFIX + name)
    }
    preset = _preset(spec, form)
    if preset is not None and (form.get("word") or not _needs_word(preset)):
        params |= filled(preset["params"], form.get("word"))
    for name in spec["params"]["required"]:
        if name not in params and preset is not None:
            form.errors["word"] = say("꼭 적어야 하는 칸입니다.", "This is needed.")
        elif name not in params:
            form.errors[_PREFIX + name] = say(
                "꼭 적어야 하는 칸입니다.", "This is needed."
            ) + _example(view, spec, name)
    try:
        every = float(form.get("every")) if form.get("every") else None
    except ValueError:
        every = None
        form.errors["every"] = say("분을 숫자로 적어 주세요. 예: 10", "Write minutes, such as 10.")
    needs_brand = form.get("match") == MatchMode.ALL or spec["needs_brand"]
    if needs_brand and not form.get("brand"):
        form.errors["brand"] = say(
            "이렇게 모으려면 어느 브랜드의 것인지 골라야 합니다.",
            "Choose the brand that this belongs to.",
        )
    if form.errors:
        return None
    try:
        return view.services.wiring.check_watch(
            spec["name"],
            params,
            match=form.get("match") or None,
            every=every,
            brand=_brand(view, form),
        )
    except InvalidInput as error:
        name = error.field or ANYWHERE
        is_param = name in spec["params"]["properties"]
        form.blame(
            InvalidInput(
                error.message, hint=error.hint, field=_PREFIX + name if is_param else name
            ),
            say,
        )
    except ListenerError as error:
        form.blame(error, say)
    return None


def _brand(view: View, form: Form) -> Brand | None:
    brand_id = _number(form, "brand")
    if brand_id is None:
        return None
    with view.services.database.read() as session:
        return next((one for one in brands.listing(session) if one.id == brand_id), None)


def _example(view: View, spec: Mapping[str, Any], name: str) -> str:
    examples = spec["params"]["properties"][name].get("examples") or ()
    return view.say(" 예: {x}", " Such as {x}", x=examples[0]) if examples else ""


def _form(
    view: View,
    spec: Mapping[str, Any],
    form: Form,
    *,
    status: int = 200,
    job_id: int | None = None,
    watch_id: int | None = None,
) -> Response:
    with view.services.database.read() as session:
        every = brands.listing(session)
    accounts = choices(view, spec["name"])
    missing = [
        one["setting"]
        for one in spec["credentials"]
        if one["required"] and not source_setting(spec["name"], one["name"])
    ]
    return view.render(
        "watch_new.html",
        status,
        spec=spec,
        form=form,
        brands=every,
        missing=missing,
        accounts=accounts,
        preset=_preset(spec, form),
        needs_word=_needs_word(_preset(spec, form)),
        job_id=job_id,
        watch_id=watch_id,
        prefix=_PREFIX,
        choice=lambda name, code: _choice(view, name, code),
        is_page=spec["name"] == _PAGE,
    )


def _choice(view: View, name: str, code: str) -> str:
    """What one of a parameter's choices is called."""
    pair = (KINDS if name == "kind" else _CHOICES).get(code) or KINDS.get(code)
    return view.say(*pair) if pair else code


def _minutes(seconds: float) -> str:
    minutes = seconds / 60
    return f"{minutes:g}"


@router.get("/watches/preview/{job_id}")
def preview(view: PageView, job_id: Id) -> Response:
    """How a test stands: htmx asks until it is done."""
    with view.services.database.read() as session:
        job = jobs.get(session, job_id)
    if job is None or job.kind != "preview":
        raise NotFound(f"There is no test {job_id}.")
    waited = view.now - job.created_at
    state = job.state
    if state == "pending" and waited > _NO_WORKER:
        state = "no-worker"
    elif state == "running" and waited > _TOO_LONG:
        state = "failed"
    result = job.result or {}
    items = [
        {
            **item,
            "spans": [Span(*span) for span in item["spans"]],
            "at": datetime.fromisoformat(item["published_at"]) if item["published_at"] else None,
        }
        for item in result.get("items", ())
    ]
    return view.render(
        "_preview.html" if view.is_fragment else "preview.html",
        job=job,
        state=state,
        result=result,
        items=items,
        has_brand=job.payload.get("brand_id") is not None,
        ahead=result.get("forecast"),
        units=UNITS,
        periods=PERIODS,
        fields=_fields(job.payload, items) if job.payload.get("source") == _PAGE else (),
    )


def _fields(payload: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """In how many of the items shown each field was found; ``empty`` = its selector hit nothing."""
    told = payload.get("params", {})
    rows = []
    for name, (key, title) in _FIELDS.items():
        filled = sum(item.get(key) not in (None, "") for item in items)
        rows.append(
            {
                "name": name,
                "key": key,
                "title": title,
                "selector": told.get(name),
                "filled": filled,
                "share": round(100 * filled / len(items)) if items else 0,
                "empty": bool(items) and not filled and name in told,
            }
        )
    return rows
