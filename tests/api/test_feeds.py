from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from xml.etree.ElementTree import fromstring

import feedparser
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from builders import NOW, a_mention, a_read_mention, stored_brand
from listener.store.work import Database
from writing import write

NASTY = "<script>alert('x')</script><img src=x onerror=alert(1)> & ]]> \x00\x07\x0b\ufffe\r\n😀 끝"
STORED = NASTY.replace("\x00", "")  # PostgreSQL has no NUL; cleaning takes it out before
FORMS = ("rss", "atom", "json")


@pytest.fixture
def brand(database: Database) -> int:
    with database.write() as work:
        brand = stored_brand(work.session, "하늘 & <b>")
        work.commit()
    write(
        database,
        *(a_read_mention(a_mention(str(n), f"글 {n}"), brand_ids=[brand.id]) for n in range(1, 6)),
        now=NOW - timedelta(minutes=5),
    )
    return brand.id


def parsed(client: TestClient, form: str, **params: str) -> Any:
    response = client.get(f"/feeds/mentions.{form}", params=params)
    assert response.status_code == 200, response.text
    if form == "json":
        assert response.headers["content-type"] == "application/feed+json"
        return response.json()
    assert response.headers["content-type"].startswith(f"application/{form}+xml")
    found = feedparser.parse(response.content, sanitize_html=False)
    assert not found.bozo, found.get("bozo_exception")
    return found


def test_feeds_are_valid_and_newest_first(client: TestClient, brand: int) -> None:
    rss, atom = parsed(client, "rss"), parsed(client, "atom")
    assert rss.version == "rss20"
    assert atom.version == "atom10"
    for feed in (rss, atom):
        assert [entry.id for entry in feed.entries] == [
            f"urn:listener:mention:{n}" for n in (5, 4, 3, 2, 1)
        ]
        entry = feed.entries[0]
        assert entry.title == "글 5"
        assert entry.link == "https://plaza.example/posts/5"
        assert entry.author == "a_u1"
        assert {tag.term for tag in entry.tags} == {
            *("하늘 & <b>", "negative", "complaint", "delivery")
        }
        assert entry.published_parsed[:5] == (2025, 3, 10, 11, 0)
    json = parsed(client, "json")
    assert json["version"] == "https://jsonfeed.org/version/1.1"
    assert [item["id"] for item in json["items"]] == [entry.id for entry in rss.entries]
    assert json["items"][0]["content_text"] == "글 5"
    assert json["items"][0]["date_published"] == "2025-03-10T11:00:00Z"
    assert "negative" in json["items"][0]["tags"]


def test_an_edit_keeps_its_id_and_comes_first(
    client: TestClient, database: Database, brand: int
) -> None:
    write(database, a_read_mention(a_mention("2", "고침"), brand_ids=[brand]))
    for form in ("rss", "atom"):
        first = parsed(client, form).entries[0]
        assert first.id == "urn:listener:mention:2"
        assert first.title == "고침"


@pytest.mark.parametrize("form", FORMS)
def test_html_in_a_post_stays_text(
    client: TestClient, database: Database, brand: int, form: str
) -> None:
    mention = a_mention("9", STORED, title=STORED, url="javascript:alert(1)")
    write(database, a_read_mention(mention, brand_ids=[brand]))
    response = client.get(f"/feeds/mentions.{form}")
    feed = parsed(client, form)
    if form == "json":
        item = feed["items"][0]
        assert item["content_text"] == STORED
        assert "content_html" not in item
        assert item["url"] == "http://testserver/mentions/6"
        return
    assert b"<script" not in response.content
    assert b"<img" not in response.content
    entry = feed.entries[0]
    assert entry.link == "http://testserver/mentions/6"
    shown = entry.content[0].value if form == "atom" else entry.description
    # What a reader shows of this HTML: text that says <script>, no element.
    assert "<script" not in shown
    assert "&lt;script&gt;alert(&#x27;x&#x27;)" in shown
    assert set(re.findall(r"<[^>]*>", shown)) == {"<br />"}
    assert "😀 끝" in shown
    assert "\x07" not in response.text
    fromstring(response.content)  # noqa: S314 - our own feed; a strict parser takes it


def test_no_character_breaks_the_xml(client: TestClient, database: Database, brand: int) -> None:
    for code in (*range(1, 32), 127, 0x85, 0x2028, 0xFFFE, 0xFFFF, 0x1FFFF):
        text = f"a{chr(code)}b"
        mention = a_mention(f"c{code}", text, title=text, url=f"https://x.example/{text}")
        write(database, a_read_mention(mention, brand_ids=[brand]))
    for form in ("rss", "atom"):
        root = fromstring(client.get(f"/feeds/mentions.{form}").content)  # noqa: S314 - our own
        assert len(list(root.iter())) > 37


@pytest.mark.parametrize("form", FORMS)
def test_not_modified_until_something_changes(
    client: TestClient, database: Database, brand: int, form: str
) -> None:
    url = f"/feeds/mentions.{form}"
    first = client.get(url)
    by_tag = {"If-None-Match": f'"other", {first.headers["etag"]}'}
    by_time = {"If-Modified-Since": first.headers["last-modified"]}
    for headers in (by_tag, by_time, {"If-None-Match": "*"}):
        answer = client.get(url, headers=headers)
        assert answer.status_code == 304
        assert answer.content == b""
        assert answer.headers["etag"] == first.headers["etag"]
    # The tag decides where both are sent.
    both = {"If-None-Match": '"other"', "If-Modified-Since": first.headers["last-modified"]}
    assert client.get(url, headers=both).status_code == 200
    # Another filter is another feed.
    assert client.get(url, params={"limit": 2}, headers=by_tag).status_code == 200

    write(database, a_read_mention(a_mention("9"), brand_ids=[brand]))
    for headers in (by_tag, by_time):
        assert client.get(url, headers=headers).status_code == 200
    assert client.get(url, headers={"If-Modified-Since": "nonsense"}).status_code == 200


def test_no_modification_time_within_its_own_second(
    client: TestClient, database: Database, brand: int
) -> None:
    write(database, a_read_mention(a_mention("9"), brand_ids=[brand]), now=NOW)
    answer = client.get("/feeds/mentions.rss")
    assert "last-modified" not in answer.headers
    assert "etag" in answer.headers


def test_pages_lead_to_older_entries(client: TestClient, brand: int) -> None:
    seen: list[str] = []
    url: str | None = "http://testserver/feeds/mentions.json?limit=2&brand=1"
    while url:
        page = client.get(url).json()
        assert len(page["items"]) <= 2
        seen += [item["id"].rpartition(":")[2] for item in page["items"]]
        url = page.get("next_url")
    assert seen == ["5", "4", "3", "2", "1"]
    atom = parsed(client, "atom", limit="2")
    (following,) = [link.href for link in atom.feed.links if link.rel == "next"]
    assert [e.title for e in feedparser.parse(client.get(following).content).entries] == [
        *("글 3", "글 2")
    ]


def test_filters_and_unknown_parameters(
    client: TestClient, brand: int, is_problem: Callable[..., dict[str, Any]]
) -> None:
    assert not parsed(client, "rss", sentiment="positive").entries
    assert parsed(client, "rss", brand="1").feed.title == "멘션: 하늘 & <b>"
    body = is_problem(client.get("/feeds/mentions.rss?brandd=1"), 400, "invalid")
    assert "brand" in str(body["hint"])
    is_problem(client.get("/feeds/mentions.atom?cursor=x"), 400, "invalid")


def test_key_in_the_address_works_here_and_shows_in_no_self_link(
    anyone: TestClient, make_key: Callable[..., str], brand: int
) -> None:
    key = make_key("read")
    for form in FORMS:
        assert anyone.get(f"/feeds/mentions.{form}").status_code == 401
        page = anyone.get(f"/feeds/mentions.{form}?limit=2&key={key}")
        assert page.status_code == 200
        assert page.headers["cache-control"] == "private, no-cache"
    body = anyone.get(f"/feeds/mentions.json?limit=2&key={key}").json()
    assert key not in body["feed_url"]
    assert len(anyone.get(body["next_url"]).json()["items"]) == 2  # works by itself
    assert anyone.get(f"/api/v1/mentions?key={key}").status_code == 401


def test_head_answers_without_a_body(client: TestClient, brand: int) -> None:
    answer = client.head("/feeds/mentions.rss")
    assert answer.status_code == 200
    assert answer.content == b""
    assert answer.headers["etag"]


def test_links_use_the_public_address(
    make_app: Callable[..., FastAPI], make_key: Callable[..., str], brand: int
) -> None:
    app = make_app(public_url="https://listener.example/", language="en")
    with TestClient(app, headers={"X-API-Key": make_key("read")}) as client:
        page = client.get("/feeds/mentions.json").json()
    assert page["feed_url"] == "https://listener.example/feeds/mentions.json"
    assert page["home_page_url"] == "https://listener.example/"
    assert page["title"] == "Mentions"
