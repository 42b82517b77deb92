"""Real crawls: Scrapy in its own process against a real server, and what its report decides."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from builders import NOW, a_watch
from listener.collect.spider import SpiderCollector, describe, spider_collectors
from listener.errors import (
    Blocked,
    LayoutChanged,
    RateLimited,
    SourceUnavailable,
    TargetForbidden,
)
from listener.settings import Settings
from listener.types import Batch, GapReason, MatchMode, RawItem, State

Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Site:
    """A site made of paths; ``asked`` keeps every path that was requested, with its headers."""

    pages: dict[str, Answer | Callable[[dict[str, str]], Answer]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked if path != "/robots.txt"]

    def put(
        self, path: str, ids: list[str], *, following: str | None = None, **fields: Any
    ) -> None:
        """A page with reviews of these ids."""
        reviews = [
            {"@type": "Review", "@id": f"#r{i}", "author": f"a{i}", "reviewBody": f"리뷰 {i}"}
            | fields
            for i in ids
        ]
        data = json.dumps({"@type": "Product", "name": "샐러드", "review": reviews})
        link = f'<link rel="next" href="{following}">' if following else ""
        html = f'<html><head>{link}<script type="application/ld+json">{data}</script></head></html>'
        self.pages[path] = (200, {"content-type": "text/html; charset=utf-8"}, html.encode())


@pytest.fixture
def site() -> Iterator[Site]:
    """A real HTTP server on loopback."""
    made = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {k.lower(): v for k, v in self.headers.items()}
            made.asked.append((self.path, headers))
            found = made.pages.get(self.path, (404, {}, b"nothing here"))
            status, sent, body = found(headers) if callable(found) else found
            self.send_response(status)
            for name, value in sent.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    yield made
    server.shutdown()
    server.server_close()


@dataclass
class Crawl:
    """What a crawl brought."""

    items: list[RawItem]
    last: Batch

    @property
    def ids(self) -> list[str]:
        return [item.external_id.rpartition("#r")[2] for item in self.items]


def _collector(site: Site, home: Path, **fields: Any) -> SpiderCollector:
    settings = Settings(  # type: ignore[call-arg]
        home=home, allow_private_hosts=site.url.removeprefix("http://"), **fields
    )
    return spider_collectors(settings)["reviews"]


def _crawl(
    collector: SpiderCollector, url: str, state: State | None = None, *, hours: int = 0
) -> Crawl:
    watch = a_watch(source="reviews", params={"url": url}, match=MatchMode.ALL)
    now = NOW + timedelta(hours=hours)
    batches = list(collector.collect(watch, state or State(), now=now))
    assert all(batch.state == (state or State()) for batch in batches[:-1])  # not before the end
    return Crawl([item for batch in batches for item in batch.items], batches[-1])


def test_spiders_describe_themselves_and_are_remembered(tmp_path: Path) -> None:
    assert [spec.name for spec in describe(tmp_path)] == ["reviews"]
    kept = list((tmp_path / "cache").iterdir())
    assert len(kept) == 1
    assert describe(tmp_path) == describe(tmp_path)


def test_pages_are_walked_to_the_end_then_only_to_what_is_known(site: Site, tmp_path: Path) -> None:
    url = f"{site.url}/p"
    site.put("/p", ["6", "5"], following="/p?page=2")
    site.put("/p?page=2", ["4", "3"], following="/p?page=3")
    site.put("/p?page=3", ["2", "1"])
    collector = _collector(site, tmp_path)
    first = _crawl(collector, url)
    assert first.ids == ["6", "5", "4", "3", "2", "1"]
    assert first.last.complete
    assert first.items[0].namespace == site.url.removeprefix("http://")
    assert first.items[0].product == "샐러드"
    assert site.asked[0][0] == "/robots.txt"

    site.asked.clear()
    site.put("/p", ["7", "6"], following="/p?page=2")
    site.put("/p?page=2", ["5", "4"], following="/p?page=3")
    second = _crawl(collector, url, first.last.state, hours=1)
    assert second.ids == ["7", "6", "5", "4"]  # known ones again: they may have been edited
    assert site.paths() == ["/p", "/p?page=2"]  # page 3 is not asked for

    site.asked.clear()
    third = _crawl(collector, url, second.last.state, hours=25)
    assert "/p?page=3" in site.paths()  # once a day all of it
    assert third.last.complete


def test_robots_txt_is_obeyed_and_said(site: Site, tmp_path: Path) -> None:
    site.pages["/robots.txt"] = (200, {}, b"User-agent: *\nDisallow: /p\n")
    site.put("/p", ["1"])
    with pytest.raises(Blocked, match=r"robots\.txt"):
        _crawl(_collector(site, tmp_path), f"{site.url}/p")
    assert site.paths() == []


def test_a_page_that_lost_its_reviews_is_suspect_and_the_cursor_stays(
    site: Site, tmp_path: Path
) -> None:
    url = f"{site.url}/p"
    site.put("/p", ["2", "1"])
    collector = _collector(site, tmp_path)
    first = _crawl(collector, url)
    site.pages["/p"] = (200, {"content-type": "text/html"}, b"<html><h1>New design</h1></html>")
    second = _crawl(collector, url, first.last.state, hours=1)
    assert second.last.suspect is not None
    assert not second.last.complete
    assert second.last.state.cursor == first.last.state.cursor


def test_an_unchanged_page_costs_one_conditional_request(site: Site, tmp_path: Path) -> None:
    url = f"{site.url}/p"
    site.put("/p", ["1"])
    status, headers, body = site.pages["/p"]  # type: ignore[misc]

    def conditional(asked: dict[str, str]) -> Answer:
        if asked.get("if-none-match") == '"v1"':
            return 304, {"etag": '"v1"'}, b""
        return status, headers | {"etag": '"v1"'}, body

    site.pages["/p"] = conditional
    collector = _collector(site, tmp_path)
    first = _crawl(collector, url)
    second = _crawl(collector, url, first.last.state, hours=1)
    assert second.items == []
    assert second.last.unchanged
    assert second.last.complete


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((429, {"retry-after": "120"}, b"slow down"), RateLimited),
        (
            (200, {"content-type": "text/html"}, b"<title>Just a moment...</title> _cf_chl_opt"),
            Blocked,
        ),
        ((302, {"location": "http://169.254.169.254/latest/meta-data"}, b""), TargetForbidden),
        ((200, {"content-type": "application/octet-stream"}, b"\x00\x01\x02"), LayoutChanged),
    ],
)
def test_refusals_are_said_in_words(
    site: Site, tmp_path: Path, answer: Answer, expected: type[Exception]
) -> None:
    site.pages["/p"] = answer
    with pytest.raises(expected) as raised:
        _crawl(_collector(site, tmp_path), f"{site.url}/p")
    if isinstance(raised.value, RateLimited):
        assert raised.value.retry_at == NOW + timedelta(seconds=120)


def test_one_bad_page_of_several_keeps_the_others(site: Site, tmp_path: Path) -> None:
    site.put("/good", ["1", "2"])
    site.pages["/bad"] = (500, {}, b"")
    collector = _collector(site, tmp_path)
    watch = a_watch(
        source="reviews", params={"url": f"{site.url}/bad {site.url}/good"}, match=MatchMode.ALL
    )
    batches = collector.collect(watch, State(), now=NOW)
    assert [len(batch.items) for batch in itertools.islice(batches, 1)] == [2]
    with pytest.raises(SourceUnavailable):
        next(batches)


def test_too_many_pages_leave_a_gap(site: Site, tmp_path: Path) -> None:
    date = (NOW - timedelta(days=3)).isoformat()
    site.put("/p", ["3"], following="/p?page=2", datePublished=date)
    site.put("/p?page=2", ["2"], following="/p?page=3", datePublished=date)
    site.put("/p?page=3", ["1"], datePublished=date)
    found = _crawl(_collector(site, tmp_path, max_pages=2), f"{site.url}/p")
    assert found.ids == ["3", "2"]
    (gap,) = found.last.gaps
    assert gap.why is GapReason.PAGE_CAP
    assert gap.to_at == NOW - timedelta(days=3)


def test_a_huge_page_is_cut_off(site: Site, tmp_path: Path) -> None:
    site.pages["/p"] = (200, {"content-type": "text/html"}, b"x" * 3_000_000)
    with pytest.raises(SourceUnavailable):
        _crawl(_collector(site, tmp_path, max_response_bytes=1_000_000), f"{site.url}/p")


def test_closing_early_ends_the_process(site: Site, tmp_path: Path) -> None:
    for n in range(1, 60):
        site.put(f"/p?page={n}", [f"{n}-{i}" for i in range(20)], following=f"/p?page={n + 1}")
    watch = a_watch(source="reviews", params={"url": f"{site.url}/p?page=1"}, match=MatchMode.ALL)
    batches = _collector(site, tmp_path).collect(watch, State(), now=NOW)
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert len(site.asked) < 60
