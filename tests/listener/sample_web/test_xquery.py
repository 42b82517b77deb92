"""The search language: what matches, and what is refused."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from listener.sample_web.model import Author, Item
from listener.sample_web.xquery import QueryError, compile_query, prepare

AT = datetime(2026, 11, 1, tzinfo=UTC)
SOMEONE = Author(id="1", name="수달", username="Sudal", followers=1, joined=AT)
POST = Item(
    channel="x",
    id="1",
    appears=AT,
    published=AT,
    author=SOMEONE,
    text="@nurimarket 누리마켓에서 산 딸기, Blue Basket beats none #누리마켓배송 https://a.example/1",
    lang="ko",
    stance="neutral",
)


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ("누리마켓", True),
        ("누리마켓 딸기", True),
        ("누리마켓 사과", False),
        ("사과 OR 딸기", True),
        ("(사과 OR 딸기) blue", True),
        ("사과 OR 딸기 lemon", False),
        ("#누리마켓", False),
        ("#누리마켓배송", True),
        ("@NuriMarket", True),
        ("@nuri", False),
        ("bask", False),
        ('"blue basket"', True),
        ('"basket blue"', False),
        ("blue -basket", False),
        ("blue -(사과 OR 수박)", True),
        ("from:sudal", True),
        ("to:nurimarket", True),
        ("누리마켓 lang:ko has:links -is:retweet", True),
        ("누리마켓 lang:en", False),
        ("누리마켓 is:reply", False),
    ],
)
def test_matching(query: str, matches: bool) -> None:
    assert compile_query(query)(prepare(POST)) is matches


def test_retweets_can_be_left_out() -> None:
    repost = prepare(replace(POST, relation="retweet"))
    assert compile_query("누리마켓")(repost)
    assert not compile_query("누리마켓 -is:retweet")(repost)


@pytest.mark.parametrize(
    "query",
    ["", "  ", "lang:ko", "-누리마켓", "-is:retweet", "(누리마켓", "누리마켓)", "a OR", "is:cat x",
     '"open', "x" * 513],
)  # fmt: skip
def test_refused(query: str) -> None:
    with pytest.raises(QueryError):
        compile_query(query)
