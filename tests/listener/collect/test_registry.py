"""Which sources there are, and what their watches may say."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from listener.collect.push import PUSHED
from listener.collect.registry import (
    Registry,
    check_params,
    find_pollers,
    find_sources,
    in_two,
    spec_json,
)
from listener.errors import InvalidInput
from listener.net.client import Net
from listener.types import Credential, Kind, Param, SourceSpec

SPEC = SourceSpec(
    name="plaza",
    title="Plaza",
    title_ko="플라자",
    every=timedelta(minutes=10),
    kind=Kind.POST,
    base_url="https://api.plaza.example",
    credentials=(Credential(name="token", title="Access token"),),
    params=(
        Param(name="url", title="Address", title_ko="주소", kind="url", required=True,
              example="https://plaza.example/feed"),
        Param(name="mode", title="Mode", title_ko="방식", choices=("search", "mentions"),
              default="search"),
        Param(name="days", title="Days", title_ko="일수", kind="integer", example="7"),
        Param(name="share", title="Share", title_ko="비율", kind="number"),
        Param(name="replies", title="Replies", title_ko="답글", kind="boolean"),
        Param(name="query", title="Query", title_ko="검색어"),
    ),
)  # fmt: skip
URL = {"url": "https://plaza.example/feed"}


def test_sources_are_found_by_themselves() -> None:
    found = find_pollers()
    assert {"feed", "x"} <= set(found)
    for name, poller in found.items():
        spec = poller.spec
        assert spec.name == name
        assert spec.title
        assert spec.title_ko
        assert poller.__doc__
        json.dumps(spec_json(spec))


def test_values_are_checked_and_written_one_way() -> None:
    checked = check_params(
        SPEC,
        {"url": " plaza.example/feed ", "mode": "Mentions", "days": "1,000", "replies": "Yes",
         "query": "", "share": "0.5"},
    )  # fmt: skip
    assert checked == {
        "url": "https://plaza.example/feed",
        "mode": "mentions",
        "days": "1000",
        "replies": "true",
        "share": "0.5",
    }
    assert check_params(SPEC, URL) == {**URL, "mode": "search"}
    assert check_params(SPEC, checked) == checked


@pytest.mark.parametrize(
    ("params", "field", "words"),
    [
        ({}, "url", "needs url"),
        ({"url": "   "}, "url", "For example: url=https://plaza.example/feed"),
        ({"url": "ftp://plaza.example"}, "url", "web address"),
        ({"url": "https://"}, "url", "web address"),
        ({"url": "http://[::1"}, "url", "web address"),
        ({**URL, "mode": "stream"}, "mode", "search, mentions"),
        ({**URL, "days": "many"}, "days", "whole number"),
        ({**URL, "share": "nan"}, "share", "a number"),
        ({**URL, "replies": "perhaps"}, "replies", "true or false"),
        ({**URL, "querry": "x"}, "querry", "Did you mean 'query'"),
        ({**URL, "zzz": "x"}, "zzz", "There is: days"),
        ({**URL, "query": "x" * 5_000}, "query", "too long"),
    ],
)
def test_what_is_wrong_is_named(params: dict[str, str], field: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_params(SPEC, params)
    assert caught.value.field == field
    assert words in str(caught.value)


def test_a_spec_as_json() -> None:
    data: dict[str, Any] = spec_json(SPEC)
    assert data["params"]["required"] == ["url"]
    assert data["params"]["properties"]["mode"] == {
        "type": "string",
        "title": "Mode",
        "title_ko": "방식",
        "description": "",
        "description_ko": "",
        "enum": ["search", "mentions"],
        "default": "search",
    }
    assert data["params"]["properties"]["url"]["format"] == "uri"
    assert data["base_url_setting"] == "LISTENER_PLAZA__BASE_URL"
    assert data["credentials"][0]["setting"] == "LISTENER_PLAZA__TOKEN"
    assert data["every_seconds"] == 600


def test_unknown_sources_are_told(make_net: Callable[..., Net]) -> None:
    feed = find_pollers()["feed"](make_net())
    registry = Registry({"feed": feed})
    assert registry.names() == ["feed"]
    assert registry.collector("feed") is feed
    assert registry.spec("feed") is feed.spec
    with pytest.raises(InvalidInput, match="Did you mean 'feed'"):
        registry.spec("feeds")


def test_sources_that_come_by_themselves_are_listed_and_not_watched(
    make_net: Callable[..., Net],
) -> None:
    registry = Registry({"feed": find_pollers()["feed"](make_net())}, PUSHED)
    assert [spec.name for spec in registry.specs()] == ["feed", "file", "webhook"]
    assert registry.names() == ["feed"]
    with pytest.raises(InvalidInput, match="listener inbound add"):
        registry.spec("webhook")
    assert spec_json(PUSHED[0])["push"]


def test_a_source_need_not_speak_http() -> None:
    found = find_sources()
    assert "email" in found
    assert "email" not in find_pollers()
    assert find_pollers().items() < found.items()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("무료. Free.", ("무료.", "Free.")),
        ("예: nuri.bsky.social. The handle.", ("예: nuri.bsky.social.", "The handle.")),
        ("하루 1,000회; 그뿐입니다. 1,000 a day; no more.",
         ("하루 1,000회; 그뿐입니다.", "1,000 a day; no more.")),
        ("비우면 주소의 국가, 없으면 kr. Left out: kr.",
         ("비우면 주소의 국가, 없으면 kr.", "Left out: kr.")),
        ("Only English.", ("", "Only English.")),
        ("한국어뿐", ("한국어뿐", "")),
        ("", ("", "")),
    ],
)  # fmt: skip
def test_texts_in_two_languages_are_told_apart(text: str, parts: tuple[str, str]) -> None:
    assert in_two(text) == parts


@pytest.mark.parametrize("name", sorted(find_sources()))
def test_a_spec_speaks_both_languages(name: str) -> None:
    spec = find_sources()[name].spec
    told = [spec.cost, spec.limits, spec.terms, *(one.help for one in spec.params)]
    told += [one.help for one in spec.credentials]
    assert [text for text in told if text and not all(in_two(text))] == []
    assert spec.title_ko
    assert all(one.title_ko for one in spec.params)
