"""The Reddit source beyond its recorded answers: the key, both modes, how deep, how often."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest

from listener.collect.base import Position
from listener.collect.sources import reddit
from listener.collect.sources.reddit import Reddit
from listener.errors import AuthRejected, InvalidInput
from listener.net.client import Net
from listener.text import to_mention
from listener.types import Batch, Brand, GapReason, Kept, RawItem, State, Watch
from webserver import Play, WebServer

JSON = {"Content-Type": "application/json; charset=UTF-8"}
KEY = {"client_id": "an-app-id", "client_secret": "s3cret-of-the-app"}
TOKEN = "/api/v1/access_token"
NEW = "/r/korea/new"
NURI = Brand(id=1, name="누리마켓", aliases=("Nuri Market", "누리마켓"))


def said(data: Any, status: int = 200) -> Play:
    return Play(json.dumps(data), status=status, headers=JSON)


def given(seconds: int = 86_400) -> Play:
    return said({"access_token": "t0ken-of-access", "expires_in": seconds, "scope": "*"})


def post(number: int, at: datetime, **more: Any) -> dict[str, Any]:
    row = {
        "name": f"t3_{number}",
        "id": str(number),
        "title": f"글 {number}",
        "selftext": "",
        "author": "someone",
        "subreddit": "korea",
        "permalink": f"/r/korea/comments/{number}/slug/",
        "created_utc": at.timestamp(),
        "score": 1,
        "num_comments": 0,
    }
    return {"kind": "t3", "data": {**row, **more}}


def listing(*rows: Any, after: str | None = None) -> Play:
    return said({"kind": "Listing", "data": {"after": after, "children": list(rows)}})


@pytest.fixture
def korea(server: WebServer, make_watch: Callable[..., Watch]) -> Watch:
    server.pages[TOKEN] = given()
    return make_watch("reddit", base_url=server.url, credentials=KEY, subreddits="korea")


def items_of(batches: list[Batch]) -> list[RawItem]:
    return [item for batch in batches for item in batch.items]


# --- the key ------------------------------------------------------------------------------------


def test_a_token_is_asked_for_once_and_kept_inside(
    net: Net, server: WebServer, korea: Watch, now: datetime, caplog: Any
) -> None:
    server.pages[NEW] = listing()
    poller = Reddit(net)
    with caplog.at_level(logging.DEBUG):
        for _ in range(2):
            batches = list(poller.collect(korea, State(), now=now))
    assert server.paths == [TOKEN, NEW, NEW]
    asked = server.seen[0]
    assert (asked.method, asked.body) == ("POST", b"grant_type=client_credentials")
    pair = base64.b64decode(asked.headers["authorization"].removeprefix("Basic ")).decode()
    assert pair == "an-app-id:s3cret-of-the-app"
    assert server.seen[1].headers["authorization"] == "Bearer t0ken-of-access"
    assert "t0ken" not in caplog.text + str(batches)
    assert "s3cret" not in caplog.text + repr(korea)


def test_a_token_is_renewed_before_it_runs_out(
    make_net: Callable[..., Net], server: WebServer, korea: Watch, now: datetime
) -> None:
    times = {"now": now}
    server.pages[TOKEN] = given(seconds=600)
    server.pages[NEW] = listing()
    poller = Reddit(make_net(clock=lambda: times["now"]))
    for minutes in (0, 7, 9):
        times["now"] = now + timedelta(minutes=minutes)
        list(poller.collect(korea, State(), now=times["now"]))
    assert server.paths == [TOKEN, NEW, NEW, TOKEN, NEW]


def test_the_account_is_named_in_the_user_agent(
    net: Net, server: WebServer, make_watch: Callable[..., Watch], now: datetime
) -> None:
    server.pages[TOKEN] = given()
    server.pages[NEW] = listing()
    for name in ("", "/u/nuri_bot"):
        watch = make_watch(
            "reddit",
            base_url=server.url,
            credentials={**KEY, "username": name},
            subreddits="korea",
        )
        list(Reddit(net).collect(watch, State(), now=now))
    agents = [seen.headers["user-agent"] for seen in server.seen]
    assert agents[0] == agents[1] == net.settings.user_agent
    assert agents[2] == agents[3]
    assert agents[2].startswith("server:brand-listener:")
    assert agents[2].endswith("(by /u/nuri_bot)")


def test_reddit_itself_has_two_hosts_and_a_server_of_ones_own_one(
    net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    poller, at = Reddit(net), Position(now=now, lane="r/korea")
    urls = {
        (base, bool(login)): poller.request(
            make_watch("reddit", base_url=base, credentials=login, subreddits="korea"), at
        ).url
        for base in (reddit.HOME, "https://r.example/")
        for login in ({}, KEY)
    }
    assert urls == {
        (reddit.HOME, False): "https://www.reddit.com/r/korea/new/.rss",
        (reddit.HOME, True): "https://oauth.reddit.com/r/korea/new",
        ("https://r.example/", False): "https://r.example/r/korea/new/.rss",
        ("https://r.example/", True): "https://r.example/r/korea/new",
    }


def test_without_a_key_all_watches_share_one_slow_pace(
    net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    watch = make_watch("reddit", base_url=reddit.HOME, subreddits="korea")
    request = Reddit(net).request(watch, Position(now=now, lane="r/korea"))
    assert request.account == reddit.ANONYMOUS
    assert request.rule is not None
    assert request.rule.delay >= timedelta(seconds=6)


# --- both modes ---------------------------------------------------------------------------------


def test_a_post_is_the_same_mention_by_feed_and_by_api(
    net: Net, server: WebServer, make_watch: Callable[..., Watch], korea: Watch, now: datetime
) -> None:
    body = '<!-- SC_OFF --><div class="md"><p>두 주째 <b>배송</b> 중 &amp;amp; 끝</p>\n</div>'
    body += "<!-- SC_ON -->"
    frame = ' &#32; submitted by <a href="x"> /u/someone </a> <span><a href="y">[link]</a></span>'
    escaped = (body + frame).replace("&", "&amp;").replace("<", "&lt;")
    server.pages[f"{NEW}/.rss"] = Play(
        '<feed xmlns="http://www.w3.org/2005/Atom"><entry><author><name>/u/someone</name></author>'
        f'<content type="html">{escaped}</content><id>t3_7</id>'
        '<link href="https://www.reddit.com/r/korea/comments/7/slug/" />'
        f"<published>{now.isoformat()}</published><title>글 7 &lt;끝&gt;</title></entry></feed>",
        headers={"Content-Type": "application/atom+xml"},
    )
    server.pages[NEW] = listing(
        post(7, now, title="글 7 <끝>", selftext="두 주째 **배송** 중", selftext_html=body)
    )
    plain = make_watch("reddit", base_url=server.url, subreddits="korea")
    mentions = [
        to_mention(items_of(list(Reddit(net).collect(watch, State(), now=now)))[0], "reddit", now)
        for watch in (plain, korea)
    ]
    told = [
        (
            m.external_id,
            m.namespace,
            m.content_hash,
            m.title,
            m.text,
            m.url,
            m.published_at,
            m.place,
        )
        for m in mentions
    ]
    assert told[0] == told[1]
    assert mentions[0].title == "글 7 <끝>"
    assert "submitted" not in mentions[0].text


# --- how deep -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("deep", "gaps"), [(6, 1), (7, 0)])
def test_where_reddit_stops_listing_is_a_gap_but_the_end_of_a_small_list_is_not(
    net: Net, server: WebServer, korea: Watch, now: datetime, monkeypatch: Any, deep: int, gaps: int
) -> None:
    monkeypatch.setattr(reddit, "DEEP", {"listing": deep})
    server.pages[NEW] = listing(post(1, now - timedelta(hours=9)))
    poller = Reddit(net)
    *_, first = poller.collect(korea, State(), now=now)
    rows = [post(20 - n, now - timedelta(minutes=n)) for n in range(6)]
    server.play(
        {
            TOKEN: given(),
            NEW: listing(*rows[:3], after="t3_18"),
            f"{NEW}?limit=100&raw_json=1&after=t3_18&count=3": listing(*rows[3:]),
        }
    )
    batches = list(poller.collect(korea, first.state, now=now))
    assert len(items_of(batches)) == 6
    found = [gap for batch in batches for gap in batch.gaps]
    assert len(found) == gaps
    if gaps:
        assert found[0].why is GapReason.WINDOW
        assert (found[0].from_at, found[0].to_at) == (
            now - timedelta(hours=9),
            now - timedelta(minutes=5),
        )


# --- asking again -------------------------------------------------------------------------------


def test_stored_things_are_asked_about_again(
    net: Net, server: WebServer, korea: Watch, now: datetime
) -> None:
    server.pages["/api/info"] = listing(
        post(1, now, selftext="고친 글", score=40),
        post(2, now, selftext="[removed]", author="[deleted]"),
    )
    kept = [Kept(external_id=f"t3_{n}") for n in (1, 2, 3)]
    [batch] = Reddit(net).refresh(korea, kept, now=now)
    assert [(item.external_id, item.deleted) for item in batch.items] == [
        ("t3_1", False),
        ("t3_2", True),
    ]
    assert batch.items[0].engagement
    assert batch.items[0].engagement.likes == 40
    asked = server.seen[-1]
    assert asked.query == {"id": "t3_1,t3_2,t3_3", "raw_json": "1"}
    assert asked.headers["authorization"] == "Bearer t0ken-of-access"


def test_feeds_cannot_be_asked_again(
    net: Net, server: WebServer, make_watch: Callable[..., Watch], now: datetime
) -> None:
    watch = make_watch("reddit", base_url=server.url, subreddits="korea")
    assert list(Reddit(net).refresh(watch, [Kept(external_id="t3_1")], now=now)) == []
    assert server.seen == []


def test_a_token_refused_when_asking_again_is_renewed_for_the_next_round(
    net: Net, server: WebServer, korea: Watch, now: datetime
) -> None:
    server.pages["/api/info"] = [said({"error": 401}, 401), listing(post(1, now))]
    poller = Reddit(net)
    with pytest.raises(AuthRejected):
        list(poller.refresh(korea, [Kept(external_id="t3_1")], now=now))
    [batch] = poller.refresh(korea, [Kept(external_id="t3_1")], now=now)
    assert len(batch.items) == 1
    assert server.paths.count(TOKEN) == 2


# --- what is asked ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "brand", "lanes"),
    [
        ({}, NURI, ['"누리마켓" OR "Nuri Market"']),
        ({"query": "nuri", "subreddits": "a1 b2"}, None, ["r/a1+b2: nuri"]),
        ({"subreddits": "r/korea, /r/Seoul/ KOREA"}, NURI, ["r/korea", "r/Seoul"]),
        (
            {"subreddits": "https://www.reddit.com/r/korea/", "comments": "true"},
            NURI,
            ["r/korea", "r/korea comments"],
        ),
    ],
)
def test_lanes_are_what_is_read(
    net: Net, make_watch: Callable[..., Watch], params: Any, brand: Any, lanes: list[str]
) -> None:
    assert list(Reddit(net).lanes(make_watch("reddit", brand=brand, **params))) == lanes


def test_a_search_is_sent_as_it_was_written(
    net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    watch = make_watch("reddit", subreddits="korea", query='"a b" & c')
    request = Reddit(net).request(watch, Position(now=now, lane='r/korea: "a b" & c'))
    assert parse_qs(request.full_url.partition("?")[2]) == {
        "q": ['"a b" & c'],
        "sort": ["new"],
        "restrict_sr": ["on"],
        "limit": ["100"],
    }


@pytest.mark.parametrize(
    ("params", "brand", "field"),
    [
        ({}, None, "query"),
        ({"subreddits": "no-such name!"}, NURI, "subreddits"),
        ({"query": "x" * 513}, NURI, "query"),
    ],
)
def test_watches_that_make_no_sense_are_told(
    net: Net, make_watch: Callable[..., Watch], now: datetime, params: Any, brand: Any, field: str
) -> None:
    watch = make_watch("reddit", brand=brand, **params)
    with pytest.raises(InvalidInput) as caught:
        list(Reddit(net).collect(watch, State(), now=now))
    assert caught.value.field == field
