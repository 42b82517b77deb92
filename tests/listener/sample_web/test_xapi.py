"""The X-shaped API keeps the promises a poller relies on."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from listener.sample_web.xapi import XOptions

from .conftest import START, HandClock

AUTH = {"Authorization": "Bearer demo"}
QUERY = '(누리마켓 OR "Nurimarket" OR #누리마켓 OR @nurimarket) -is:retweet'
URL = "/2/tweets/search/recent"


def ask(client: TestClient, **params: Any) -> dict[str, Any]:
    answer = client.get(URL, params={"query": QUERY, **params}, headers=AUTH)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def walk(client: TestClient, size: int = 100, **params: Any) -> list[int]:
    """Every id of a search, page by page."""
    ids: list[int] = []
    token: dict[str, str] = {}
    while True:
        page = ask(client, max_results=size, **params, **token)
        told = [int(post["id"]) for post in page.get("data", [])]
        assert page["meta"]["result_count"] == len(told)
        if told:
            assert page["meta"]["newest_id"] == str(told[0])
            assert page["meta"]["oldest_id"] == str(told[-1])
        ids += told
        if "next_token" not in page["meta"]:
            return ids
        token = {"next_token": page["meta"]["next_token"]}


@pytest.mark.parametrize("size", [10, 37, 100])
def test_pages_cover_every_post_once_newest_first(client: TestClient, size: int) -> None:
    ids = walk(client, size)
    assert len(ids) > 300
    assert ids == sorted(set(ids), reverse=True)
    assert ids == walk(client, 100)


def test_since_id_brings_exactly_what_is_new(client: TestClient, clock: HandClock) -> None:
    before = walk(client)
    clock.forward(minutes=25)
    fresh = walk(client, since_id=before[0])
    assert len(fresh) > 10
    assert sorted(fresh + before) == sorted(walk(client))
    assert min(fresh) > before[0]
    assert walk(client, since_id=max(fresh)) == []


def test_since_id_and_until_id_cut_out_a_window(client: TestClient) -> None:
    ids = walk(client)
    assert walk(client, 10, since_id=ids[40], until_id=ids[10]) == ids[11:40]


def test_posts_arriving_while_paging_move_nothing(client: TestClient, clock: HandClock) -> None:
    expected = walk(client)
    ids: list[int] = []
    token: dict[str, str] = {}
    while True:
        page = ask(client, max_results=50, **token)
        ids += [int(post["id"]) for post in page["data"]]
        if "next_token" not in page["meta"]:
            break
        token = {"next_token": page["meta"]["next_token"]}
        clock.forward(minutes=2)
    assert ids == expected


def test_start_and_end_time(client: TestClient) -> None:
    begin, end = START - timedelta(hours=30), START - timedelta(hours=6)
    page = ask(
        client,
        max_results=100,
        start_time=begin.strftime("%Y-%m-%dT%H:%M:%SZ"),
        end_time=end.strftime("%Y-%m-%dT%H:%M:%SZ"),
        **{"tweet.fields": "created_at"},
    )
    stamps = [post["created_at"] for post in page["data"]]
    assert stamps
    assert all(begin.isoformat() < s.replace("Z", "+00:00") < end.isoformat() for s in stamps)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stamp) for stamp in stamps)


def test_nothing_found_has_no_data(client: TestClient) -> None:
    assert ask(client, query="없는단어입니다") == {"meta": {"result_count": 0}}


def test_only_asked_fields_are_told(client: TestClient) -> None:
    plain = ask(client)
    assert set(plain) == {"data", "meta"}
    assert all(set(post) == {"id", "text", "edit_history_tweet_ids"} for post in plain["data"])
    full = ask(
        client,
        expansions="author_id",
        **{
            "tweet.fields": "created_at,lang,public_metrics,conversation_id",
            "user.fields": "public_metrics",
        },
    )
    post, user = full["data"][0], full["includes"]["users"][0]
    assert set(post) >= {"author_id", "created_at", "lang", "public_metrics", "conversation_id"}
    assert {p["author_id"] for p in full["data"]} == {u["id"] for u in full["includes"]["users"]}
    assert isinstance(user["public_metrics"]["followers_count"], int)


def test_retweets_refer_to_what_they_repeat(client: TestClient) -> None:
    page = ask(
        client,
        query="누리마켓 is:retweet",
        max_results=100,
        expansions="referenced_tweets.id",
    )
    originals = {post["id"] for post in page["includes"]["tweets"]}
    for post in page["data"]:
        assert post["text"].startswith("RT @")
        assert post["referenced_tweets"][0]["type"] == "retweeted"
        assert post["referenced_tweets"][0]["id"] in originals


def test_text_is_escaped_as_x_does(client: TestClient) -> None:
    texts = [post["text"] for post in ask(client, query="누리마켓 script", max_results=100)["data"]]
    assert any("&lt;script&gt;" in text and "&amp;" in text for text in texts)
    assert not any("<" in text for text in texts)


def test_without_a_token_nothing_is_told(client: TestClient) -> None:
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Basic abc"}):
        answer = client.get(URL, params={"query": QUERY}, headers=headers)
        assert answer.status_code == 401
        assert answer.json() == {
            "title": "Unauthorized",
            "detail": "Unauthorized",
            "type": "about:blank",
            "status": 401,
        }


def test_a_set_token_is_the_only_one(make_client: Callable[..., TestClient]) -> None:
    client = make_client(x=XOptions(token="right"))
    for token, status in (("right", 200), ("wrong", 401)):
        headers = {"Authorization": f"Bearer {token}"}
        assert client.get(URL, params={"query": QUERY}, headers=headers).status_code == status


def test_the_limit_holds_until_its_window_ends(
    make_client: Callable[..., TestClient], clock: HandClock
) -> None:
    client = make_client(x=XOptions(limit=3))
    left = []
    for _ in range(3):
        answer = client.get(URL, params={"query": QUERY}, headers=AUTH)
        left.append(int(answer.headers["x-rate-limit-remaining"]))
    assert left == [2, 1, 0]
    refused = client.get(URL, params={"query": QUERY}, headers=AUTH)
    assert refused.status_code == 429
    assert refused.json()["title"] == "Too Many Requests"
    reset = int(refused.headers["x-rate-limit-reset"])
    assert reset == int((START + timedelta(minutes=15)).timestamp())
    assert client.get("/2/users/by/username/nurimarket", headers=AUTH).status_code == 200
    clock.forward(minutes=15)
    assert client.get(URL, params={"query": QUERY}, headers=AUTH).status_code == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("query", "lang:ko"),
        ("query", ""),
        ("max_results", "9"),
        ("max_results", "101"),
        ("max_results", "ten"),
        ("since_id", "abc"),
        ("since_id", "1"),
        ("start_time", "2026-11-01"),
        ("start_time", "2026-11-01T00:00:00Z"),
        ("end_time", "2026-11-18T11:00:00Z"),
        ("next_token", "nonsense"),
        ("tweet.fields", "created_at,colour"),
        ("expansions", "mood"),
    ],
)
def test_a_wrong_parameter_is_named(client: TestClient, name: str, value: str) -> None:
    answer = client.get(URL, params={"query": QUERY} | {name: value}, headers=AUTH)
    assert answer.status_code == 400
    body = answer.json()
    assert body["title"] == "Invalid Request"
    assert name in body["errors"][0]["parameters"]
    assert body["errors"][0]["message"]


def test_a_token_belongs_to_its_query(client: TestClient) -> None:
    token = ask(client)["meta"]["next_token"]
    answer = client.get(URL, params={"query": "해든샵", "next_token": token}, headers=AUTH)
    assert answer.status_code == 400


def test_the_search_reaches_back_as_far_as_it_says(
    make_client: Callable[..., TestClient],
) -> None:
    short = walk(make_client(x=XOptions(days=2, limit=10_000)))
    assert 0 < len(short) < len(walk(make_client()))


def test_users_and_their_mentions(client: TestClient) -> None:
    user = client.get("/2/users/by/username/nurimarket", headers=AUTH).json()["data"]
    assert user["username"] == "nurimarket"
    ids: list[str] = []
    token: dict[str, str] = {}
    while True:
        params = {"max_results": "20", **token}
        page = client.get(f"/2/users/{user['id']}/mentions", params=params, headers=AUTH).json()
        assert all("@nurimarket" in post["text"].lower() for post in page["data"])
        ids += [post["id"] for post in page["data"]]
        if "next_token" not in page["meta"]:
            break
        token = {"pagination_token": page["meta"]["next_token"]}
    assert len(ids) == len(set(ids)) > 40


def test_an_unknown_user_is_an_error_inside_a_200(client: TestClient) -> None:
    answer = client.get("/2/users/by/username/nobody_here", headers=AUTH)
    assert answer.status_code == 200
    assert "data" not in answer.json()
    assert answer.json()["errors"][0]["title"] == "Not Found Error"
    assert client.get("/2/users/by/username/not-a-name", headers=AUTH).status_code == 400
