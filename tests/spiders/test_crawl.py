"""Real crawls: Scrapy in its own process against a real server, and what its report decides."""

from __future__ import annotations

import gzip
import itertools
import json
import threading
import time
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
    SourceUnavailable,
    TargetForbidden,
)
from listener.settings import Settings
from listener.types import Batch, MatchMode, RawItem, State

Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Site:
    """A site made of paths; ``asked`` keeps every path that was requested, with its headers."""

    pages: dict[str, Answer | Callable[[dict[str, str]], Answer]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""
    times: list[float] = field(default_factory=list)  # of the requests, in seconds

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
            made.times.append(time.monotonic())
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


def _collector(site: Site, home: Path, source: str = "reviews", **fields: Any) -> SpiderCollector:
    settings = Settings(  # type: ignore[call-arg]
        home=home, allow_private_hosts=site.url.removeprefix("http://"), **fields
    )
    return spider_collectors(settings)[source]


def _crawl(
    collector: SpiderCollector,
    url: str,
    state: State | None = None,
    *,
    hours: int = 0,
    **params: str,
) -> Crawl:
    watch = a_watch(source=collector.spec.name, params={"url": url, **params}, match=MatchMode.ALL)
    now = NOW + timedelta(hours=hours)
    batches = list(collector.collect(watch, state or State(), now=now))
    assert all(batch.state == (state or State()) for batch in batches[:-1])  # not before the end
    return Crawl([item for batch in batches for item in batch.items], batches[-1])


def test_spiders_describe_themselves_and_are_remembered_for_all_homes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = describe(tmp_path / "one")
    assert [spec.name for spec in found] == ["page", "reviews", "sitemap"]

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("asked again")

    monkeypatch.setattr("listener.collect.spider.subprocess.run", refuse)
    assert describe(tmp_path / "two") == found


def test_a_home_remembers_what_an_install_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("listener.collect.spider._beside_sources", list)
    describe(tmp_path)
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".json"]


def test_pages_are_walked_to_the_end(site: Site, tmp_path: Path) -> None:
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


def test_robots_txt_is_obeyed_and_said(site: Site, tmp_path: Path) -> None:
    site.pages["/robots.txt"] = (200, {}, b"User-agent: *\nDisallow: /p\n")
    site.put("/p", ["1"])
    with pytest.raises(Blocked, match=r"robots\.txt"):
        _crawl(_collector(site, tmp_path), f"{site.url}/p")
    assert site.paths() == []


def test_a_redirect_inside_is_not_followed(site: Site, tmp_path: Path) -> None:
    site.pages["/p"] = (302, {"location": "http://169.254.169.254/latest/meta-data"}, b"")
    with pytest.raises(TargetForbidden):
        _crawl(_collector(site, tmp_path), f"{site.url}/p")


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


# --- how fast ------------------------------------------------------------------------------------


def test_the_pause_that_robots_txt_asks_for_is_kept(site: Site, tmp_path: Path) -> None:
    site.pages["/robots.txt"] = (200, {}, b"User-agent: *\nCrawl-delay: 0.4\n")
    site.put("/p", ["3"], following="/p?page=2")
    site.put("/p?page=2", ["2"], following="/p?page=3")
    site.put("/p?page=3", ["1"])
    found = _crawl(_collector(site, tmp_path), f"{site.url}/p")
    assert found.ids == ["3", "2", "1"]
    # The operator's own server is crawled without any pause unless it asks for one.
    between = [later - earlier for earlier, later in itertools.pairwise(site.times)]
    assert len(between) == 3
    assert all(gap >= 0.38 for gap in between)


def test_a_site_that_wants_pauses_of_minutes_is_left_alone(site: Site, tmp_path: Path) -> None:
    site.pages["/robots.txt"] = (200, {}, b"User-agent: *\nRequest-rate: 1/300\n")
    site.put("/p", ["1"])
    with pytest.raises(Blocked, match="300 seconds") as raised:
        _crawl(_collector(site, tmp_path), f"{site.url}/p")
    assert "import a file" in (raised.value.hint or "")
    assert site.paths() == []


# --- page ----------------------------------------------------------------------------------------


def _html(text: str) -> Answer:
    return 200, {"content-type": "text/html; charset=utf-8"}, text.encode()


def _board(*rows: tuple[int, str]) -> Answer:
    lines = "".join(
        f'<li class="row"><a href="/v/{n}">글 {n}번 제목입니다</a> <span>{mark}</span></li>'
        for n, mark in rows
    )
    return _html(f'<html lang="ko"><ul class="rows">{lines}</ul></html>')


def _post(number: int, *comments: str) -> Answer:
    blocks = "".join(
        f'<div class="c"><b class="nick">손님{i}</b><p>{text}</p>'
        f'<time datetime="2025-03-09T1{i}:00+09:00"></time></div>'
        for i, text in enumerate((f"{number}번 본문입니다 배송이 늦어요", *comments))
    )
    return _html(f'<html lang="ko"><h1>글 {number}번</h1>{blocks}</html>')


def test_a_board_is_followed_to_its_posts(site: Site, tmp_path: Path) -> None:
    site.pages["/b"] = _board((3, "03-09"), (2, "03-09 [1]"), (1, "03-08"))
    for number in (1, 2, 3):
        site.pages[f"/v/{number}"] = _post(number, "저도 그래요")
    del site.pages["/v/1"]  # a line that leads nowhere fails nothing
    collector = _collector(site, tmp_path, "page")
    first = _crawl(collector, f"{site.url}/b", mode="forum")
    assert first.last.complete
    assert len(first.items) == 4
    assert any("2번 본문입니다" in item.text for item in first.items)
    assert {item.thread_id for item in first.items} == {f"{site.url}/v/2", f"{site.url}/v/3"}


# --- sitemap -------------------------------------------------------------------------------------


def _sitemap(*pages: tuple[str, str], index: bool = False) -> Answer:
    inner = "sitemap" if index else "url"
    outer = "sitemapindex" if index else "urlset"
    lines = "".join(
        f"<{inner}><loc>{url}</loc><lastmod>{at}</lastmod></{inner}>" for url, at in pages
    )
    return 200, {"content-type": "application/xml"}, f"<{outer}>{lines}</{outer}>".encode()


def _article(text: str) -> Answer:
    return _html(
        f'<html lang="ko"><title>{text}</title><article><p>{text * 12}</p></article></html>'
    )


def test_a_sitemap_brings_what_is_new(site: Site, tmp_path: Path) -> None:
    week_old, new = "2025-02-01T00:00:00Z", "2025-03-10T09:00:00Z"
    site.pages["/robots.txt"] = (200, {}, f"Sitemap: {site.url}/index.xml\n".encode())
    site.pages["/index.xml"] = _sitemap(
        (f"{site.url}/old.xml", week_old), (f"{site.url}/news.xml.gz", new), index=True
    )
    one, two = (f"{site.url}/a/{i}" for i in (1, 2))

    def news(*pages: tuple[str, str]) -> Answer:
        status, _, body = _sitemap(*pages)
        return status, {"content-type": "application/x-gzip"}, gzip.compress(body)

    site.pages["/news.xml.gz"] = news((one, week_old), (two, new))
    for number in (1, 2, 3):
        site.pages[f"/a/{number}"] = _article(f"누리마켓 배송이 늦어진다는 소식 {number}. ")
    collector = _collector(site, tmp_path, "sitemap")
    first = _crawl(collector, site.url)
    assert [item.external_id for item in first.items] == [two]  # not /old.xml, not what is old
    assert "/old.xml" not in site.paths()
