"""The real process: one line of JSON, then an ordinary client library talks to it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import pytest
import requests
import tweepy
from requests.adapters import HTTPAdapter
from starlette.testclient import TestClient

from listener.sample_web.__main__ import main, options_from


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    command = [sys.executable, "-m", "listener.sample_web", "--days", "3", "--x-token", "demo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()
            process.wait(20)


class _Here(HTTPAdapter):
    """Sends what is meant for the real host to the sample web."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address

    def send(self, request: requests.PreparedRequest, **rest: Any) -> requests.Response:  # type: ignore[override]
        assert request.url is not None
        request.url = request.url.replace("https://api.twitter.com", self._address)
        return super().send(request, **rest)


def tweepy_client(address: str, token: str) -> tweepy.Client:
    client = tweepy.Client(token)
    client.session.mount("https://api.twitter.com", _Here(address))
    return client


def test_it_says_where_it_is_and_answers(address: str) -> None:
    with urlopen(address + "/_sample/state.json") as answer:  # noqa: S310 - our own loopback
        state = json.load(answer)
    assert state["channels"]["x"]["total"] > 300
    assert state["wave"]["brand"] == "nurimarket"


def test_tweepy_reads_it(address: str) -> None:
    client = tweepy_client(address, "demo")
    found = client.search_recent_tweets(
        "누리마켓 -is:retweet",
        max_results=100,
        tweet_fields=["created_at", "lang", "public_metrics"],
        expansions=["author_id"],
        user_fields=["public_metrics"],
    )
    assert len(found.data) == 100
    assert found.data[0].created_at is not None
    assert found.includes["users"][0].public_metrics["followers_count"] >= 0
    user = client.get_user(username="nurimarket").data
    assert client.get_users_mentions(user.id, max_results=5).data


def test_tweepy_sees_the_refusals(address: str) -> None:
    with pytest.raises(tweepy.Unauthorized):
        tweepy_client(address, "wrong").search_recent_tweets("누리마켓")
    with pytest.raises(tweepy.BadRequest, match="positive"):
        tweepy_client(address, "demo").search_recent_tweets("lang:ko")


def test_a_taken_port_is_told_in_words(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    port = address.rpartition(":")[2]
    assert main(["--port", port]) == 1
    assert "cannot listen" in capsys.readouterr().err


def test_the_command_line_decides_the_plan() -> None:
    options, port = options_from(
        ["--seed", "3", "--start", "2026-11-01T09:00+09:00", "--no-wave", "--x-days", "28"]
    )
    assert port == 0
    assert options.plan.seed == 3
    assert options.plan.start.isoformat() == "2026-11-01T00:00:00+00:00"
    assert options.plan.wave_start is None
    assert options.x.days == 28


@pytest.mark.parametrize("wrong", [["--start", "2026-11-01T09:00"], ["--days", "0"]])
def test_nonsense_on_the_command_line_is_refused(wrong: list[str]) -> None:
    with pytest.raises(SystemExit):
        options_from(wrong)


def test_pages_are_written_in_both_languages(client: TestClient) -> None:
    page = client.get("/").text
    assert "샘플 웹" in page
    assert "sample web" in page
    assert client.get("/_sample/static/style.css").status_code == 200
    assert client.get("/nothing").status_code == 404


def test_a_post_has_a_page(client: TestClient) -> None:
    headers = {"Authorization": "Bearer any"}
    params = {"query": "누리마켓 script", "expansions": "author_id"}
    found = client.get("/2/tweets/search/recent", params=params, headers=headers).json()
    name, number = found["includes"]["users"][0]["username"], found["data"][0]["id"]
    page = client.get(f"/{name}/status/{number}").text
    assert "누리마켓" in page
    assert "<script>" not in page
