"""Naver beyond its recorded answers: bursts, late results, hosts and keys, secrets, requests."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from listener.collect.sources.naver import HUB, OPEN, Naver
from listener.errors import AuthRejected, InvalidInput, SourceUnavailable
from listener.net.client import Net
from listener.text import to_mention
from listener.types import Batch, Brand, GapReason, Precision, State, Watch
from webserver import Play, WebServer

KEYS = {"client_id": "naver-id", "client_secret": "t0p-s3cret"}
HUB_KEYS = {"hub_client_id": "hub-id", "hub_client_secret": "hub-s3cret"}
BRAND = Brand(id=1, name="누리마켓")
JSON = {"Content-Type": "application/json;charset=UTF-8"}
MINUTES = timedelta(minutes=10)


def a_row(service: str, number: int) -> dict[str, Any]:
    row = {"title": f"<b>누리마켓</b> 글 {number}", "description": "늦게 왔어요... "}
    if service == "blog":
        return row | {
            "link": f"https://blog.naver.com/mina/{number}",
            "bloggername": "미나",
            "bloggerlink": "blog.naver.com/mina",
            "postdate": "20250310",
        }
    if service == "news":
        at = datetime(2025, 3, 10, 0, 0, tzinfo=UTC) + timedelta(seconds=20 * number)
        return row | {
            "originallink": f"https://outlet.example/{number}",
            "link": f"https://n.news.naver.com/mnews/article/998/{number:010d}",
            "pubDate": at.strftime("%a, %d %b %Y %H:%M:%S +0000"),
        }
    return row | {
        "link": f"https://cafe.naver.com/nuri/{number}",
        "cafename": "누리",
        "cafeurl": "https://cafe.naver.com/nuri",
    }


class Listing:
    """What Naver has for a term, and a watch that polls it and keeps what comes of it."""

    def __init__(self, server: WebServer, make_net: Callable[..., Net], watch: Watch, service: str):
        self.server, self.watch, self.service = server, watch, service
        self.make_net = make_net
        self.numbers: list[int] = []  # newest first
        self.state = State()
        self.kept: set[int] = set()

    def poll(self, now: datetime, **given: Any) -> list[Batch]:
        self._serve()
        asked = len(self.server.seen)
        poller = Naver(self.make_net(clock=lambda: now, **given))
        batches = list(poller.collect(self.watch, self.state, now=now))
        self._take(batches)
        self.starts = [int(seen.query["start"]) for seen in self.server.seen[asked:]]
        return batches

    def backfill(self, state: State, now: datetime) -> list[Batch]:
        poller = Naver(self.make_net(clock=lambda: now))
        batches = list(poller.backfill(self.watch, state, pages=50, now=now))
        kept = self.state
        self._take(batches)
        self.state = kept
        return batches

    def _take(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            self.state = batch.state
            self.kept |= {int(item.external_id.rpartition("/")[2]) for item in batch.items}

    def _serve(self) -> None:
        pages: dict[str, Play] = {}
        for start in [*range(1, 1_000), 1_000] if self.numbers else [1]:
            if start % 100 != 1 and start != 1_000:
                continue
            rows = [a_row(self.service, n) for n in self.numbers[start - 1 : start + 99]]
            answer = {"total": len(self.numbers), "start": start, "display": 100, "items": rows}
            query = {"query": "누리마켓", "display": 100, "start": start, "sort": "date"}
            path = f"/v1/search/{self.service}.json?{urlencode(query)}"
            pages[path] = Play(json.dumps(answer), headers=JSON)
        self.server.play(pages)


@pytest.fixture
def listing(
    server: WebServer, make_net: Callable[..., Net], make_watch: Callable[..., Watch]
) -> Callable[[str], Listing]:
    def make(service: str) -> Listing:
        watch = make_watch(
            "naver", brand=BRAND, base_url=server.url, credentials=KEYS, services=service
        )
        return Listing(server, make_net, watch, service)

    return make


@pytest.mark.parametrize("service", ["blog", "news", "cafearticle", "kin"])
def test_of_1190_new_results_what_naver_shows_is_kept_and_the_rest_is_a_gap(
    listing: Callable[[str], Listing], now: datetime, service: str
) -> None:
    found = listing(service)
    found.numbers = list(range(200, 0, -1))
    found.poll(now)
    assert found.kept == set(range(1, 201))
    found.numbers = list(range(1_390, 0, -1))
    batches = found.poll(now + MINUTES)
    assert found.starts == [1, 101, 201, 301, 401, 501, 601, 701, 801, 901, 1_000]
    assert found.kept == {*range(1, 201), *range(292, 1_391)}
    [gap] = [gap for batch in batches for gap in batch.gaps]
    assert gap.why is GapReason.WINDOW
    if service == "news":  # the missing ones, by their own times
        first = datetime(2025, 3, 10, tzinfo=UTC)
        assert gap.from_at == first + timedelta(seconds=200 * 20)
        assert first <= gap.to_at - timedelta(seconds=292 * 20) < first + MINUTES  # type: ignore[operator]
    else:  # no times are told: between the polls
        assert (gap.from_at, gap.to_at) == (now, now + MINUTES)
    assert batches[-1].complete
    found.poll(now + 2 * MINUTES)
    assert found.starts == [1]


@pytest.mark.parametrize("service", ["blog", "news", "cafearticle"])
def test_of_900_new_results_none_is_missed_and_no_page_too_many_is_asked(
    listing: Callable[[str], Listing], now: datetime, service: str
) -> None:
    found = listing(service)
    found.numbers = list(range(500, 0, -1))
    found.poll(now)
    found.numbers = list(range(1_400, 0, -1))
    batches = found.poll(now + MINUTES)
    assert found.kept == set(range(1, 1_401))
    assert not [gap for batch in batches for gap in batch.gaps]
    assert found.starts == list(range(1, 1_000, 100))
    for more in range(3):
        found.poll(now + (2 + more) * MINUTES)
        assert found.starts == [1]


def test_a_walk_too_long_for_a_run_is_handed_over_and_gone_on_with(
    listing: Callable[[str], Listing], now: datetime
) -> None:
    found = listing("blog")
    found.numbers = list(range(100, 0, -1))
    found.poll(now)
    found.numbers = list(range(900, 0, -1))
    batches = found.poll(now + MINUTES, max_pages=3)
    [rest] = [rest for batch in batches for rest in batch.rest]
    assert found.starts == [1, 101, 201]
    assert rest.gap is not None
    assert (rest.gap.from_at, rest.gap.to_at) == (now, now + MINUTES)
    found.poll(now + 2 * MINUTES, max_pages=3)
    assert found.starts == [1]
    found.numbers = list(range(950, 0, -1))  # pushed down meanwhile
    found._serve()
    batches = found.backfill(rest.state, now + 3 * MINUTES)
    assert batches[-1].complete
    assert not [gap for batch in batches for gap in batch.gaps]
    assert found.kept >= set(range(1, 901))


def test_deleted_results_cost_no_pages_and_make_no_gap(
    listing: Callable[[str], Listing], now: datetime
) -> None:
    found = listing("cafearticle")
    found.numbers = list(range(1_500, 0, -1))
    found.poll(now)
    found.numbers = [n for n in found.numbers if n not in range(1_470, 1_501)]  # the newest 31
    for poll in range(1, 4):
        batches = found.poll(now + poll * MINUTES)
        assert found.starts == [1]
        assert not [gap for batch in batches for gap in batch.gaps]


@pytest.mark.parametrize("service", ["blog", "cafearticle", "news"])
def test_what_is_indexed_late_is_found_within_a_day_at_one_deeper_walk(
    listing: Callable[[str], Listing], now: datetime, service: str
) -> None:
    found = listing(service)
    found.numbers = list(range(2_000, 1_000, -1))
    found.poll(now)
    late = 10
    requests = 0
    for hour in range(1, 25):  # 15 an hour
        found.numbers = [*range(2_000 + 15 * hour, 2_000 + 15 * (hour - 1), -1), *found.numbers]
        if hour == 20:
            found.numbers.insert(240, late)
        found.poll(now + timedelta(hours=hour))
        requests += len(found.starts)
    assert late in found.kept
    assert len(found.starts) == 4  # 360 in a day
    assert requests == 23 + 4
    found.poll(now + timedelta(hours=25))
    assert found.starts == [1]


def test_a_busy_days_deeper_walk_makes_no_gap_where_the_window_ends(
    listing: Callable[[str], Listing], now: datetime
) -> None:
    found = listing("blog")
    found.numbers = list(range(5_000, 3_000, -1))
    found.poll(now)
    gaps = []
    for hour in range(1, 25):
        found.numbers = [*range(5_000 + 80 * hour, 5_000 + 80 * (hour - 1), -1), *found.numbers]
        gaps += [g for b in found.poll(now + timedelta(hours=hour)) for g in b.gaps]
    assert len(found.starts) == 11
    assert not gaps
    found.poll(now + timedelta(hours=25), max_pages=5)
    assert found.starts == [1]


@pytest.mark.parametrize(
    ("base_url", "credentials", "url"),
    [
        (HUB, HUB_KEYS, f"{HUB}/search/v1/blog"),
        (HUB, KEYS, f"{OPEN}/v1/search/blog.json"),
        (HUB, {**KEYS, **HUB_KEYS}, f"{HUB}/search/v1/blog"),
        (OPEN, {**KEYS, **HUB_KEYS}, f"{OPEN}/v1/search/blog.json"),
        ("http://127.0.0.1:9999", HUB_KEYS, "http://127.0.0.1:9999/search/v1/blog"),
        ("http://127.0.0.1:9999/", KEYS, "http://127.0.0.1:9999/v1/search/blog.json"),
        (None, KEYS, f"{OPEN}/v1/search/blog.json"),
    ],
)
def test_the_keys_decide_the_form_and_the_setting_the_host(
    net: Net, make_watch: Callable[..., Watch], now: datetime, base_url: Any, credentials: Any,
    url: str,
) -> None:  # fmt: skip
    from listener.collect.base import Position

    watch = make_watch("naver", brand=BRAND, base_url=base_url, credentials=credentials)
    request = Naver(net).request(watch, Position(now=now, lane="blog:누리마켓"))
    assert request.url == url
    assert request.params == {"query": "누리마켓", "display": 100, "start": 1, "sort": "date"}
    names = {"X-NCP-APIGW-API-KEY-ID", "X-NCP-APIGW-API-KEY"}
    assert set(request.headers) == (
        names if "/search/v1/" in url else {"X-Naver-Client-Id", "X-Naver-Client-Secret"}
    )
    assert "s3cret" not in repr(request) + repr(watch)


def test_web_pages_are_asked_without_an_order(
    net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    from listener.collect.base import Position

    watch = make_watch("naver", brand=BRAND, credentials=KEYS)
    request = Naver(net).request(watch, Position(now=now, lane="webkr:누리마켓"))
    assert request.params["sort"] is None


@pytest.mark.parametrize(
    "credentials", [{}, {"client_id": "a"}, {"client_id": "a", "hub_client_secret": "b"},
                    {"client_id": " ", "client_secret": " "}],
)  # fmt: skip
def test_half_a_pair_of_keys_is_none(
    net: Net, make_watch: Callable[..., Watch], now: datetime, credentials: dict[str, str]
) -> None:
    watch = make_watch("naver", brand=BRAND, credentials=credentials)
    with pytest.raises(AuthRejected, match="client ID and a client secret"):
        list(Naver(net).collect(watch, State(), now=now))


@pytest.mark.parametrize(
    ("params", "brand", "field"),
    [
        ({"services": "blog,shop"}, BRAND, "services"),
        ({"services": " , "}, BRAND, "services"),
        ({"query": "\n \n"}, None, "query"),
        ({}, None, "query"),
        ({}, Brand(id=1, name=""), "query"),
    ],
)
def test_watches_that_make_no_sense_are_told(
    net: Net, make_watch: Callable[..., Watch], now: datetime, params: Any, brand: Any, field: str
) -> None:
    watch = make_watch("naver", brand=brand, credentials=KEYS, **params)
    with pytest.raises(InvalidInput) as caught:
        list(Naver(net).collect(watch, State(), now=now))
    assert caught.value.field == field


def test_lanes_are_services_by_terms_and_named_for_people(
    net: Net, make_watch: Callable[..., Watch]
) -> None:
    brand = Brand(id=1, name="누리마켓", aliases=("Nuri Market",))
    watch = make_watch("naver", brand=brand, credentials=KEYS, services="Blog, kin")
    assert Naver(net).lanes(watch) == [
        "blog:누리마켓", "blog:Nuri Market", "kin:누리마켓", "kin:Nuri Market",
    ]  # fmt: skip
    assert len(Naver(net).lanes(make_watch("naver", brand=brand))) == 8


def test_a_post_found_by_two_terms_is_no_edit(now: datetime, net: Net) -> None:
    from listener.collect.base import Page, Position
    from listener.types import Connection, MatchMode

    watch = Watch(
        id=1, source="naver", params={}, match=MatchMode.TERMS, every=MINUTES, brand=BRAND,
        connection=Connection(source="naver", credentials=KEYS),
    )  # fmt: skip

    def read(text: str) -> Any:
        body = json.dumps({"total": 1, "items": [a_row("blog", 1) | {"description": text}]})
        page = Page(url=OPEN, asked=OPEN, status=200, headers=JSON, body=body.encode(), now=now)
        [item] = Naver(net).parse(page, watch, Position(now=now, lane="blog:누리마켓")).items
        return to_mention(item, "naver", now)

    one, other = read("<b>누리마켓</b>이... "), read("<b>Nuri</b> 앱은... ")
    assert one.text != other.text
    assert one.content_hash == other.content_hash
    assert one.published_at == datetime(2025, 3, 9, 15, tzinfo=UTC)  # midnight in Seoul
    assert one.published_precision is Precision.DAY


def test_the_keys_stay_with_naver_and_out_of_every_message(
    net: Net, server: WebServer, make_watch: Callable[..., Watch], now: datetime, caplog: Any
) -> None:
    said = {"errorMessage": "unknown id naver-id with t0p-s3cret", "errorCode": "024"}
    server.pages["/v1/search/blog.json"] = Play(json.dumps(said), status=401, headers=JSON)
    watch = make_watch("naver", brand=BRAND, base_url=server.url, credentials=KEYS, services="blog")
    with caplog.at_level(logging.DEBUG), pytest.raises(AuthRejected) as caught:
        list(Naver(net).collect(watch, State(), now=now))
    assert caught.value.requests == 1
    assert "t0p-s3cret" not in str(caught.value) + caplog.text
    # Another port is another origin: the redirect is followed without the keys.
    with WebServer() as other:
        server.pages["/v1/search/blog.json"] = Play(
            status=302, headers={"Location": f"{other.url}/elsewhere"}
        )
        with pytest.raises(SourceUnavailable):
            list(Naver(net).collect(watch, State(), now=now))
        assert "t0p-s3cret" not in str(other.seen[0])


def test_the_quota_is_that_of_the_api() -> None:
    day, month = Naver.spec.quotas
    assert (day.amount, day.per, day.zone) == (25_000, "day", "Asia/Seoul")
    assert (month.amount, month.per) == (775_000, "month")
