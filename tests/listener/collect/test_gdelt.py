"""GDELT beyond its recorded answers: its grammar, what it says in plain text, its pace."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from listener.collect.base import Position
from listener.collect.sources.gdelt import MOST, Gdelt
from listener.errors import InvalidInput
from listener.net.client import Net
from listener.types import Brand, GapReason, State, Watch
from webserver import Play, WebServer

PATH = "/api/v2/doc/doc"
BRAND = Brand(id=1, name="Nurimarket")


@pytest.mark.parametrize(
    ("brand", "query"),
    [
        (BRAND, "Nurimarket"),  # a single word in quotes is "too short" to GDELT
        (Brand(id=1, name='Nuri "Market"'), '"Nuri Market"'),
        (
            Brand(
                id=1, name="누리마켓", aliases=("Nuri-Market", "nuri-market"), any_terms=("AB(C)",)
            ),
            '(누리마켓 OR "Nuri-Market" OR "AB C")',
        ),
    ],
)
def test_a_brand_makes_a_query(
    net: Net, make_watch: Callable[..., Watch], now: datetime, brand: Brand, query: str
) -> None:
    asked = Gdelt(net).request(make_watch("gdelt", brand=brand), Position(now=now))
    assert asked.params["query"] == query


def test_an_own_query_is_left_as_it_is(
    net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    watch = make_watch("gdelt", query="(nuri OR market) theme:TAX", language="Korean")
    asked = Gdelt(net).request(watch, Position(now=now))
    assert asked.params["query"] == "(nuri OR market) theme:TAX sourcelang:korean"


@pytest.mark.parametrize(
    "said",
    [
        "Your query was too short or too long.",
        "The specified phrase is too short.",
        "Queries containing OR'd terms must be surrounded by ().",
        "Parentheses may only be used around OR'd statements.",
        "Invalid query start date. Dates must be within the last 3 months.",
    ],
)
def test_what_gdelt_refuses_in_plain_text_is_the_users_to_mend(
    server: WebServer, net: Net, make_watch: Callable[..., Watch], now: datetime, said: str
) -> None:
    server.pages[PATH] = Play(f"{said}\n", headers={"Content-Type": "text/html"})
    watch = make_watch("gdelt", base_url=server.url, brand=BRAND)
    with pytest.raises(InvalidInput) as caught:
        list(Gdelt(net).collect(watch, State(), now=now))
    assert said in caught.value.message
    assert caught.value.field == "query"


def test_a_watch_needs_words(net: Net, make_watch: Callable[..., Watch], now: datetime) -> None:
    with pytest.raises(InvalidInput):
        list(Gdelt(net).collect(make_watch("gdelt"), State(), now=now))


def test_gdelt_is_asked_slowly_and_a_server_of_ones_own_is_not(
    net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    source = Gdelt(net)
    rule = source.request(make_watch("gdelt", brand=BRAND), Position(now=now)).rule
    assert rule is not None
    assert rule.delay >= timedelta(seconds=5)
    own = make_watch("gdelt", brand=BRAND, base_url="http://127.0.0.1:1")
    assert source.request(own, Position(now=now)).rule is None


def test_a_quiet_watch_has_no_gap(
    server: WebServer, net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    watch = make_watch("gdelt", base_url=server.url, brand=BRAND)
    seen = (now - timedelta(days=1)).strftime("%Y%m%dT%H%M%SZ")
    article = f'{{"url": "https://news.example/1", "title": "N", "seendate": "{seen}"}}'
    server.pages[PATH] = [Play(f'{{"articles": [{article}]}}'), Play("{}")]
    state = State()
    for days in (0, 80, 160, 240):  # never rests for three months, nothing comes for eight
        (batch,) = Gdelt(net).collect(watch, state, now=now + timedelta(days=days))
        assert batch.complete
        assert not batch.gaps
        state = batch.state


def test_more_articles_of_a_quarter_of_an_hour_than_gdelt_shows_are_a_gap(
    server: WebServer, net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    slot = now - timedelta(hours=1)
    rows = [
        {"url": f"https://news.example/{n}", "title": "N", "seendate": f"{slot:%Y%m%dT%H%M%SZ}"}
        for n in range(MOST)
    ]
    full, none = Play(json.dumps({"articles": rows})), Play("{}")
    server.pages[PATH] = [full, full, none]
    watch = make_watch("gdelt", base_url=server.url, brand=BRAND)
    batches = list(Gdelt(net).collect(watch, State(), now=now))
    (gap,) = [gap for batch in batches for gap in batch.gaps]
    assert (gap.from_at, gap.to_at) == (slot, slot + timedelta(minutes=15))
    assert gap.why == GapReason.PAGE_CAP
    assert batches[-1].complete
    asked = [seen.query["enddatetime"] for seen in server.seen[1:]]
    assert asked == [f"{at:%Y%m%d%H%M%S}" for at in (slot, slot - timedelta(seconds=1))]
