"""Kakao beyond its recorded answers: bursts, what its window leaves out, quotas, secrets."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from listener.collect.base import Position
from listener.collect.sources.kakao import Kakao
from listener.errors import AuthRejected, InvalidInput
from listener.net.client import Net
from listener.types import Batch, Brand, GapReason, State, Watch
from webserver import Play, WebServer

KEY = {"rest_api_key": "t0p-s3cret"}
BRAND = Brand(id=1, name="누리마켓")
JSON = {"Content-Type": "application/json;charset=UTF-8"}
FIRST = datetime(2025, 3, 10, tzinfo=UTC)
WINDOW = 800  # measured: what blogs and cafés page through at most
MINUTES = timedelta(minutes=15)


def a_time(number: int) -> datetime:
    return FIRST + timedelta(seconds=20 * number)


def serve(server: WebServer, service: str, numbers: list[int]) -> None:
    """All pages of a listing, newest first, cut off where Kakao cuts it off."""
    shown = numbers[:WINDOW]
    pages: dict[str, Play] = {}
    for page in range(1, max(len(shown) - 1, 0) // 50 + 2):
        rows = [
            {
                "title": f"<b>누리마켓</b> 글 {n}",
                "contents": "늦게 왔어요...",
                "url": f"http://sallim.tistory.com/{n}",
                "datetime": a_time(n).astimezone().isoformat(timespec="milliseconds"),
                "blogname": "살림",
                "thumbnail": "",
            }
            for n in shown[50 * (page - 1) : 50 * page]
        ]
        meta = {
            "is_end": 50 * page >= len(shown),
            "pageable_count": len(shown),
            "total_count": len(numbers),
        }
        query = {"query": "누리마켓", "sort": "recency", "page": page, "size": 50}
        pages[f"/v2/search/{service}?{urlencode(query)}"] = Play(
            json.dumps({"documents": rows, "meta": meta}), headers=JSON
        )
    server.play(pages)


class Listing:
    """A watch that polls what is served and keeps what comes of it."""

    def __init__(self, server: WebServer, make_net: Callable[..., Net], watch: Watch) -> None:
        self.server, self.make_net, self.watch = server, make_net, watch
        self.state = State()
        self.kept: set[int] = set()

    def poll(self, numbers: list[int], now: datetime) -> list[Batch]:
        serve(self.server, "blog", numbers)
        asked = len(self.server.seen)
        poller = Kakao(self.make_net(clock=lambda: now))
        batches = list(poller.collect(self.watch, self.state, now=now))
        for batch in batches:
            self.state = batch.state
            self.kept |= {int(item.external_id.rpartition("/")[2]) for item in batch.items}
        self.pages = [int(seen.query["page"]) for seen in self.server.seen[asked:]]
        return batches


@pytest.fixture
def listing(
    server: WebServer, make_net: Callable[..., Net], make_watch: Callable[..., Watch]
) -> Listing:
    watch = make_watch("kakao", brand=BRAND, base_url=server.url, credentials=KEY, services="blog")
    return Listing(server, make_net, watch)


def test_of_1190_new_results_what_kakao_shows_is_kept_and_the_rest_is_a_gap(
    listing: Listing, now: datetime
) -> None:
    listing.poll(list(range(100, 0, -1)), now)
    assert listing.kept == set(range(1, 101))
    batches = listing.poll(list(range(1_290, 0, -1)), now + MINUTES)
    assert listing.pages == list(range(1, 17))
    assert listing.kept == {*range(1, 101), *range(491, 1_291)}
    [gap] = [gap for batch in batches for gap in batch.gaps]
    assert gap.why is GapReason.WINDOW
    assert gap.from_at == a_time(100)
    assert gap.to_at is not None
    assert a_time(491) <= gap.to_at <= a_time(495)
    assert batches[-1].complete
    listing.poll(list(range(1_290, 0, -1)), now + 2 * MINUTES)
    assert listing.pages == [1]


def test_of_700_new_results_none_is_missed_and_no_page_too_many_is_asked(
    listing: Listing, now: datetime
) -> None:
    listing.poll(list(range(100, 0, -1)), now)
    batches = listing.poll(list(range(800, 0, -1)), now + MINUTES)
    assert listing.kept == set(range(1, 801))
    assert listing.pages == list(range(1, 16))
    assert not [gap for batch in batches for gap in batch.gaps]


def test_the_first_walk_ends_where_history_is_not_wanted(
    listing: Listing, now: datetime, make_net: Callable[..., Net]
) -> None:
    listing.make_net = lambda **given: make_net(history_days=1, **given)
    listing.poll(list(range(700, 0, -1)), a_time(600) + timedelta(days=1))
    assert listing.pages == [1, 2, 3]


def test_deleted_results_cost_no_pages(listing: Listing, now: datetime) -> None:
    listing.poll(list(range(1_000, 0, -1)), now)
    listing.poll(list(range(980, 0, -1)), now + MINUTES)
    assert listing.pages == [1]


def test_each_search_is_charged_to_its_own_quota_too(
    net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    watch = make_watch("kakao", brand=BRAND, credentials=KEY)
    assert Kakao(net).lanes(watch) == ["web:누리마켓", "blog:누리마켓", "cafe:누리마켓"]
    request = Kakao(net).request(watch, Position(now=now, lane="cafe:누리마켓", token="3"))
    assert request.charge == {"calls": 1, "cafe": 1}
    assert request.url == "https://dapi.kakao.com/v2/search/cafe"
    assert request.params == {"query": "누리마켓", "sort": "recency", "page": 3, "size": 50}
    assert {quota.unit: quota.amount for quota in Kakao.spec.quotas} == {
        "calls": 50_000, "web": 30_000, "blog": 30_000, "cafe": 30_000,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("params", "brand", "field"),
    [({"services": "blog,vclip"}, BRAND, "services"), ({}, None, "query")],
)
def test_watches_that_make_no_sense_are_told(
    net: Net, make_watch: Callable[..., Watch], now: datetime, params: Any, brand: Any, field: str
) -> None:
    watch = make_watch("kakao", brand=brand, credentials=KEY, **params)
    with pytest.raises(InvalidInput) as caught:
        list(Kakao(net).collect(watch, State(), now=now))
    assert caught.value.field == field


def test_the_key_is_sent_as_kakao_wants_it_and_is_in_no_message(
    net: Net, server: WebServer, make_watch: Callable[..., Watch], now: datetime, caplog: Any
) -> None:
    said = {"errorType": "AccessDeniedError", "message": "wrong appKey(t0p-s3cret) format"}
    server.pages["/v2/search/blog"] = Play(json.dumps(said), status=401, headers=JSON)
    watch = make_watch("kakao", brand=BRAND, base_url=server.url, credentials=KEY, services="blog")
    with caplog.at_level(logging.DEBUG), pytest.raises(AuthRejected) as caught:
        list(Kakao(net).collect(watch, State(), now=now))
    assert server.seen[0].headers["authorization"] == "KakaoAK t0p-s3cret"
    assert "t0p-s3cret" not in str(caught.value) + caplog.text + repr(watch)
