"""The Mastodon source beyond its recorded answers: several instances, the token, own words."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from listener.collect.sources.mastodon import Mastodon
from listener.errors import AuthRejected, InvalidInput, SourceError
from listener.net.client import Net
from listener.types import Brand, State, Watch
from webserver import Play, WebServer

JSON = {"Content-Type": "application/json; charset=utf-8"}
PATH = "/api/v1/timelines/tag/nuri"


def status(number: int, at: datetime, uri: str, **more: Any) -> dict[str, Any]:
    return {
        "id": str(number),
        "uri": uri,
        "url": uri.replace("/users/", "/@").replace("/statuses", ""),
        "created_at": at.isoformat(),
        "content": f"<p>{number}</p>",
        "visibility": "public",
        "account": {"id": "1", "acct": "minsu@mas.example", "url": "https://mas.example/@minsu"},
        **more,
    }


def played(*rows: dict[str, Any], code: int = 200, **headers: str) -> Play:
    return Play(json.dumps(list(rows)), status=code, headers={**JSON, **headers})


def test_a_post_on_two_instances_has_one_identity(
    net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    uri = "https://mas.example/users/minsu/statuses/7"
    with WebServer() as one, WebServer() as two:
        one.pages[PATH] = played(status(7, now, uri))
        two.pages[PATH] = played(status(900, now, uri))
        watch = make_watch("mastodon", instances=f"{one.url}, {two.url}", tags="nuri")
        batches = list(Mastodon(net).collect(watch, State(), now=now))
    items = [item for batch in batches for item in batch.items]
    assert [(item.namespace, item.external_id) for item in items] == [("", uri), ("", uri)]
    assert {(item.author and item.author.native_id) for item in items} == {
        "https://mas.example/@minsu"
    }
    assert [batch.complete for batch in batches] == [False, True]
    assert len(batches[-1].state.cursor["lanes"]) == 2


@pytest.mark.parametrize("refusal", [401, 429, 503])
def test_an_instance_that_refuses_does_not_keep_the_others_from_being_read(
    net: Net, make_watch: Callable[..., Watch], now: datetime, refusal: int
) -> None:
    with WebServer() as one, WebServer() as two:
        one.pages[PATH] = Play('{"error":"no"}', status=refusal, headers=JSON)
        two.pages[PATH] = played(status(1, now, "https://mas.example/users/minsu/statuses/1"))
        watch = make_watch("mastodon", instances=f"{one.url} {two.url}", tags="nuri")
        batches = Mastodon(net).collect(watch, State(), now=now)
        first = next(batches)
        with pytest.raises(SourceError, match=str(one.port)) as caught:
            next(batches)
    assert len(first.items) == 1
    assert not first.complete
    assert isinstance(caught.value, AuthRejected) == (refusal == 401)


def test_the_token_goes_to_the_first_instance_only(
    net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    with WebServer() as one, WebServer() as two:
        one.pages[PATH] = two.pages[PATH] = played()
        watch = make_watch(
            "mastodon",
            instances=f"{one.url},{two.url}",
            tags="nuri",
            credentials={"access_token": "s3cret-of-one"},
        )
        list(Mastodon(net).collect(watch, State(), now=now))
        assert one.seen[0].headers["authorization"] == "Bearer s3cret-of-one"
        assert "s3cret" not in str(two.seen)


def test_the_base_url_replaces_bare_hosts_and_only_those(
    net: Net, make_watch: Callable[..., Watch], now: datetime, server: WebServer
) -> None:
    server.pages[PATH] = played()
    with WebServer() as other:
        other.pages[PATH] = played()
        watch = make_watch(
            "mastodon",
            base_url=server.url,
            instances=f"mas.example, {other.url}",
            tags="nuri",
        )
        list(Mastodon(net).collect(watch, State(), now=now))
        assert (server.paths, other.paths) == ([PATH], [PATH])


def test_a_post_from_the_future_hides_nothing(
    net: Net, make_watch: Callable[..., Watch], now: datetime, server: WebServer
) -> None:
    far = status(9, now + timedelta(days=400), "https://mas.example/users/minsu/statuses/9")
    server.pages[PATH] = played(far)
    watch = make_watch("mastodon", base_url=server.url, tags="nuri")
    *_, last = Mastodon(net).collect(watch, State(), now=now)
    [track] = last.state.cursor["lanes"].values()
    assert datetime.fromisoformat(track["mark"]["at"]) == now


@pytest.mark.parametrize(
    ("params", "brand", "lanes"),
    [
        ({}, Brand(id=1, name="Nuri Market", hashtags=("누리마켓",)), ["m.example #누리마켓"]),
        ({}, Brand(id=1, name="Nuri Market"), ["m.example #NuriMarket"]),
        ({"tags": "#a,b  c d e F f"}, None, ["m.example #a #b #c #d #e", "m.example #F"]),
        (
            {"mode": "search"},
            Brand(id=1, name="Nuri Market", aliases=("누리마켓", "nuri market")),
            ['m.example "Nuri Market"', "m.example 누리마켓"],
        ),
        ({"mode": "account", "account": "nuri"}, None, ["@nuri@m.example"]),
        ({"mode": "account", "account": "@nuri@x.example"}, None, ["@nuri@x.example"]),
    ],
)
def test_lanes_say_what_is_asked_of_whom(
    net: Net, make_watch: Callable[..., Watch], params: Any, brand: Any, lanes: list[str]
) -> None:
    watch = make_watch("mastodon", brand=brand, **{"instances": "m.example", **params})
    assert list(Mastodon(net).lanes(watch)) == lanes


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({}, "tags"),
        ({"tags": "two-words"}, "tags"),
        ({"mode": "search"}, "query"),
        ({"mode": "account"}, "account"),
        ({"mode": "account", "account": "https://x"}, "account"),
        ({"tags": "a", "instances": "ftp://x"}, "instances"),
    ],
)
def test_watches_that_make_no_sense_are_told(
    net: Net, make_watch: Callable[..., Watch], now: datetime, params: Any, field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        list(Mastodon(net).collect(make_watch("mastodon", **params), State(), now=now))
    assert caught.value.field == field
