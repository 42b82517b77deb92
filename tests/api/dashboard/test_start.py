"""The first steps: a brand's name, places that need no account, and collecting begins."""

from __future__ import annotations

from collections.abc import Callable

from starlette.testclient import TestClient

from listener.collect.presets import filled
from listener.runtime.wiring import Services
from listener.store import brands, watches

Csrf = Callable[..., str]
Visit = Callable[[Services], TestClient]


def test_one_form_makes_brand_and_watches(empty: Services, visit: Visit, csrf: Csrf) -> None:
    client = visit(empty)
    page = client.get("/").text
    assert "어느 브랜드의 이야기를 들을까요?" in page
    assert 'name="take.hackernews" value="yes" checked' in page
    assert 'name="take.appstore" value="yes">' in page  # needs an app first
    answer = client.post(
        "/start",
        data={
            "csrf": csrf(client),
            "name": "새벽 결",
            "aliases": "Saebyeok, 새벽결크림",
            "take.hackernews": "yes",
            "take.mastodon": "yes",
            "word.appstore": "https://apps.apple.com/kr/app/id362057947",
        },
    )
    assert answer.url.path == "/"
    assert "수집을 시작합니다" in answer.text
    assert "첫 글을 모으고 있습니다" in answer.text
    assert 'class="tiles"' not in answer.text  # a zero would be a lie
    with empty.database.read() as session:
        [brand] = brands.listing(session)
        found = {row.source: row for row in watches.listing(session)}
    assert (brand.name, brand.aliases) == ("새벽 결", ("Saebyeok", "새벽결크림"))
    assert brand.hashtags == ("새벽결",)
    assert set(found) == {"appstore", "hackernews", "mastodon"}
    assert found["appstore"].match == "all"
    assert {row.brand_id for row in found.values()} == {brand.id}


def test_a_preset_is_filled_with_the_name(empty: Services, visit: Visit, csrf: Csrf) -> None:
    client = visit(empty)
    [key] = [
        f"feed.{preset['name']}"
        for spec in empty.source_specs()
        for preset in spec["presets"]
        if spec["name"] == "feed" and preset["brand"] and "gl=KR" in str(preset["params"])
    ]
    client.post("/start", data={"csrf": csrf(client), "name": "새벽 결", f"take.{key}": "yes"})
    with empty.database.read() as session:
        [row] = watches.listing(session)
    assert "%EC%83%88%EB%B2%BD%20%EA%B2%B0" in row.params["url"]
    assert "{word}" not in row.params["url"]


def test_nothing_is_half_made(empty: Services, visit: Visit, csrf: Csrf) -> None:
    client = visit(empty)
    for data, said in (
        ({"name": "새벽결"}, "한 곳은 골라 주세요"),
        ({"take.hackernews": "yes"}, "브랜드 이름을 적어 주세요"),
        ({"name": "새벽결", "take.appstore": "yes"}, "꼭 적어야 하는 칸입니다"),
        ({"name": "새벽결", "word.appstore": "뭐지"}, "word.appstore-error"),
        ({"name": "결", "take.hackernews": "yes"}, "한 글자"),
    ):
        answer = client.post("/start", data={"csrf": csrf(client)} | data)
        assert answer.status_code == 422, data
        assert said in answer.text, data
    with empty.database.read() as session:
        assert brands.listing(session) == []
        assert watches.listing(session) == []


def test_a_brand_that_is_there_is_taken(empty: Services, visit: Visit, csrf: Csrf) -> None:
    client = visit(empty)
    client.post("/brands/new", data={"csrf": csrf(client), "name": "하늘빛", "action": "save"})
    assert 'value="하늘빛"' in client.get("/start").text
    form = {"csrf": csrf(client), "name": "하늘빛", "take.hackernews": "yes"}
    assert client.post("/start", data=form).url.path == "/"
    with empty.database.read() as session:
        assert len(brands.listing(session)) == 1


def test_words_are_encoded_where_they_stand_in_an_address() -> None:
    params = {"url": "https://n.example/?q={word}", "kind": "article", "tag": "{word}"}
    assert filled(params, " a&b ") == {
        "url": "https://n.example/?q=a%26b",
        "kind": "article",
        "tag": "a&b",
    }
