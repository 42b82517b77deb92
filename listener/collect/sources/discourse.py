"""Discourse forums: every public post of a forum, newest first, or what its search finds."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlsplit

from listener.collect.base import Mark, Page, Parsed, Poller, Position, Request, is_own, param
from listener.errors import AuthRejected, Blocked, InvalidInput, LayoutChanged, SourceError
from listener.net.retry import classify
from listener.types import (
    Credential,
    Engagement,
    Kept,
    Kind,
    Param,
    RawAuthor,
    RawItem,
    SourceSpec,
    Watch,
)

POSTS = 50  # posts on a page; older versions show those of the 50 ids below ``before``
MAX_EMPTY = 2  # empty pages in a row that end a first walk
SEARCH_PAGES = 10  # a search shows no more
_LIKE = 2  # the id of "like" among a post's actions
_SMALL_ACTION = 3  # "closed this topic" and the like: nobody wrote it
_RETRY_POSTS = timedelta(days=1)
_QUOTE = re.compile(
    r"<aside\b[^>]*\bclass=\"quote[^>]*>(?:(?!<aside\b).)*?</aside>", re.DOTALL | re.IGNORECASE
)


class Discourse(Poller):
    """Posts of one forum.

    ``/posts.json`` has every public post by id, so it is the usual way. Forums that keep it shut
    are read by their topics; with a search word the forum's own search is asked.
    """

    conditional = True
    refresh_size: ClassVar[int] = 1
    spec = SourceSpec(
        name="discourse",
        title="Discourse forum",
        title_ko="디스코스 포럼",
        every=timedelta(minutes=10),
        kind=Kind.POST,
        first=True,
        params=(
            Param(
                name="url",
                title="Address of the forum",
                title_ko="포럼 주소",
                kind="url",
                required=True,
                example="https://meta.discourse.org",
                help="포럼 첫 화면의 주소입니다. 하위 폴더가 있으면 함께 적습니다."
                " The forum's front page, with its folder if it has one.",
            ),
            Param(
                name="query",
                title="Search words",
                title_ko="검색어",
                example="누리마켓",
                help="비우면 모든 공개 글을 읽고 브랜드 이름은 여기서 찾습니다. 적으면 포럼의 검색"
                " 결과를 발췌문으로만 가져옵니다. Left out: all public posts, matched here. Given:"
                " the forum's own search, which shows excerpts only.",
            ),
        ),
        credentials=(
            Credential(
                name="api_key",
                title="API key",
                required=False,
                help="로그인이 필요한 포럼에만 필요합니다. For forums behind a login only.",
            ),
            Credential(
                name="api_username",
                title="API user name",
                required=False,
                help="API 키로 읽을 사용자 이름입니다. The user as whom the key reads.",
            ),
        ),
        cost="무료. Free.",
        limits="포럼이 정한 한도(보통 IP당 분당 200회)를 따르고, 기다리라면 기다립니다."
        " The forum's own limits, often 200 requests a minute; waits are obeyed.",
        terms="포럼마다 이용 약관이 다릅니다. Each forum has terms of its own.",
        signup="포럼 관리자의 API 화면 (/admin/api/keys). The forum's administrator.",
    )

    def request(self, watch: Watch, at: Position) -> Request:
        """Ask for the newest posts, those below an id, or a page of topics or of a search."""
        way, place, _ = _place(at.token or self._way(watch, at))
        if way == "search":
            params: dict[str, str | int | None] = {
                "q": f"{param(watch, self.spec, 'query')} order:latest",
                "page": place or None,
            }
            return self._request(watch, "/search.json", params)
        if way == "latest":
            return self._request(watch, "/latest.json", {"order": "created", "page": place or None})
        return replace(
            self._request(watch, "/posts.json", {"before": place or None}),
            accept=frozenset({403, 404}) if at.first else frozenset(),
        )

    def load(self, watch: Watch, at: Position, validators: Mapping[str, Mapping[str, str]]) -> Page:
        """Get one page; where the forum shows no posts, its topics instead."""
        page = super().load(watch, at, validators)
        if page.status not in (403, 404):
            return page
        _refuse(page, bare_404=True)
        mode = {"mode": "latest", "since": at.now.isoformat()}
        try:
            topics = super().load(watch, replace(at, memory={**at.memory, **mode}), {})
        except SourceError as error:
            error.requests += page.requests
            raise
        return replace(topics, requests=page.requests + topics.requests)

    def parse(self, page: Page, watch: Watch, at: Position) -> Parsed:
        """Read the posts, the topics or what was found."""
        answer = page.json
        if "latest_posts" in answer:
            return self._posts(answer["latest_posts"], watch, at)
        if "topic_list" in answer:
            return self._topics(answer, watch, at)
        if "grouped_search_result" in answer or "posts" in answer:
            return self._found(answer, watch, at)
        raise LayoutChanged(
            "This is no answer of a Discourse forum.",
            hint="Check the address of the forum.",
            status=page.status,
        )

    def ask_again(self, watch: Watch, items: Sequence[Kept], now: datetime) -> Request:
        """Ask for a stored post, or topic, by its id."""
        name = items[0].external_id
        path = f"/t/{name[1:]}.json" if name.startswith("t") else f"/posts/{name}.json"
        return replace(self._request(watch, path, {}), accept=frozenset({403, 404, 410}))

    def read_again(self, page: Page, watch: Watch, items: Sequence[Kept]) -> Parsed:
        """Only that a post is gone: alone it comes without its topic's title."""
        if page.status != 200:
            _refuse(page, bare_404=False)
        elif not _is_gone(page.json):
            return Parsed(items=())
        return Parsed(items=tuple(_gone(item.external_id, item.namespace) for item in items))

    def _way(self, watch: Watch, at: Position) -> str:
        if param(watch, self.spec, "query"):
            return "search"
        since = at.memory.get("since")
        shut = at.memory.get("mode") == "latest" and since
        fresh = shut and datetime.fromisoformat(str(since)) > at.now - _RETRY_POSTS
        return "latest" if fresh else "posts"

    def _request(self, watch: Watch, path: str, params: Mapping[str, str | int | None]) -> Request:
        given = {
            header: watch.connection.credentials.get(name, "").strip()
            for header, name in (("Api-Key", "api_key"), ("Api-Username", "api_username"))
        }
        headers = {header: value for header, value in given.items() if value}
        url = f"{_server(watch)}{path}"
        return Request(url=url, params=params, headers=headers, expect="json")

    def _posts(self, rows: Sequence[Mapping[str, Any]], watch: Watch, at: Position) -> Parsed:
        rows = sorted(rows, key=lambda row: int(row["id"]), reverse=True)
        _, before, empty = _place(at.token)
        if before and rows and int(rows[0]["id"]) > before:
            return Parsed(items=(), reached=False)  # a server that does not know ``before``
        next_page = _below(rows, before, empty, at)
        marks = [Mark(str(row["id"]), _time(row["created_at"])) for row in rows]
        return Parsed(
            items=tuple(_posts(rows, watch)),
            next_page=next_page,
            reached=_comes_down(marks, at, next_page),
            newest=marks[0] if marks else None,
            oldest=marks[-1] if marks else None,
            keep={"mode": "posts"},
        )

    def _topics(self, answer: Mapping[str, Any], watch: Watch, at: Position) -> Parsed:
        listed = answer["topic_list"]
        names = {user["id"]: user for user in answer.get("users") or ()}
        items = [_topic(row, names, watch) for row in listed["topics"]]
        items.sort(key=lambda item: item.published_at or at.now, reverse=True)
        page = _place(at.token)[1]
        more = listed.get("more_topics_url") and items
        tried = {"since": at.now.isoformat()} if self._way(watch, at) == "posts" else {}
        return Parsed(
            items=tuple(items),
            next_page=f"latest:{page + 1}" if more else None,
            notices=("The forum does not list its posts: topics without their replies.",)
            if at.first
            else (),
            keep={"mode": "latest", **tried},
        )

    def _found(self, answer: Mapping[str, Any], watch: Watch, at: Position) -> Parsed:
        topics = {topic["id"]: topic for topic in answer.get("topics") or ()}
        rows = []
        for row in answer.get("posts") or ():
            topic = topics.get(row["topic_id"], {})
            told = {"topic_slug": topic.get("slug"), "topic_title": topic.get("title")}
            rows.append({**told, **row, "cooked": row.get("cooked") or row["blurb"]})
        page = _place(at.token)[1] or 1
        told = answer.get("grouped_search_result") or {}
        if told.get("error"):
            raise InvalidInput(f"The forum's search says: {told['error']}", field="query")
        more = bool(told.get("more_full_page_results")) and bool(rows)
        deeper = more and page < SEARCH_PAGES
        return Parsed(
            items=tuple(_posts(rows, watch)),
            next_page=f"search:{page + 1}" if deeper else None,
            # A search that ends has shown all; one that is cut off at its last page may not have.
            reached=None if more else True,
        )


def _server(watch: Watch) -> str:
    """Where to ask: the forum, or its folder on the server of the connection."""
    given = _forum(watch)
    base = watch.connection.base_url
    return base.rstrip("/") + urlsplit(given).path if base else given


def _forum(watch: Watch) -> str:
    """The forum's address as people know it, without a slash at the end. Raises InvalidInput."""
    url = watch.params.get("url", "")
    if not url:
        raise InvalidInput("The watch has no forum address.", field="url")
    parts = urlsplit(url if "://" in url else f"https://{url}")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"


def _namespace(watch: Watch) -> str:
    """Ids count within the forum: its host, with the folder where it has one."""
    return _forum(watch).partition("://")[2].lower()


def _place(token: str | None) -> tuple[str, int, int]:
    """A token's parts: the way, below which id (or which page), after how many empty pages."""
    way, _, rest = (token or "posts").partition(":")
    place, _, empty = rest.partition(":")
    return way, int(place or 0), int(empty or 0)


def _below(rows: Sequence[Mapping[str, Any]], before: int, empty: int, at: Position) -> str | None:
    """Where to go on below a page.

    Some versions include ``before``, others do not, and old ones show only those of the 50 ids
    below it that are public, which may be none: then the next 50 are asked for, down to the mark,
    or a few times where there is none.
    """
    lowest = int(rows[-1]["id"]) if rows else 0
    if lowest and (lowest < before or not before):
        return f"posts:{lowest}" if lowest > 1 else None
    known = _number(at.above)
    following = before - POSTS
    if not before or following <= known or (not known and empty + 1 >= MAX_EMPTY):
        return None
    return f"posts:{following}:{empty + 1}"


def _number(mark: Mark | None) -> int:
    """The id of a post that is known already; 0 = none, or a topic."""
    return int(mark.id) if mark and mark.id.isdigit() else 0


def _comes_down(marks: Sequence[Mark], at: Position, next_page: str | None) -> bool | None:
    """Whether the page comes down to the mark by id; imported posts bear old dates."""
    known = _number(at.above)
    if not known:
        return None
    return next_page is None or (bool(marks) and int(marks[-1].id) <= known)


def _posts(rows: Sequence[Mapping[str, Any]], watch: Watch) -> list[RawItem]:
    ids = {(row["topic_id"], row.get("post_number")): str(row["id"]) for row in rows}
    return [_post(row, ids, watch) for row in rows if row.get("post_type", 1) != _SMALL_ACTION]


def _post(row: Mapping[str, Any], ids: Mapping[tuple[Any, Any], str], watch: Watch) -> RawItem:
    topic, number = row["topic_id"], int(row["post_number"])
    if _is_gone(row):
        return _gone(str(row["id"]), _namespace(watch))
    answered = row.get("reply_to_post_number") or (1 if number > 1 else None)
    slug = row.get("topic_slug") or "-"
    likes = [one.get("count") for one in row.get("actions_summary") or () if one["id"] == _LIKE]
    title = row.get("topic_title") or ""
    return RawItem(
        external_id=str(row["id"]),
        namespace=_namespace(watch),
        kind=Kind.COMMENT if number > 1 else Kind.POST,
        url=f"{_forum(watch)}/t/{slug}/{topic}/{number}",
        title=html.escape(title, quote=False) or None,
        text=_own_words(row["cooked"]),
        html=True,
        author=_author(row, watch),
        published_at=_time(row["created_at"]),
        # Where the answered post is not on the page, its place in the topic stands in.
        parent_id=ids.get((topic, answered), f"{topic}/{answered}") if answered else None,
        thread_id=str(topic),
        is_own=is_own(watch.brand, row.get("username")),
        engagement=Engagement(
            likes=likes[0] if likes else row.get("like_count", 0),
            replies=row.get("reply_count"),
            views=row.get("reads"),
        ),
        raw={name: value for name, value in row.items() if name not in ("raw", "excerpt")},
    )


def _topic(row: Mapping[str, Any], names: Mapping[Any, Mapping[str, Any]], watch: Watch) -> RawItem:
    first: Mapping[str, Any] = next(iter(row.get("posters") or ()), {})
    user = names.get(first.get("user_id"), {})
    return RawItem(
        external_id=f"t{row['id']}",
        namespace=_namespace(watch),
        url=f"{_forum(watch)}/t/{row.get('slug') or '-'}/{row['id']}",
        title=html.escape(row["title"], quote=False),
        text=row.get("excerpt") or "",
        html=True,
        author=_author({**user, "user_id": user.get("id")}, watch) if user else None,
        published_at=_time(row["created_at"]),
        thread_id=str(row["id"]),
        is_own=is_own(watch.brand, user.get("username")),
        engagement=Engagement(
            likes=row.get("like_count"),
            replies=max(row["posts_count"] - 1, 0) if row.get("posts_count") else None,
            views=row.get("views"),
        ),
        raw=dict(row),
    )


def _author(row: Mapping[str, Any], watch: Watch) -> RawAuthor | None:
    handle = row.get("username") or ""
    if not handle:
        return None
    user_id = row.get("user_id")
    return RawAuthor(
        native_id=str(user_id) if user_id is not None else "",
        handle=handle,
        name=row.get("name") or "",
        url=f"{_forum(watch)}/u/{handle}",
    )


def _is_gone(row: Mapping[str, Any]) -> bool:
    """Deleted, by its author or by others, or hidden by flags: then its text is a notice."""
    return bool(row.get("deleted_at") or row.get("user_deleted") or row.get("hidden"))


def _gone(external_id: str, namespace: str) -> RawItem:
    return RawItem(external_id=external_id, namespace=namespace, text="", deleted=True)


def _own_words(cooked: str) -> str:
    """A post without what it quotes of others, unless it is nothing but quotes."""
    left, before = cooked, ""
    while left != before:  # quotes within quotes, from the inside out
        before, left = left, _QUOTE.sub("", left)
    return left if left.strip() else cooked


def _refuse(page: Page, *, bare_404: bool) -> None:
    """Raise what a 403 or 404 means, unless the forum says in its own words that there is no such
    thing. ``bare_404`` = one without such words will do: the path may be shut by a server in front.
    """
    error = classify(page.status, page.headers, page.body, page.now)
    told = page.json if page.body[:1] == b"{" else {}
    kind = told.get("error_type") if isinstance(told, dict) else None
    if kind == "not_logged_in":
        raise AuthRejected(
            "The forum shows its posts only to members.",
            hint="Ask its administrator for an API key, and set the connection's credentials.",
            status=page.status,
        )
    allowed = kind or page.status == 410 or (bare_404 and page.status == 404)
    if error is not None and (not allowed or isinstance(error, Blocked)):
        raise error


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
