"""The first steps: a brand's name, a few places that need no account, and off it goes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.dashboard.forms import Form, Sent
from api.dashboard.view import PageView, View, href
from listener.collect.presets import filled
from listener.errors import ListenerError
from listener.match.query import validate_brand
from listener.store import brands, watches
from listener.types import Brand

router = APIRouter()

_TAKE, _WORD = "take.", "word."  # of the fields that choose a place and say what it needs


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere to collect from at once. ``param`` is what it needs to be told, if anything."""

    key: str
    source: str
    title: str
    told: str
    params: Mapping[str, str]
    param: str | None = None
    param_title: str = ""
    example: str = ""
    chosen: bool = False


@router.get("/start")
def start(view: PageView) -> Response:
    """The form, also for a brand that is there already."""
    chosen = {_TAKE + place.key: "yes" for place in _places(view) if place.chosen}
    return _page(view, Form(chosen))


@router.post("/start")
def begin(view: PageView, form: Sent) -> Response:
    """Make the brand (or take the one named) and its watches, all or nothing."""
    taken = [
        place
        for place in _places(view)
        if form.get(_TAKE + place.key) or (place.param and form.get(_WORD + place.key))
    ]
    if not taken:
        form.errors["take"] = view.say("한 곳은 골라 주세요.", "Choose one place at least.")
    try:
        with view.services.database.write() as work:
            brand = _brand(work.session, view, form)
            if brand is not None:
                for place in taken:
                    _watch(work.session, view, form, place, brand)
            if not form.errors:
                work.commit()
    except ListenerError as error:
        form.blame(error, view.say, place="name")
    if form.errors or brand is None:
        return _page(view, form, status=422)
    return view.go(href("/", brand=brand.id), "watch-added")


def _page(view: View, form: Form, *, status: int = 200) -> Response:
    """The first steps as a page."""
    with view.services.database.read() as session:
        every = [brand for brand in brands.listing(session) if not brand.competitor]
    return view.render(
        "start.html", status, form=form, places=list(_places(view)), brands=every, take=_TAKE,
        word=_WORD,
    )  # fmt: skip


def _brand(session: Session, view: View, form: Form) -> Brand | None:
    """The brand that was named; None with the errors in the form."""
    name = form.get("name")
    if not name:
        form.errors["name"] = view.say("브랜드 이름을 적어 주세요.", "Write the brand's name.")
        return None
    known = next((one for one in brands.listing(session) if one.name == name), None)
    if known is not None:
        return known
    hashtag = "".join(name.split())
    brand = brands.create(
        session,
        name=name,
        aliases=form.lines("aliases"),
        hashtags=[hashtag] if hashtag.replace("_", "").isalnum() else [],
        now=view.now,
    )
    for problem in validate_brand(brand):
        form.blame(problem, view.say, place="name")
    return None if form.errors else brand


def _watch(session: Session, view: View, form: Form, place: Place, brand: Brand) -> None:
    word = form.get(_WORD + place.key)
    at = _WORD + place.key
    if place.param is not None and not word:
        form.errors[at] = view.say("꼭 적어야 하는 칸입니다.", "This is needed.")
        return
    try:
        params = filled(place.params, brand.name)
        if place.param is not None:
            params[place.param] = word
        checked = view.services.wiring.check_watch(
            place.source, params, match=None, every=None, brand=brand
        )
        watches.create(
            session,
            source=place.source,
            params=checked.params,
            match=checked.match,
            every=checked.every,
            brand_id=brand.id,
            label=place.title if place.params else "",
            now=view.now,
        )
    except ListenerError as error:
        form.errors[at] = str(error)
        form.blame(error, view.say, place=at)


def _places(view: View) -> Iterator[Place]:
    """Sources that need no account, each as it is or by a preset that the brand's name fills."""
    say = view.say
    for name, spec in view.sources().items():
        for preset in spec["presets"]:
            if preset["brand"]:
                yield Place(
                    key=f"{name}.{preset['name']}",
                    source=name,
                    title=say(preset["title_ko"], preset["title"]),
                    told=say("뉴스 기사", "News articles") if name == "feed" else "",
                    params=preset["params"],
                    chosen=not any("gl=US" in value for value in preset["params"].values()),
                )
        if spec["first"]:
            yield _whole(view, name, spec)


def _whole(view: View, name: str, spec: Mapping[str, Any]) -> Place:
    schema = spec["params"]
    needed = next(iter(schema["required"]), None)
    one = schema["properties"].get(needed, {})
    return Place(
        key=name,
        source=name,
        title=view.source_name(name),
        told=view.say(*TOLD.get(name, ("", ""))),
        params={},
        param=needed,
        param_title=view.param_title(spec, needed) if needed else "",
        example=next(iter(one.get("examples") or ()), ""),
        chosen=needed is None,
    )


TOLD: dict[str, tuple[str, str]] = {
    "appstore": ("앱 리뷰와 별점", "Reviews and ratings of an app"),
    "discourse": ("디스코스 포럼의 글", "Posts of a Discourse forum"),
    "hackernews": ("개발자들의 글과 댓글", "Stories and comments of developers"),
    "mastodon": ("브랜드 해시태그가 달린 글", "Posts with the brand's hashtags"),
}
