"""Webhooks that others post to: making one, mending its mapping, and what was received."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from api.dashboard import names
from api.dashboard.forms import ANYWHERE, Form, Sent, in_words
from api.dashboard.view import PageView, View
from api.deps import MadeInbound
from api.routes.schemas import Id
from listener.errors import InvalidInput, ListenerError, NotFound
from listener.store import brands, inbound
from listener.store.inbound import State
from listener.store.tables import InboundItemRow
from listener.types import MatchMode

router = APIRouter()

_DELIVERIES = 30
_PREFIX = "f."  # of the inputs that are fields of an item
_SHOWN = 20_000  # characters of a delivery

# Fields of an item as people call them; the first are shown, the others are folded away.
FIELDS: Mapping[str, names.Pair] = {
    "text": ("본문", "Text"),
    "title": ("제목", "Title"),
    "external_id": ("고유 번호", "Id"),
    "published_at": ("작성 시각", "Written at"),
    "rating": ("점수", "Rating"),
    "rating_min": ("점수 최저", "Lowest rating"),
    "rating_max": ("점수 최고", "Highest rating"),
    "author": ("작성자", "Author"),
    "kind": ("종류", "Kind"),
}
MORE: Mapping[str, names.Pair] = {
    "url": ("주소", "Address"),
    "author_id": ("작성자 번호", "Author's id"),
    "author_name": ("작성자 이름", "Author's name"),
    "product": ("제품", "Product"),
    "product_version": ("제품 버전", "Product version"),
    "place": ("매장", "Place"),
    "touchpoint": ("접점", "Touchpoint"),
    "country": ("국가", "Country"),
    "language": ("언어", "Language"),
    "parent_id": ("윗글 번호", "Id of what it answers"),
    "thread_id": ("대화 번호", "Id of the thread"),
    "solicited": ("물어서 받은 의견", "Asked for"),
    "is_own": ("우리가 쓴 글", "Our own voice"),
    "html": ("HTML임", "Is HTML"),
    "deleted": ("삭제됨", "Was deleted"),
}
SCHEMES: Mapping[str, names.Pair] = {
    "standard": ("Standard Webhooks 서명", "Standard Webhooks"),
    "typeform": ("Typeform 서명", "Typeform's signature"),
    "github": ("X-Hub-Signature-256 서명", "X-Hub-Signature-256"),
    "zendesk": ("Zendesk 서명", "Zendesk's signature"),
    "token": ("토큰 (주소 끝이나 헤더)", "A token in the address or a header"),
}
STATES: Mapping[str, tuple[str, names.Pair]] = {
    State.WAITING: ("wait", ("기다림", "Waiting")),
    State.DONE: ("good", ("읽음", "Read")),
    State.SKIPPED: ("idle", ("대상 아님", "Not meant")),
    State.FAILED: ("bad", ("읽지 못함", "Could not be read")),
}


@router.get("/inbound")
def listing(view: PageView) -> Response:
    """All webhooks with what they received."""
    with view.services.database.read() as session:
        counted = inbound.counts(session)
        rows = inbound.listing(session)
        by_brand = {one.id: one.name for one in brands.listing(session, archived=True)}
    return view.render(
        "inbound.html", rows=rows, counted=counted, brands=by_brand, states=STATES, schemes=SCHEMES
    )


@router.get("/inbound/new")
def new(view: PageView) -> Response:
    """Choose who sends; then the form with that sender's mapping."""
    presets = view.services.wiring.inbound_presets()
    wanted = view.request.query_params.get("preset", "")
    chosen = next((one for one in presets if one["name"] == wanted), None)
    if chosen is None:
        return view.render("inbound_presets.html", presets=presets, schemes=SCHEMES)
    title = view.say(chosen["title_ko"], chosen["title"])
    values = {"name": title, "scheme": chosen["scheme"], "preset": chosen["name"]}
    return _new(view, Form({**values, **_typed(chosen["mapping"])}), chosen)


@router.post("/inbound/new")
def add(view: PageView, form: Sent) -> Response:
    """Save it; the secret is shown in the answer and never again."""
    presets = {one["name"]: one for one in view.services.wiring.inbound_presets()}
    chosen = presets.get(form.get("preset"))
    if chosen is None:
        raise NotFound("There is no such preset.")
    brand = form.get("brand")
    try:
        made = view.services.wiring.add_inbound(
            name=form.get("name")[:200],
            preset=str(chosen["name"]),
            brand_id=int(brand) if brand.isdecimal() and len(brand) < 16 else None,
            match=form.get("match") or None,
            scheme=form.get("scheme") or None,
            secret=form.get("secret") or None,
            mapping=_mapping(form),
        )
    except ListenerError as error:
        at = "name" if error.code == "conflict" else ANYWHERE
        _blame(view, form, error, at)
        return _new(view, form, chosen, status=422)
    return _one(view, made.id, None, made=made)


@router.post("/inbound/preview")
def preview(view: PageView, form: Sent) -> Response:
    """What the mapping in the form makes of the sample; asked for while it is typed."""
    return view.render("_inbound_preview.html", **_shared(), **_tried(view, form))


@router.get("/inbound/{inbound_id}")
def one(view: PageView, inbound_id: Id) -> Response:
    """One webhook: its mapping, on a sample, and what it received."""
    return _one(view, inbound_id, None)


@router.post("/inbound/{inbound_id}")
def change(view: PageView, inbound_id: Id, form: Sent) -> Response:
    """Save the mapping."""
    try:
        mapping = view.services.wiring.check_mapping(_mapping(form))
        with view.services.database.write() as work:
            inbound.change(work.session, inbound_id, mapping=dict(mapping))
            work.commit()
    except InvalidInput as error:
        _blame(view, form, error, ANYWHERE)
        return _one(view, inbound_id, form, status=422)
    return view.go(f"/inbound/{inbound_id}", "saved")


@router.post("/inbound/{inbound_id}/replay")
def replay(view: PageView, inbound_id: Id, form: Sent) -> Response:
    """Read a delivery again, or all that failed."""
    with view.services.database.write() as work:
        inbound.replay(work.session, inbound_id, delivery_id=form.get("delivery") or None)
        work.commit()
    return view.go(f"/inbound/{inbound_id}", "replayed")


@router.post("/inbound/{inbound_id}/switch")
def switch(view: PageView, inbound_id: Id, form: Sent) -> Response:
    """Take deliveries, or answer that there is no such webhook."""
    with view.services.database.write() as work:
        inbound.change(work.session, inbound_id, enabled=form.get("enabled") == "yes")
        work.commit()
    return view.go(f"/inbound/{inbound_id}", "saved")


@router.post("/inbound/{inbound_id}/remove")
def remove(view: PageView, inbound_id: Id) -> Response:
    """Remove it with its inbox; the mentions stay."""
    with view.services.database.write() as work:
        inbound.remove(work.session, inbound_id)
        work.commit()
    return view.go("/inbound", "inbound-removed")


def _new(view: View, form: Form, chosen: Mapping[str, Any], *, status: int = 200) -> Response:
    with view.services.database.read() as session:
        every = brands.listing(session)
    return view.render(
        "inbound_new.html",
        status,
        form=form,
        preset=chosen,
        brands=every,
        **_shared(),
        **_tried(view, form),
    )


def _one(
    view: View,
    inbound_id: int,
    form: Form | None,
    *,
    status: int = 200,
    made: MadeInbound | None = None,
) -> Response:
    with view.services.database.read() as session:
        row = inbound.get(session, inbound_id)
        found = inbound.deliveries(session, inbound_id, limit=_DELIVERIES)
        counted = inbound.counts(session).get(inbound_id, {})
        brand = brands.get(session, row.brand_id).name if row.brand_id else None
    if form is None:
        form = Form({**_typed(row.mapping), "sample": _sample(found)})
    return view.render(
        "inbound_one.html",
        status,
        row=row,
        brand=brand,
        match_all=row.match == MatchMode.ALL,
        address=view.services.wiring.inbound_address(row.public_id),
        deliveries=found,
        counted=counted,
        form=form,
        made=made,
        **_shared(),
        **_tried(view, form),
    )


def _shared() -> dict[str, Any]:
    return {
        "fields": FIELDS,
        "more": MORE,
        "prefix": _PREFIX,
        "schemes": SCHEMES,
        "states": STATES,
    }


def _sample(found: Any) -> str:
    """What to try the mapping on: the latest delivery, one that failed first."""
    rows: list[InboundItemRow] = sorted(found, key=lambda row: row.state != State.FAILED)
    return rows[0].body[:_SHOWN].decode("utf-8", "replace") if rows else ""


def _tried(view: View, form: Form) -> dict[str, Any]:
    """The sample as the mapping reads it."""
    sample = form.values.get("sample", "")
    told: dict[str, Any] = {"tried": None, "trouble": "", "given": bool(sample)}
    if sample:
        kind = "application/json" if sample.lstrip()[:1] in ("{", "[") else "text/plain"
        try:
            told["tried"] = view.services.wiring.preview_inbound(
                _mapping(form), sample.encode("utf-8", "replace"), kind
            )
        except ListenerError as error:
            told["trouble"] = str(error)
    return told


def _typed(mapping: Mapping[str, Any]) -> dict[str, str]:
    return {
        "items": mapping.get("items", ""),
        "when": mapping.get("when", ""),
        **{_PREFIX + name: path for name, path in mapping["fields"].items()},
    }


def _mapping(form: Form) -> dict[str, Any]:
    return {
        "items": form.get("items"),
        "when": form.get("when"),
        "fields": {
            name: form.get(_PREFIX + name) for name in (*FIELDS, *MORE) if form.get(_PREFIX + name)
        },
    }


def _blame(view: View, form: Form, error: ListenerError, place: str) -> None:
    """Beside its field; what is wrong with a path is told in full, in either language."""
    at = place
    if isinstance(error, InvalidInput) and error.field:
        known = error.field in FIELDS or error.field in MORE
        at = _PREFIX + error.field if known else error.field
        if at in ("mapping", "items", "when") or known:
            form.errors.setdefault(at if at != "mapping" else ANYWHERE, str(error))
            return
    form.errors.setdefault(at, in_words(error, view.say))
