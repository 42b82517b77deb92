"""Brands: the words they are known by, with a try on what is stored before anything is saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.dashboard.forms import Form, Sent
from api.dashboard.view import PageView, View, href
from api.routes.schemas import Id
from listener.errors import ListenerError
from listener.match.matcher import Matcher
from listener.match.query import validate_brand
from listener.store import brands
from listener.store.tables import BrandRow, MatchRow, MentionRow, RuleRow, WatchRow
from listener.types import Brand, Kind, Mention, Span

router = APIRouter()

LISTS = ("aliases", "hashtags", "handles", "any_terms", "all_terms", "none_terms")
_TRIED = 1_000  # of the newest mentions
_EXAMPLES = 8


@dataclass(frozen=True, slots=True)
class Shown:
    """A brand in the list."""

    brand: Brand
    archived: bool
    mentions: int
    watches: int
    rules: int


@router.get("/brands")
def listing(view: PageView) -> Response:
    """All brands, archived ones last."""
    with view.services.database.read() as session:
        rows = session.scalars(select(BrandRow).order_by(BrandRow.competitor, BrandRow.name)).all()
        counted = {
            brand_id: count
            for brand_id, count in session.execute(
                select(MatchRow.brand_id, func.count()).group_by(MatchRow.brand_id)
            )
        }
        watched = {
            brand_id: count
            for brand_id, count in session.execute(
                select(WatchRow.brand_id, func.count())
                .where(WatchRow.deleted_at.is_(None))
                .group_by(WatchRow.brand_id)
            )
        }
        ruled = {
            brand_id: count
            for brand_id, count in session.execute(
                select(RuleRow.brand_id, func.count())
                .where(RuleRow.enabled.is_(True))
                .group_by(RuleRow.brand_id)
            )
        }
        found = [
            Shown(
                brands.from_row(row),
                row.archived_at is not None,
                counted.get(row.id, 0),
                watched.get(row.id, 0),
                ruled.get(row.id, 0),
            )
            for row in rows
        ]
    found.sort(key=lambda one: one.archived)
    return view.render("brands.html", found=found)


@router.get("/brands/new")
def new(view: PageView) -> Response:
    """An empty form."""
    return _form(view, Form(), None)


@router.post("/brands/new")
def add(view: PageView, form: Sent) -> Response:
    """Try the words, or save them."""
    if form.get("action") == "try":
        return _try(view, form, None)
    try:
        with view.services.database.write() as work:
            brand = brands.create(work.session, **_typed(form), now=view.now)
            if _check(view, form, brand):
                work.commit()
    except ListenerError as error:
        form.blame(error, view.say, place="name")
    if form.errors:
        return _form(view, form, None, status=422)
    return view.go(href("/watches/new", brand=brand.id), "brand-added")


@router.get("/brands/{brand_id}")
def edit(view: PageView, brand_id: Id) -> Response:
    """The form of a brand."""
    with view.services.database.read() as session:
        brand = brands.get(session, brand_id)
    values = {name: "\n".join(getattr(brand, name)) for name in LISTS}
    values |= {"name": brand.name, "competitor": "yes" if brand.competitor else ""}
    return _form(view, Form(values), brand)


@router.post("/brands/{brand_id}")
def change(view: PageView, brand_id: Id, form: Sent) -> Response:
    """Try the words, or save them."""
    with view.services.database.read() as session:
        old = brands.get(session, brand_id)
    if form.get("action") == "try":
        return _try(view, form, old)
    try:
        with view.services.database.write() as work:
            brand = brands.update(work.session, brand_id, **_typed(form))
            if _check(view, form, brand):
                work.commit()
    except ListenerError as error:
        form.blame(error, view.say, place="name")
    if form.errors:
        return _form(view, form, old, status=422)
    return view.go("/brands", "saved")


@router.post("/brands/{brand_id}/archive")
def archive(view: PageView, brand_id: Id) -> Response:
    """Stop matching it; what was found stays."""
    with view.services.database.write() as work:
        brands.archive(work.session, brand_id, now=view.now)
        work.commit()
    return view.go("/brands", "brand-archived")


@router.post("/brands/{brand_id}/restore")
def restore(view: PageView, brand_id: Id) -> Response:
    """Match it again."""
    with view.services.database.write() as work:
        brands.restore(work.session, brand_id)
        work.commit()
    return view.go("/brands", "brand-restored")


def _typed(form: Form) -> dict[str, Any]:
    lists: dict[str, Any] = {name: form.lines(name) for name in LISTS}
    return lists | {"name": form.get("name"), "competitor": form.get("competitor") == "yes"}


def _check(view: View, form: Form, brand: Brand) -> bool:
    for problem in validate_brand(brand):
        form.blame(problem, view.say)
    return not form.errors


def _form(
    view: View,
    form: Form,
    brand: Brand | None,
    *,
    status: int = 200,
    tried: Tried | None = None,
) -> Response:
    return view.render("brand.html", status, form=form, brand=brand, tried=tried)


# --- trying --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hit:
    """A stored mention that the words would find."""

    id: int
    source: str
    event_at: datetime
    title: str | None
    text: str
    spans: Sequence[Span]
    is_new: bool  # it does not belong to the brand so far


@dataclass(frozen=True, slots=True)
class Tried:
    """What the words would find."""

    looked_at: int
    found: int
    gained: int
    lost: int
    hits: Sequence[Hit]


def _try(view: View, form: Form, old: Brand | None) -> Response:
    typed = _typed(form)
    brand = Brand(
        id=old.id if old else 0,
        name=typed["name"],
        competitor=typed["competitor"],
        **{
            name: tuple(
                word.lstrip({"hashtags": "#＃", "handles": "@＠"}.get(name, ""))
                for word in typed[name]
            )
            for name in LISTS
        },
    )
    if not brand.name:
        form.errors["name"] = view.say("이름을 적어 주세요.", "Write a name.")
    _check(view, form, brand)
    if form.errors:
        return _form(view, form, old, status=422)
    with view.services.database.read() as session:
        tried = _tried(session, brand)
    return _form(view, form, old, tried=tried)


def _tried(session: Session, brand: Brand) -> Tried:
    matcher = Matcher((brand,))
    rows = session.execute(
        select(
            MentionRow.id,
            MentionRow.source,
            MentionRow.namespace,
            MentionRow.external_id,
            MentionRow.event_at,
            MentionRow.title,
            MentionRow.text,
            MatchRow.origin,
        )
        .outerjoin(
            MatchRow, (MatchRow.mention_id == MentionRow.id) & (MatchRow.brand_id == brand.id)
        )
        .order_by(MentionRow.id.desc())
        .limit(_TRIED)
    ).all()
    hits: list[Hit] = []
    gained = lost = 0
    for row in rows:
        mention = Mention(
            source=row.source,
            namespace=row.namespace,
            external_id=row.external_id,
            kind=Kind.POST,
            title=row.title,
            text=row.text,
            content_hash="",
        )
        matches = matcher.match(mention)
        if matches:
            is_new = row.origin is None
            gained += is_new
            hits.append(
                Hit(row.id, row.source, row.event_at, row.title, row.text, matches[0].spans, is_new)
            )
        elif row.origin == "term":
            lost += 1
    hits.sort(key=lambda hit: not hit.is_new)
    return Tried(len(rows), len(hits), gained, lost, hits[:_EXAMPLES])
