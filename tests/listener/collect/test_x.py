"""The X source beyond its recorded answers: queries, secrets, refusals of the user's own making."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.collect.sources.x import MAX_QUERY, X, brand_query
from listener.errors import InvalidInput
from listener.net.client import Net
from listener.types import Brand, State, Watch
from webserver import Play, WebServer

EMPTY = Play(
    json.dumps({"meta": {"result_count": 0}}), headers={"Content-Type": "application/json"}
)


@pytest.mark.parametrize(
    ("brand", "query"),
    [
        (Brand(id=1, name="누리마켓"), "누리마켓 -is:retweet"),
        (
            Brand(
                id=1, name="Nuri Market", aliases=("누리마켓", "누리마켓"),
                hashtags=("누리", "#nuri"), handles=("@nuri",),
            ),
            '("Nuri Market" OR 누리마켓 OR #누리 OR #nuri OR @nuri) -is:retweet',
        ),
        (
            Brand(id=1, name="애플", all_terms=("배송",), none_terms=("사과 주스", "애플망고")),
            '애플 -is:retweet 배송 -"사과 주스" -애플망고',
        ),
        (
            Brand(id=1, name='A"B OR', aliases=("OR", "a:b", "-x")),
            '("A B OR" OR "OR" OR "a:b" OR "-x") -is:retweet',
        ),
    ],
)  # fmt: skip
def test_a_brand_makes_a_query(brand: Brand, query: str) -> None:
    assert brand_query(brand) == query


def test_a_query_that_is_too_long_says_so_and_narrowing_is_left_out_first() -> None:
    long = Brand(id=1, name="x", aliases=tuple(f"누리마켓 지점 {n}" for n in range(60)))
    with pytest.raises(InvalidInput, match="X takes 512") as caught:
        brand_query(long)
    assert caught.value.field == "query"
    narrow = Brand(id=1, name="누리마켓", none_terms=tuple(f"제외어 {n}" for n in range(80)))
    assert MAX_QUERY - 20 < len(brand_query(narrow)) <= MAX_QUERY


WORDS = st.text(max_size=12)


@given(
    st.builds(
        Brand, id=st.just(1), name=WORDS, aliases=st.tuples(WORDS), none_terms=st.tuples(WORDS)
    )
)
def test_any_brand_makes_a_well_formed_query_or_is_refused(brand: Brand) -> None:
    try:
        query = brand_query(brand)
    except InvalidInput:
        return
    assert len(query) <= MAX_QUERY
    assert query.count('"') % 2 == 0
    assert "-is:retweet" in query


@pytest.mark.parametrize(
    ("params", "brand", "field"),
    [
        ({}, None, "query"),
        ({"query": "x" * 513}, None, "query"),
        ({"mode": "mentions"}, None, "user"),
        ({"mode": "mentions", "user": "not an account"}, None, "user"),
        ({}, Brand(id=1, name=""), "query"),
    ],
)
def test_watches_that_make_no_sense_are_told(
    net: Net, make_watch: Callable[..., Watch], now: datetime, params: Any, brand: Any, field: str
) -> None:
    watch = make_watch("x", brand=brand, credentials={"bearer_token": "t"}, **params)
    with pytest.raises(InvalidInput) as caught:
        list(X(net).collect(watch, State(), now=now))
    assert caught.value.field == field


def test_a_query_that_x_refuses_is_the_users_to_mend(
    net: Net, server: WebServer, make_watch: Callable[..., Watch], now: datetime
) -> None:
    server.pages["/2/tweets/search/recent"] = Play(
        json.dumps(
            {
                "errors": [{"parameters": {"query": ["(x"]}, "message": "missing ) at the end"}],
                "title": "Invalid Request",
                "detail": "One or more parameters to your request was invalid.",
            }
        ),
        status=400,
        headers={"Content-Type": "application/json"},
    )
    watch = make_watch("x", base_url=server.url, credentials={"bearer_token": "t"}, query="(x")
    with pytest.raises(InvalidInput, match="missing \\) at the end") as caught:
        list(X(net).collect(watch, State(), now=now))
    assert caught.value.field == "query"


def test_the_token_goes_to_the_base_url_only_and_into_no_log(
    net: Net, server: WebServer, make_watch: Callable[..., Watch], now: datetime, caplog: Any
) -> None:
    server.pages["/2/tweets/search/recent"] = Play(status=307, headers={"Location": "/elsewhere"})
    server.pages["/elsewhere"] = EMPTY
    watch = make_watch(
        "x", base_url=server.url, credentials={"bearer_token": "t0p-s3cret"}, query="x"
    )
    with caplog.at_level(logging.DEBUG):
        list(X(net).collect(watch, State(), now=now))
    assert server.seen[0].headers["authorization"] == "Bearer t0p-s3cret"
    assert "t0p-s3cret" not in str(server.seen[1])
    assert "t0p-s3cret" not in caplog.text
    assert "t0p-s3cret" not in repr(watch)
    assert server.seen[0].headers["user-agent"] == net.settings.user_agent


def test_every_field_that_is_read_is_asked_for(
    net: Net, server: WebServer, make_watch: Callable[..., Watch], now: datetime
) -> None:
    server.pages["/2/tweets/search/recent"] = EMPTY
    watch = make_watch("x", base_url=server.url, credentials={"bearer_token": "t"}, query="x")
    list(X(net).collect(watch, State(), now=now))
    [seen] = server.seen
    fields = set(seen.query["tweet.fields"].split(","))
    assert {
        "created_at",
        "author_id",
        "lang",
        "public_metrics",
        "referenced_tweets",
        "note_tweet",
    } <= fields
    assert "username" in seen.query["user.fields"]
    assert seen.query["expansions"] == "author_id,attachments.media_keys"
    assert seen.query["max_results"] == "100"
