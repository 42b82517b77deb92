"""The feeds parse, tell what is new, and save their callers the bytes they have."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import feedparser
import pytest
from starlette.testclient import TestClient

from .conftest import START, HandClock

FEEDS = ["/news/rss.xml", "/forum/atom.xml"]


@pytest.mark.parametrize("path", FEEDS)
def test_the_feed_is_well_formed(client: TestClient, path: str) -> None:
    feed = feedparser.parse(client.get(path).content)
    assert not feed.bozo
    assert len(feed.entries) > 40
    assert len({entry.id for entry in feed.entries}) == len(feed.entries)
    assert all(entry.title and entry.link and entry.published_parsed for entry in feed.entries)


@pytest.mark.parametrize("path", FEEDS)
def test_an_unchanged_feed_is_not_sent_again(client: TestClient, path: str) -> None:
    first = client.get(path)
    etag, modified = first.headers["etag"], first.headers["last-modified"]
    for headers in (
        {"If-None-Match": etag},
        {"If-None-Match": f'"other", W/{etag}'},
        {"If-Modified-Since": modified},
    ):
        again = client.get(path, headers=headers)
        assert again.status_code == 304
        assert again.content == b""
        assert again.headers["etag"] == etag
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
    # The tag decides where both are told.
    both = {"If-None-Match": '"other"', "If-Modified-Since": modified}
    assert client.get(path, headers=both).status_code == 200
    old = format_datetime(datetime(2026, 1, 1, tzinfo=UTC), usegmt=True)
    assert client.get(path, headers={"If-Modified-Since": old}).status_code == 200


@pytest.mark.parametrize("path", FEEDS)
def test_new_entries_make_a_new_feed(client: TestClient, clock: HandClock, path: str) -> None:
    before = client.get(path)
    clock.forward(hours=3)
    after = client.get(path, headers={"If-None-Match": before.headers["etag"]})
    assert after.status_code == 200
    old = {entry.id for entry in feedparser.parse(before.content).entries}
    new = {entry.id for entry in feedparser.parse(after.content).entries}
    assert old < new


def test_a_feed_shows_a_window(make_client: Callable[..., TestClient]) -> None:
    feed = feedparser.parse(make_client(feed_items=15).get("/forum/atom.xml").content)
    assert len(feed.entries) == 15


def test_an_edit_is_told_as_an_update(client: TestClient, clock: HandClock) -> None:
    """Edited entries keep their id and date; only `updated` and the text change."""

    def entry() -> feedparser.FeedParserDict:
        entries = feedparser.parse(client.get("/forum/atom.xml").content).entries
        return next(e for e in entries if e.title == "누리마켓 배송 안 온 지역 모아봐요")

    before = entry()
    etag = client.get("/forum/atom.xml").headers["etag"]
    clock.forward(minutes=9)
    after = entry()
    assert client.get("/forum/atom.xml").headers["etag"] != etag
    assert after.id == before.id
    assert after.published == before.published
    assert after.updated > before.updated
    assert "(추가)" in after.content[0].value
    assert "(추가)" not in before.content[0].value


def test_a_late_article_is_new_with_an_old_date(client: TestClient, clock: HandClock) -> None:
    known = {entry.id for entry in feedparser.parse(client.get(FEEDS[0]).content).entries}
    clock.forward(minutes=12)
    entries = feedparser.parse(client.get(FEEDS[0]).content).entries
    fresh = [entry for entry in entries if entry.id not in known]
    dates = [datetime(*entry.published_parsed[:6], tzinfo=UTC) for entry in fresh]
    assert any(date < START - timedelta(hours=24) for date in dates)


def test_markup_in_a_post(client: TestClient) -> None:
    """The careless forum passes a live script on in its feed; its own pages escape it."""
    raw = feedparser.parse(client.get("/forum/atom.xml").content, sanitize_html=False)
    bad = next(entry for entry in raw.entries if "<script>" in entry.content[0].value)
    page = client.get(bad.link.replace("http://testserver", "")).text
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_entries_lead_to_their_pages(client: TestClient) -> None:
    for path in FEEDS:
        for entry in feedparser.parse(client.get(path).content).entries[:10]:
            answer = client.get(entry.link.replace("http://testserver", "").partition("#")[0])
            assert answer.status_code == 200
            assert "<h1>" in answer.text
    assert client.get("/forum/t/1").status_code == 404
    assert client.get("/news/articles/1").status_code == 404
