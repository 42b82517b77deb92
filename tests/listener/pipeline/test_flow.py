"""From a page on the web to a signed alert, through every stage, with nothing faked but time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from email.utils import format_datetime
from xml.sax.saxutils import escape

import pytest
from sqlalchemy import func, select
from standardwebhooks.webhooks import Webhook

from builders import stored_brand
from listener.pipeline.watchdog import Watchdog
from listener.runtime.clock import utc_now
from listener.runtime.wiring import Services, build
from listener.settings import Settings
from listener.store import watches
from listener.store.tables import MentionRow, OutboxRow
from listener.types import MatchMode
from webserver import Play, WebServer

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


@pytest.fixture
def server() -> Iterator[WebServer]:
    with WebServer() as server:
        yield server


@pytest.fixture
def services(database_url: str, settings: Settings) -> Iterator[Services]:
    made = build(
        settings.model_copy(
            update={"database_url": database_url, "allow_private_hosts": "127.0.0.1"}
        )
    )
    yield made
    made.close()


def _feed(posts: list[tuple[str, datetime, str]]) -> Play:
    items = "".join(
        f"<item><guid isPermaLink='false'>{guid}</guid><title>{escape(text)}</title>"
        f"<link>http://forum.example/{guid}</link><author>u{guid}@forum.example</author>"
        f"<description>{escape(text)}</description><pubDate>{format_datetime(at)}</pubDate></item>"
        for guid, at, text in reversed(posts)
    )
    page = f"<?xml version='1.0'?><rss version='2.0'><channel><title>포럼</title>{items}"
    headers = {"Content-Type": "application/rss+xml; charset=utf-8"}
    return Play(page + "</channel></rss>", headers=headers)


def test_from_a_page_to_an_alert(services: Services, server: WebServer) -> None:
    began = utc_now().replace(microsecond=0)
    start = began - 3 * DAY
    quiet = ["누리마켓에서 주문한 컵이 예뻐요", "누리마켓 새 로고를 봤어요", "누리마켓 어때요?"]
    posts = [(f"q{n}", start + n * 30 * MINUTE, f"{quiet[n % 3]} {n}") for n in range(3 * 48)]
    server.pages["/feed"] = _feed(posts)
    server.pages["/hook"] = Play("", 204)
    secret = services.add_channel(name="ops", address=f"{server.url}/hook", secret=None).secret
    with services.database.write() as work:
        brand = stored_brand(work.session, "누리마켓", now=began)
        watch = watches.create(
            work.session,
            source="feed",
            params={"url": f"{server.url}/feed"},
            match=MatchMode.TERMS,
            every=10 * MINUTE,
            brand_id=brand.id,
            now=began,
        )
        work.commit()

    (report,) = services.collect_once()
    assert (report["outcome"], report["new"]) == ("ok", len(posts))
    services.roll_up()
    services.watchdog.look(now=utc_now())
    assert services.deliverer.deliver_due() == 0

    wave = [
        (
            f"w{n}",
            began - (16 - n) * 5 * timedelta(seconds=1),
            f"누리마켓 택배 파손되어 왔어요. 환불도 안 해 주네요 {n}",
        )
        for n in range(16)
    ]
    server.pages["/feed"] = _feed(posts + wave)
    (report,) = services.collect_once(watch.id)
    assert report["new"] == len(wave)
    services.roll_up()
    services.watchdog.look(now=utc_now())
    assert services.deliverer.deliver_due() == 1

    (told,) = [seen for seen in server.seen if seen.path == "/hook"]
    body = Webhook(secret or "").verify(told.body.decode(), dict(told.headers))
    assert body["type"] == "alert.opened"
    assert body["data"]["alert"]["brand"] == "누리마켓"
    series = {spike["series"] for spike in body["data"]["spikes"]}
    assert "complaint" in series
    lead = next(s for s in body["data"]["spikes"] if s["series"] == "complaint")
    assert lead["observed"] >= 14
    assert "파손" in " ".join(lead["phrases"])
    assert body["data"]["mentions"][0]["url"].startswith("http://forum.example/w")

    services.collect_once(watch.id)
    services.roll_up()
    Watchdog(services.database, services.settings).look(now=utc_now())
    assert services.deliverer.deliver_due() == 0
    with services.database.read() as session:
        assert session.scalar(select(func.count()).select_from(OutboxRow)) == 1
        assert session.scalar(select(func.count()).select_from(MentionRow)) == len(posts + wave)


def test_a_preview_shows_and_stores_nothing(services: Services, server: WebServer) -> None:
    now = utc_now()
    server.pages["/feed"] = _feed(
        [("1", now - MINUTE, "내일은 맑아요"), ("2", now, "누리마켓 배송이 너무 늦어요")]
    )
    with services.database.write() as work:
        brand = stored_brand(work.session, "누리마켓")
        work.commit()
    found = services.preview(
        "feed", {"url": f"{server.url}/feed"}, match=MatchMode.TERMS, brand=brand
    )
    assert (found["found"], found["matched"]) == (2, 1)
    first, second = found["items"]
    assert first["matched"]
    assert first["complaint"] is True
    assert first["topics"] == ["delivery"]
    assert ["title", 0, 4, "누리마켓"] in first["spans"]
    assert not second["matched"]
    with services.database.read() as session:
        assert session.scalar(select(func.count()).select_from(MentionRow)) == 0


def test_a_preview_leaves_out_what_is_deleted(
    services: Services, server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LISTENER_REDDIT__BASE_URL", server.url)
    entry = (
        '<entry><content type="html">&lt;div class="md"&gt;&lt;p&gt;{}&lt;/p&gt;&lt;/div&gt;'
        '</content><id>t3_{}</id><link href="https://www.reddit.com/r/korea/comments/1/x/"/>'
        "<published>2025-03-10T12:00:00+00:00</published><title>x</title></entry>"
    )
    body = entry.format("[removed]", 1) + entry.format("hello", 2)
    server.pages["/r/korea/new/.rss"] = Play(
        f'<feed xmlns="http://www.w3.org/2005/Atom">{body}</feed>',
        headers={"Content-Type": "application/atom+xml"},
    )
    found = services.preview("reddit", {"subreddits": "korea"}, match=MatchMode.ALL, brand=None)
    assert [item["text"] for item in found["items"]] == ["hello"]
