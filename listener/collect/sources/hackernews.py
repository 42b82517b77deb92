"""Hacker News through Algolia's search: stories and comments that name a word, without a key."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from listener.collect.base import Mark, Page, Parsed, Poller, Position, Request, is_own, param
from listener.errors import InvalidInput
from listener.text import clean, search_query, search_tokens
from listener.types import (
    Brand,
    Engagement,
    Kept,
    Kind,
    Param,
    RawAuthor,
    RawItem,
    SourceSpec,
    Watch,
)

API = "https://hn.algolia.com"
HOME = "https://news.ycombinator.com"  # where people read what the API finds
MOST = 1000  # hits a query, whatever the page
USUAL = 100  # enough between two polls; what is more is asked for by the thousand
_TAGS = {"both": "(story,comment)", "story": "story", "comment": "comment"}


class HackerNews(Poller):
    """Stories and comments that contain a word, newest first, each word a lane of its own.

    Algolia shows at most a thousand hits of a query, so a walk does not turn pages: the next query
    asks for what is older than the last hit. Typos and word parts that Algolia takes for a match
    are dropped here.
    """

    lookback = timedelta(minutes=15)  # comments are indexed late at times
    refresh_size = 50
    spec = SourceSpec(
        name="hackernews",
        title="Hacker News",
        title_ko="해커 뉴스",
        every=timedelta(minutes=10),
        kind=Kind.POST,
        base_url=API,
        needs_brand=True,
        first=True,
        languages=("en",),
        params=(
            Param(
                name="query",
                title="Search words",
                title_ko="검색어",
                example="Nuri Market",
                help="비우면 브랜드의 이름과 별칭으로 찾습니다. 쉼표로 여러 개를 적을 수 있습니다."
                ' Left out: the brand\'s names. Several are separated by commas; "a phrase" and'
                " -word are understood.",
            ),
            Param(
                name="kinds",
                title="What to collect",
                title_ko="수집 대상",
                choices=("both", "story", "comment"),
                default="both",
                example="both",
                help="글(story)과 댓글(comment) 중 무엇을 모을지 고릅니다."
                " Stories, comments or both.",
            ),
        ),
        cost="무료, 가입이나 키가 필요 없습니다. Free, without a key.",
        limits="검색어마다 한 번에 최대 1,000건, IP당 시간당 10,000회."
        " A thousand hits a query, 10,000 requests an hour and address.",
        terms="Algolia가 제공하는 공개 검색 API입니다. A public API by Algolia.",
    )

    def lanes(self, watch: Watch) -> Sequence[str]:
        """The queries of the watch: those that were given, else the brand's words."""
        return _queries(param(watch, self.spec, "query"), watch.brand) or ("",)

    def request(self, watch: Watch, at: Position) -> Request:
        """Ask for what is newer than the mark and older than the last hit so far."""
        if not at.lane:
            raise InvalidInput(
                "Hacker News needs search words, or a brand to take them from.", field="query"
            )
        since = _since(at, self.lookback, self.net.settings.history_days)
        until = f",created_at_i<{int(at.token)}" if at.token else ""
        return Request(
            url=f"{_base(watch)}/api/v1/search_by_date",
            params={
                "query": _query(watch, self.spec, at.lane),
                "tags": _TAGS[param(watch, self.spec, "kinds")],
                "numericFilters": f"created_at_i>={since}{until}",
                "hitsPerPage": USUAL if at.first and at.above else MOST,
                "advancedSyntax": "true",
                "typoTolerance": "false",
            },
            expect="json",
        )

    def parse(self, page: Page, watch: Watch, at: Position) -> Parsed:
        """Read the hits; the marks are of all of them, the items only of those that fit."""
        answer = page.json
        hits = answer["hits"]
        marks = [Mark(str(hit["objectID"]), _time(hit)) for hit in hits]
        if at.token and marks and _at(max(marks, key=_at)).timestamp() >= int(at.token):
            return Parsed(items=(), reached=False)  # a server that does not know the filter
        next_page = _next_page(answer, marks, at)
        said, brand = _said(at.lane), watch.brand
        notices: tuple[str, ...] = ()
        if at.first and at.above is None and answer.get("nbHits"):
            notices = (f"Hacker News has {answer['nbHits']:,} hits for {at.lane}.",)
        fitting = tuple(_item(hit, brand) for hit in hits if _fits(hit, at.lane, said))
        if hits and not fitting:
            notices += (f"None of {len(hits)} hits has the words of {at.lane}: left out.",)
        return Parsed(
            items=fitting,
            next_page=next_page,
            # Only what is newer than the mark was asked for, so the end is the way down to it.
            reached=True if next_page is None else None,
            newest=max(marks, key=_at, default=None),
            oldest=min(marks, key=_at, default=None),
            notices=notices,
        )

    def ask_again(self, watch: Watch, items: Sequence[Kept], now: datetime) -> Request:
        """Ask for stored stories and comments by their ids."""
        wanted = " OR ".join(f"objectID:{item.external_id}" for item in items)
        return Request(
            url=f"{_base(watch)}/api/v1/search_by_date",
            params={"tags": _TAGS["both"], "filters": wanted, "hitsPerPage": self.refresh_size},
            expect="json",
        )

    def read_again(self, page: Page, watch: Watch, items: Sequence[Kept]) -> Parsed:
        """The items as they are; what is no longer in the index was deleted or flagged."""
        found = {str(hit["objectID"]): hit for hit in page.json["hits"]}
        wanted = {item.external_id for item in items}
        if not found or not found.keys() <= wanted:
            return Parsed(items=())  # an empty index or a filter that was not obeyed says nothing
        gone = (
            RawItem(external_id=item.external_id, text="", deleted=True)
            for item in items
            if item.external_id not in found
        )
        return Parsed(items=(*(_item(hit, watch.brand) for hit in found.values()), *gone))


def _queries(given: str, brand: Brand | None) -> tuple[str, ...]:
    """The searches that bring all there is of a watch: one that another covers is left out."""
    if given:
        return tuple(dict.fromkeys(word.strip() for word in given.split(",") if word.strip()))
    if brand is None:
        return ()
    words = (brand.name, *brand.aliases, *brand.any_terms, *brand.hashtags)
    typed: dict[str, str] = {}
    for word in words:
        plain = " ".join(word.lstrip("#").replace('"', " ").split())
        if plain:
            typed.setdefault(plain.casefold(), plain)
    return tuple(
        word
        for key, word in typed.items()
        if not any(f" {other} " in f" {key} " for other in typed if other != key)
    )


def _query(watch: Watch, spec: SourceSpec, lane: str) -> str:
    """What Algolia is asked: an own query as it is, a brand's words as one phrase."""
    return lane if param(watch, spec, "query") else f'"{lane}"'


def _since(at: Position, lookback: timedelta, history_days: int) -> int:
    if at.above and at.above.at:
        return int((at.above.at - lookback).timestamp())
    return int((at.now - timedelta(days=history_days)).timestamp())


def _next_page(answer: Mapping[str, Any], marks: Sequence[Mark], at: Position) -> str | None:
    """Below which second to go on, or None at the end of the hits."""
    asked = int(at.token) if at.token else None
    seconds = [int(_at(mark).timestamp()) for mark in marks]
    if not seconds or int(answer.get("nbHits", len(marks))) <= len(marks):
        return None
    below = min(seconds) + 1  # others of that second may have been cut off
    return str(below if asked is None or below < asked else asked - 1)


_SEARCHED = ("title", "url", "story_text", "comment_text", "story_title", "story_url")


def _said(query: str) -> re.Pattern[str]:
    """The query as it stands, as whole words: most hits have it like that."""
    words = query.replace('"', " ").split()
    return re.compile(rf"(?<!\w){re.escape(' '.join(words))}(?!\w)", re.IGNORECASE)


def _fits(hit: Mapping[str, Any], query: str, said: re.Pattern[str]) -> bool:
    """Whether the hit has all the words that were asked for, in whatever Algolia searches."""
    texts = [hit.get(name) or "" for name in _SEARCHED]
    if any(map(said.search, texts)):
        return True
    text = " ".join(clean(one, html=True) for one in texts)
    if not text.strip():
        return False  # deleted, and still in the index
    tokens = search_tokens(text)
    known = set(tokens)
    wanted = " ".join(word for word in query.replace('"', " ").split() if word[0] != "-")
    return all(
        any(token.startswith(word[:-1]) for token in known) if word.endswith("*") else word in known
        for phrase in search_query(wanted)
        for word in phrase
    )


def _item(hit: Mapping[str, Any], brand: Brand | None) -> RawItem:
    item_id, author = str(hit["objectID"]), hit.get("author") or ""
    comment = hit.get("comment_text") is not None or "comment" in (hit.get("_tags") or ())
    story_id, parent_id = hit.get("story_id"), hit.get("parent_id")
    return RawItem(
        external_id=item_id,
        kind=Kind.COMMENT if comment else Kind.POST,
        url=f"{HOME}/item?id={item_id}",
        title=hit.get("title") or hit.get("story_title") or None,
        text=hit.get("comment_text") or hit.get("story_text") or "",
        html=True,
        author=RawAuthor(native_id=author, handle=author, url=f"{HOME}/user?id={author}")
        if author
        else None,
        published_at=_time(hit),
        parent_id=str(parent_id) if parent_id is not None else None,
        thread_id=str(story_id) if story_id is not None else item_id if not comment else None,
        is_own=is_own(brand, author),
        engagement=Engagement(likes=hit.get("points"), replies=hit.get("num_comments")),
        raw={name: value for name, value in hit.items() if name != "_highlightResult"},
    )


def _time(hit: Mapping[str, Any]) -> datetime:
    if hit.get("created_at_i") is not None:
        return datetime.fromtimestamp(int(hit["created_at_i"]), UTC)
    return datetime.fromisoformat(hit["created_at"]).astimezone(UTC)


def _at(mark: Mark) -> datetime:
    return mark.at or datetime.min.replace(tzinfo=UTC)


def _base(watch: Watch) -> str:
    return (watch.connection.base_url or API).rstrip("/")
