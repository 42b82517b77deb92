"""The mention filter of the pages: from the address to a MentionFilter and back into words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from fastapi import Request
from pydantic import ValidationError
from sqlalchemy.orm import Session

from api.dashboard import names
from api.dashboard.i18n import Speaker
from api.dashboard.view import View, href
from api.routes.mentions import FilterQuery, to_filter
from listener.errors import InvalidInput
from listener.store.feed import MentionFilter
from listener.types import Brand

# Parameters of the filter, in the order of the form; the same as those of the API and the feeds.
PARAMETERS = (
    *("q", "brand", "source", "kind", "language", "sentiment", "complaint", "topic", "tag"),
    *("rating_gte", "rating_lte", "since", "until", "author", "watch"),
    *("flagged", "story", "product", "version", "country", "place"),
    *("rated", "low_rating", "own", "once"),
)
_LISTS = frozenset({"source", "kind", "language", "sentiment", "topic", "tag", "country"})
_WORDS: Mapping[str, tuple[str, str, str, str]] = {  # if true, and if not
    "complaint": ("불만", "complaints", "불만 아님", "no complaints"),
    "flagged": (
        *("협찬·홍보·반복 글만", "sponsored, promotional, repeated"),
        *("협찬·홍보·반복 글 빼고", "no sponsored, promotional, repeated"),
    ),
    "rated": ("별점 있는 글", "rated", "별점 없는 글", "not rated"),
    "low_rating": ("낮은 별점", "low ratings", "낮은 별점 빼고", "no low ratings"),
    "own": ("브랜드가 쓴 글", "by the brand itself", "브랜드가 쓴 글 빼고", "not by the brand"),
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the address asks for. ``given`` is as typed; ``wanted`` None = it cannot be used."""

    given: Mapping[str, str]
    wanted: MentionFilter | None
    errors: Mapping[str, str] = field(default_factory=dict)
    told: Mapping[str, str] = field(default_factory=dict)  # the same for API and feeds

    @property
    def brand_id(self) -> int | None:
        """The brand, where one is chosen."""
        return self.wanted.brand_id if self.wanted else None


def read_filter(session: Session, view: View) -> Chosen:
    """The filter in the address; each error under the name of its parameter."""
    given = _given(view.request)
    told: dict[str, str] = {}
    errors: dict[str, str] = {}
    for name, value in given.items():
        if name in ("since", "until"):
            at = _time(view, value, ends=name == "until")
            if at is None:
                errors[name] = view.say(
                    "날짜를 2026-11-21처럼 적어 주세요.", "Write a date like 2026-11-21."
                )
            else:
                told[name] = view.say.iso(at)
        else:
            told[name] = value
    wanted = None
    try:
        query = FilterQuery.model_validate(told)
        shows_names = not view.services.settings.hash_authors
        wanted = to_filter(session, query, names=shows_names)
    except ValidationError as error:
        for one in error.errors():
            name = str(one["loc"][0])
            errors[name] = _complaint(view, name)
    except InvalidInput as error:
        errors[error.field or "q"] = _complaint(view, error.field or "q")
    return Chosen(given, None if errors else wanted, errors, told)


def _given(request: Request) -> dict[str, str]:
    query = request.query_params
    found = {}
    for name in PARAMETERS:
        values = [value.strip() for value in query.getlist(name) if value.strip()]
        if values:
            text = ",".join(values) if name in _LISTS else values[-1]
            found[name] = text.replace("\0", "")
    return found


def _time(view: View, text: str, *, ends: bool) -> datetime | None:
    """A time with its zone, or a day of the workspace (``until`` takes all of that day)."""
    try:
        if len(text) == 10:
            day = date.fromisoformat(text) + timedelta(days=ends)
            return datetime.combine(day, time(), view.say.tz)
        at = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=view.say.tz)


def _complaint(view: View, name: str) -> str:
    if name in ("rating_gte", "rating_lte"):
        return view.say("숫자를 적어 주세요. 예: 2", "Write a number, such as 2.")
    if name == "q":
        return view.say("검색어는 200자까지입니다.", "At most 200 characters.")
    if name == "brand":
        return view.say(
            "없는 브랜드입니다. 목록에서 고르세요.", "There is no such brand; choose one."
        )
    return view.say(
        "이 값은 쓸 수 없습니다. 목록에서 고르세요.", "This cannot be used; choose one."
    )


def day_of(view: View, text: str | None, *, ends: bool = False) -> str:
    """What a date field shows of a parameter."""
    if not text:
        return ""
    at = _time(view, text, ends=ends)
    if at is None:
        return text
    local = view.say.local(at)
    return str((local - timedelta(microseconds=1)).date() if ends else local.date())


@dataclass(frozen=True, slots=True)
class TagChoice:
    """One taxonomy in the form: its tags as (value, name), and the value that is chosen."""

    key: str
    name: str
    options: Sequence[tuple[str, str]]
    chosen: str


def tag_choices(view: View, chosen: Chosen) -> list[TagChoice]:
    """The tags of the form by taxonomy. What the form does not offer stays chosen as it is."""
    wanted = [tag for tag in chosen.given.get("tag", "").split(",") if tag]
    groups = {key: list(tags) for key, tags in view.terms.tags.items()}
    for tag in wanted:
        kept = groups.setdefault(tag.partition(":")[0], [])
        if tag not in kept:
            kept.append(tag)
    found = []
    for key, tags in groups.items():
        options = [(tag, view.tag_name(tag)) for tag in tags]
        own = [tag for tag in wanted if tag in tags]
        if len(own) > 1:
            options.append((",".join(own), ", ".join(view.tag_name(tag) for tag in own)))
        if options:
            found.append(TagChoice(key, view.taxonomy_name(key), options, ",".join(own)))
    return found


@dataclass(frozen=True, slots=True)
class Token:
    """One condition in words, and the address without it."""

    text: str
    url: str


def tokens(view: View, chosen: Chosen, brands: Mapping[str, Brand]) -> Iterator[Token]:
    """The filter in words."""
    say = view.say
    for name, value in chosen.given.items():
        parts = value.split(",") if name in _LISTS else [value]
        for part in parts:
            rest = ",".join(other for other in parts if other != part) or None
            yield Token(_words(view, say, name, part, brands), _without(view, chosen, name, rest))


def _words(view: View, say: Speaker, name: str, value: str, brands: Mapping[str, Brand]) -> str:
    tables: Mapping[str, Mapping[str, names.Pair]] = {
        "kind": names.KINDS,
        "language": names.LANGUAGES,
        "sentiment": names.LABELS,
    }
    if name in tables:
        return view.name(tables[name], value)
    if name == "topic":
        return view.topic_name(value)
    if name == "tag":
        return view.tag_name(value)
    if name == "source":
        return view.source_name(value)
    if name == "brand":
        return brands[value].name if value in brands else value
    if name in _WORDS:
        return say(*_WORDS[name][:2]) if value == "true" else say(*_WORDS[name][2:])
    if name in ("since", "until"):
        at = _time(view, value, ends=False)
        told = value if at is None or len(value) == 10 else say.when(at)
        return (
            say("{x}부터", "from {x}", x=told)
            if name == "since"
            else say("{x}까지", "until {x}", x=told)
        )
    if name == "rating_gte":
        return say("별점 {x} 이상", "rating ≥ {x}", x=value)
    if name == "rating_lte":
        return say("별점 {x} 이하", "rating ≤ {x}", x=value)
    if name == "author":
        return say("작성자 {x}", "by {x}", x=say.writer(value))
    if name == "once":
        return (
            say("같은 글은 첫 글만", "first copies only")
            if value == "story"
            else say("작성자마다 하루 첫 글만", "each author's first of the day")
        )
    if name == "product":
        return say("상품 {x}", "product {x}", x=value)
    if name == "version":
        return say("버전 {x}", "version {x}", x=value)
    if name in ("country", "place"):
        return say("지역 {x}", "in {x}", x=value)
    if name == "story":
        return say("같은 글 묶음 #{x}", "copies of story #{x}", x=value)
    if name == "watch":
        return say("수집 #{x}", "watch #{x}", x=value)
    return f"“{value}”"


def _without(view: View, chosen: Chosen, name: str, rest: str | None) -> str:
    return href("/mentions", **({**chosen.given, name: rest}))
