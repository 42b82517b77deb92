"""Discourse beyond its recorded answers: bursts, addresses, members' forums, deletions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from listener.collect.sources.discourse import Discourse
from listener.errors import AuthRejected, InvalidInput, SourceUnavailable
from listener.net.client import Net
from listener.types import Batch, Kept, State, Watch
from webserver import Play, WebServer

HEADERS = {"Content-Type": "application/json"}


class Forum(WebServer):
    """A forum in memory: ids of public posts, 50 a page, as new versions or as old ones show them
    (``old``: those of the 50 ids below ``before``, itself included).
    """

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[int] = []
        self.began: datetime | None = None
        self.old = False

    def _next(self, full: str, path: str) -> Play:
        asked = parse_qs(urlsplit(full).query).get("before")
        top = max(self.ids, default=0)
        below = int(asked[0]) if asked else top if self.old else top + 1
        shown = [n for n in self.ids if (below - 50 < n <= below if self.old else n < below)]
        return posts(*(a_post(n, self.began) for n in sorted(shown, reverse=True)[:50]))


def posts(*rows: dict[str, Any]) -> Play:
    return Play(json.dumps({"latest_posts": rows}), headers=HEADERS)


def a_post(number: int, began: datetime | None = None, **given: Any) -> dict[str, Any]:
    at = (began + timedelta(seconds=number)).isoformat() if began else "2026-01-02T03:04:05Z"
    return {
        "id": number, "topic_id": 7, "post_number": number, "username": "mina",
        "created_at": at, "cooked": f"<p>글 {number}</p>", "topic_title": "주제", **given,
    }  # fmt: skip


@pytest.fixture
def forum(now: datetime) -> Iterator[Forum]:
    with Forum() as server:
        server.began = now - timedelta(days=1)
        yield server


def ids(batches: list[Batch]) -> set[int]:
    return {int(item.external_id) for batch in batches for item in batch.items}


@pytest.mark.parametrize("old", [False, True])
def test_1190_posts_between_two_polls_are_all_kept_or_within_a_gap(
    forum: Forum,
    make_net: Callable[..., Net],
    make_watch: Callable[..., Watch],
    now: datetime,
    old: bool,
) -> None:
    forum.old = old
    forum.ids = list(range(1, 41))
    watch = make_watch("discourse", url=forum.url)
    first = list(Discourse(make_net()).collect(watch, State(), now=now))
    assert ids(first) == set(range(1, 41))

    forum.ids += range(41, 1_231)
    asked = len(forum.seen)
    batches = list(Discourse(make_net(max_pages=30)).collect(watch, first[-1].state, now=now))
    assert ids(batches) >= set(range(41, 1_231))
    assert batches[-1].complete
    assert not [gap for batch in batches for gap in batch.gaps]
    assert len(forum.seen) - asked == (25 if old else 24)

    # Fewer pages: what lies further down is handed over, with its bounds, and is fetched later.
    short = list(Discourse(make_net(max_pages=10)).collect(watch, first[-1].state, now=now))
    (rest,) = short[-1].rest
    assert forum.began
    assert rest.gap
    assert rest.gap.from_at == forum.began + timedelta(seconds=40)
    assert rest.gap.to_at == forum.began + timedelta(seconds=min(ids(short)))
    more = list(Discourse(make_net()).backfill(watch, rest.state, pages=30, now=now))
    assert ids(short + more) >= set(range(41, 1_231))
    assert more[-1].complete


def test_a_long_row_of_private_posts_does_not_end_the_way_to_the_mark(
    forum: Forum, net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    forum.old = True
    forum.ids = [100]
    watch = make_watch("discourse", url=forum.url)
    first = list(Discourse(net).collect(watch, State(), now=now))
    forum.ids += [120, 700]
    assert ids(list(Discourse(net).collect(watch, first[-1].state, now=now))) >= {120, 700}


def test_the_base_url_replaces_the_server_and_nothing_else(
    server: WebServer, net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    server.pages["/community/posts.json"] = posts(a_post(1))
    watch = make_watch(
        "discourse", base_url=f"{server.url}/", url="https://Forum.example/community/"
    )
    (batch,) = Discourse(net).collect(watch, State(), now=now)
    (item,) = batch.items
    assert item.namespace == "forum.example/community"
    assert item.url == "https://Forum.example/community/t/-/7/1"


def test_a_key_goes_along_as_headers(
    server: WebServer, net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    server.pages["/posts.json"] = posts()
    watch = make_watch(
        "discourse", url=server.url, credentials={"api_key": "s3cret", "api_username": "reader"}
    )
    list(Discourse(net).collect(watch, State(), now=now))
    assert server.seen[0].headers["api-key"] == "s3cret"
    assert server.seen[0].headers["api-username"] == "reader"
    assert not server.seen[0].query


def test_quotes_of_others_are_left_out_even_within_quotes(
    server: WebServer, net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    inner = '<aside class="quote no-group"><blockquote><p>환불!</p></blockquote></aside>'
    outer = f'<aside class="quote"><blockquote>{inner}<p>맞아요</p></blockquote></aside>'
    box = '<aside class="onebox"><p>링크</p></aside>'
    server.pages["/posts.json"] = posts(
        a_post(1, cooked=f"{outer}<p>저는 괜찮았어요</p>{box}"), a_post(2, cooked=inner)
    )
    (batch,) = Discourse(net).collect(make_watch("discourse", url=server.url), State(), now=now)
    texts = {item.external_id: item.text for item in batch.items}
    assert texts["1"] == f"<p>저는 괜찮았어요</p>{box}"
    assert texts["2"] == inner  # nothing else is there


def test_deleted_posts_are_told_and_only_in_the_forums_own_words(
    server: WebServer, net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    gone = json.dumps({"errors": ["…"], "error_type": "not_found"})
    shut = json.dumps({"errors": ["…"], "error_type": "not_logged_in"})
    server.pages |= {
        "/posts/1.json": Play(json.dumps(a_post(1)), headers=HEADERS),
        "/posts/2.json": Play(gone, 404, headers=HEADERS),
        "/posts/3.json": Play(json.dumps(a_post(3, user_deleted=True)), headers=HEADERS),
        "/t/4.json": Play(gone, 404, headers=HEADERS),
        "/posts/6.json": Play(shut, 403, headers=HEADERS),
    }
    watch = make_watch("discourse", url=server.url)

    def told(*names: str) -> list[tuple[str, bool]]:
        kept = [Kept(external_id=name, namespace="forum") for name in names]
        batches = list(Discourse(net).refresh(watch, kept, now=now))
        return [(item.external_id, item.deleted) for batch in batches for item in batch.items]

    assert told("1", "2", "3", "t4") == [("2", True), ("3", True), ("t4", True)]
    with pytest.raises(SourceUnavailable):
        told("5")  # a bare 404 may come from any server
    with pytest.raises(AuthRejected):
        told("6")


def test_what_the_search_refuses_is_the_users_to_mend(
    server: WebServer, net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    server.pages["/search.json"] = Play(
        json.dumps({"posts": [], "grouped_search_result": {"error": "검색어가 너무 짧습니다."}}),
        headers=HEADERS,
    )
    with pytest.raises(InvalidInput, match="너무 짧습니다") as caught:
        list(
            Discourse(net).collect(
                make_watch("discourse", url=server.url, query="a"), State(), now=now
            )
        )
    assert caught.value.field == "query"


def test_a_watch_needs_a_forum(net: Net, make_watch: Callable[..., Watch], now: datetime) -> None:
    with pytest.raises(InvalidInput) as caught:
        list(Discourse(net).collect(make_watch("discourse"), State(), now=now))
    assert caught.value.field == "url"


def test_a_server_that_overlooks_where_to_go_on_leaves_a_gap_and_is_left_alone(
    server: WebServer, net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    watch = make_watch("discourse", url=server.url)
    began = now - timedelta(hours=1)
    server.pages["/posts.json"] = [posts(a_post(1, began)), posts()]
    first = list(Discourse(net).collect(watch, State(), now=now))
    server.play({"/posts.json": posts(a_post(100, began), a_post(99, began))})
    asked = len(server.seen)
    batches = list(Discourse(net).collect(watch, first[-1].state, now=now))
    (gap,) = [gap for batch in batches for gap in batch.gaps]
    assert gap.from_at == began + timedelta(seconds=1)
    assert gap.to_at == began + timedelta(seconds=99)
    assert len(server.seen) - asked == 2
