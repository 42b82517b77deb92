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
    found = _crawl(_collector(site, tmp_path, crawl_pages=2), f"{site.url}/p")
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


def test_a_board_is_followed_to_its_posts_and_only_changed_lines_again(
    site: Site, tmp_path: Path
) -> None:
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

    site.asked.clear()
    site.pages["/b"] = _board((4, "03-10"), (3, "03-09"), (2, "03-09 [2]"), (1, "03-08"))
    site.pages["/v/4"] = _post(4, "왜 그럴까요")
    site.pages["/v/2"] = _post(2, "저도 그래요", "저는 왔어요")
    second = _crawl(collector, f"{site.url}/b", first.last.state, hours=1, mode="forum")
    assert sorted(site.paths()) == ["/b", "/v/2", "/v/4"]
    again = {item.external_id for item in second.items} & {i.external_id for i in first.items}
    assert len(again) == 2  # the post and its first comment are the same ones
    assert len(second.items) == 5


def test_selectors_that_match_no_more_are_named_and_the_watch_stays(
    site: Site, tmp_path: Path
) -> None:
    def reviews(author: str, block: str = "rv") -> Answer:
        rows = "".join(
            f'<li class="{block}" data-id="{i}"><p>리뷰 {i}</p><i class="{author}">김</i></li>'
            for i in range(100, 106)
        )
        return _html(f"<html><ul>{rows}</ul></html>")

    fields = {"mode": "selectors", "item": "li.rv", "text": "p", "author": ".who"}
    collector = _collector(site, tmp_path, "page")
    site.pages["/r"] = reviews("who")
    first = _crawl(collector, f"{site.url}/r", **fields)
    assert [item.external_id for item in first.items] == [str(i) for i in range(100, 106)]
    site.pages["/r"] = reviews("by")
    second = _crawl(collector, f"{site.url}/r", first.last.state, hours=1, **fields)
    assert 'author ".who"' in (second.last.suspect or "")
    site.pages["/r"] = reviews("who", block="card")
    third = _crawl(collector, f"{site.url}/r", first.last.state, hours=1, **fields)
    assert 'item "li.rv" matches nothing' in (third.last.suspect or "")
    assert third.last.state.cursor == first.last.state.cursor


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


def test_a_sitemap_brings_what_is_new_and_what_changed(site: Site, tmp_path: Path) -> None:
    week_old, new = "2025-02-01T00:00:00Z", "2025-03-10T09:00:00Z"
    site.pages["/robots.txt"] = (200, {}, f"Sitemap: {site.url}/index.xml\n".encode())
    site.pages["/index.xml"] = _sitemap(
        (f"{site.url}/old.xml", week_old), (f"{site.url}/news.xml.gz", new), index=True
    )
    one, two, three = (f"{site.url}/a/{i}" for i in (1, 2, 3))

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

    site.asked.clear()
    later = "2025-03-10T12:30:00Z"
    site.pages["/a/2"] = _article("누리마켓이 고쳐 쓴 소식. ")
    site.pages["/news.xml.gz"] = news((one, week_old), (two, later), (three, later))
    second = _crawl(collector, site.url, first.last.state, hours=1)
    assert {item.external_id for item in second.items} == {two, three}
    assert any("고쳐 쓴" in item.text for item in second.items)

    site.asked.clear()
    third = _crawl(collector, site.url, second.last.state, hours=2)
    assert third.items == []
    assert third.last.complete
    assert not [path for path in site.paths() if path.startswith("/a/")]
