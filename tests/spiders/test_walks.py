"""How spiders walk from run to run: what they ask for again, what they leave, what they tell."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.error import TimeoutError as TwistedTimeout

from builders import NOW
from driving import HOST, Answer, Driven, drive
from listener.collect.registry import in_two
from listener.types import GapReason, State
from spiders.platforms.page import PageSpider
from spiders.platforms.schema_org import ReviewsSpider
from spiders.platforms.sitemap import SitemapSpider

HOUR = timedelta(hours=1)


def _html(text: str, **headers: str) -> Answer:
    return 200, {"content-type": "text/html; charset=utf-8", **headers}, text.encode()


@pytest.mark.parametrize("kind", [PageSpider, ReviewsSpider, SitemapSpider])
def test_a_spec_speaks_both_languages(kind: Any) -> None:
    spec = kind.spec
    told = [spec.cost, spec.limits, spec.terms, *(one.help for one in spec.params)]
    assert [text for text in told if text and not all(in_two(text))] == []
    assert all(one.title_ko for one in spec.params)


# --- reviews -------------------------------------------------------------------------------------


def _reviews(*ids: str, following: str | None = None, **fields: Any) -> Answer:
    reviews = [
        {"@type": "Review", "@id": f"#r{i}", "author": f"a{i}", "reviewBody": f"리뷰 {i}"} | fields
        for i in ids
    ]
    average = {"ratingValue": 4.2, "reviewCount": 31}
    data = {"@type": "Product", "name": "샐러드", "review": reviews, "aggregateRating": average}
    link = f'<link rel="next" href="{following}">' if following else ""
    return _html(f'{link}<script type="application/ld+json">{json.dumps(data)}</script>')


def _ids(found: Driven) -> list[str]:
    return [item.external_id.rpartition("#r")[2] for item in found.items]


def test_known_reviews_end_the_walk_but_once_a_day(tmp_path: Path) -> None:
    pages: dict[str, Any] = {
        "/p": _reviews("6", "5", following="/p?page=2"),
        "/p?page=2": _reviews("4", "3", following="/p?page=3"),
        "/p?page=3": _reviews("2", "1"),
    }
    url = f"{HOST}/p"
    first = drive(ReviewsSpider, tmp_path, pages, url=url)
    assert _ids(first) == ["6", "5", "4", "3", "2", "1"]
    pages["/p"] = _reviews("7", "6", following="/p?page=2")
    pages["/p?page=2"] = _reviews("5", "4", following="/p?page=3")
    second = drive(ReviewsSpider, tmp_path, pages, state=first.state, now=NOW + HOUR, url=url)
    assert _ids(second) == ["7", "6", "5", "4"]  # known ones again: they may have been edited
    assert second.asked == ["/p", "/p?page=2"]  # page 3 is not asked for
    third = drive(ReviewsSpider, tmp_path, pages, state=second.state, now=NOW + 25 * HOUR, url=url)
    assert "/p?page=3" in third.asked
    assert third.report.complete


def test_averages_are_told_once(tmp_path: Path) -> None:
    pages = {"/p": _reviews("2", following="/p?page=2"), "/p?page=2": _reviews("1")}
    (told,) = drive(ReviewsSpider, tmp_path, pages, url=f"{HOST}/p").report.ratings
    assert (told.average, told.count, told.title) == (4.2, 31, "샐러드")


def test_a_page_that_lost_its_reviews_is_suspect_and_the_cursor_stays(tmp_path: Path) -> None:
    url = f"{HOST}/p"
    first = drive(ReviewsSpider, tmp_path, {"/p": _reviews("2", "1")}, url=url)
    pages = {"/p": _html("<h1>New design</h1>")}
    second = drive(ReviewsSpider, tmp_path, pages, state=first.state, now=NOW + HOUR, url=url)
    assert second.report.suspect is not None
    assert not second.report.complete
    assert second.report.cursor == first.report.cursor


def test_an_unchanged_page_costs_one_conditional_request(tmp_path: Path) -> None:
    status, headers, body = _reviews("1")

    def conditional(asked: Any) -> Answer:
        if asked.get("if-none-match") == '"v1"':
            return 304, {"etag": '"v1"'}, b""
        return status, headers | {"etag": '"v1"'}, body

    url = f"{HOST}/p"
    first = drive(ReviewsSpider, tmp_path, {"/p": conditional}, url=url)
    second = drive(
        ReviewsSpider, tmp_path, {"/p": conditional}, state=first.state, now=NOW + HOUR, url=url
    )
    assert second.items == []
    assert second.report.unchanged
    assert second.report.complete


def test_too_many_pages_leave_a_gap(tmp_path: Path) -> None:
    date = (NOW - timedelta(days=3)).isoformat()
    pages = {
        "/p": _reviews("3", following="/p?page=2", datePublished=date),
        "/p?page=2": _reviews("2", following="/p?page=3", datePublished=date),
        "/p?page=3": _reviews("1", datePublished=date),
    }
    found = drive(ReviewsSpider, tmp_path, pages, max_pages=2, url=f"{HOST}/p")
    assert _ids(found) == ["3", "2"]
    (gap,) = found.report.gaps
    assert gap.why is GapReason.PAGE_CAP
    assert gap.to_at == NOW - timedelta(days=3)


@pytest.mark.parametrize(
    ("host", "answer", "error", "words"),
    [
        (HOST, (429, {"retry-after": "120"}, b"slow down"), "rate-limited", ""),
        (HOST, (403, {}, b"no"), "blocked", "import a file"),
        (HOST, _html("<title>Just a moment...</title> _cf_chl_opt"), "blocked", "import a file"),
        ("https://www.trustpilot.com", (403, {"x-amzn-waf-action": "challenge"}, b"<html>"),
         "blocked", "Trustpilot has an API"),
        ("https://smartstore.naver.com", (403, {}, b"no"), "blocked", "seller centre"),
        ("https://blog.naver.com", (403, {}, b"no"), "blocked", "source naver"),
        (HOST, (200, {"content-type": "application/octet-stream"}, b"\0\1"), "layout-changed", ""),
        (HOST, TwistedTimeout("30 seconds"), "unavailable", ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [ReviewsSpider, PageSpider])
def test_refusals_are_said_with_the_official_way(
    tmp_path: Path, kind: Any, host: str, answer: Any, error: str, words: str
) -> None:
    report = drive(kind, tmp_path, {"/p": answer}, url=f"{host}/p").report
    assert report.error == error
    assert words in (report.hint or "")
    if error == "rate-limited":
        assert report.retry_at == NOW + timedelta(seconds=120)


# --- page ----------------------------------------------------------------------------------------


def _board(*rows: tuple[int, str], following: str = "") -> Answer:
    lines = "".join(
        f'<li class="row"><a href="/v/{n}">글 {n}번 제목입니다</a> <span>{mark}</span></li>'
        for n, mark in rows
    )
    more = f'<a class="next" href="{following}">다음</a>' if following else ""
    return _html(f'<html lang="ko"><ul class="rows">{lines}</ul>{more}</html>')


def _post(number: int, *comments: str) -> Answer:
    blocks = "".join(
        f'<div class="c"><b class="nick">손님{i}</b><p>{text}</p>'
        f'<time datetime="2025-03-09T1{i}:00+09:00"></time></div>'
        for i, text in enumerate((f"{number}번 본문입니다 배송이 늦어요", *comments))
    )
    return _html(f'<html lang="ko"><h1>글 {number}번</h1>{blocks}</html>')


def _forum(folder: Path, pages: Any, state: State | None = None, **given: Any) -> Driven:
    return drive(PageSpider, folder, pages, state=state, url=f"{HOST}/b", mode="forum", **given)


def test_only_new_and_changed_lines_of_a_board_are_opened(tmp_path: Path) -> None:
    pages: dict[str, Any] = {
        "/b": _board((3, "03-09"), (2, "03-09 [1]"), (1, "03-08")),
        "/v/3": _post(3, "저도 그래요"),
        "/v/2": _post(2, "저도 그래요"),  # and /v/1 leads nowhere, which fails nothing
    }
    first = _forum(tmp_path, pages)
    assert first.report.complete
    assert len(first.items) == 4
    pages["/b"] = _board((4, "03-10"), (3, "03-09"), (2, "03-09 [2]"), (1, "03-08"))
    pages["/v/4"] = _post(4, "왜 그럴까요")
    pages["/v/2"] = _post(2, "저도 그래요", "저는 왔어요")
    second = _forum(tmp_path, pages, first.state, now=NOW + HOUR)
    assert second.asked == ["/b", "/v/4", "/v/2"]
    again = {item.external_id for item in second.items} & {i.external_id for i in first.items}
    assert len(again) == 2  # the post and its first comment are the same ones
    assert len(second.items) == 5


def test_a_page_that_fails_is_asked_again_and_the_others_count(tmp_path: Path) -> None:
    pages: dict[str, Any] = {
        "/b": _board((3, "03-09"), (2, "03-09"), (1, "03-08")),
        "/v/3": TwistedTimeout("30 seconds"),
        "/v/2": (502, {}, b""),
        "/v/1": _post(1, "저도 그래요"),
    }
    first = _forum(tmp_path, pages)
    assert first.report.error is None
    assert "2 pages could not be opened" in first.report.notices[-1]
    pages |= {"/v/3": _post(3, "네"), "/v/2": _post(2, "네")}
    second = _forum(tmp_path, pages, first.state, now=NOW + HOUR)
    assert second.asked == ["/b", "/v/3", "/v/2"]
    pages |= {f"/v/{n}": (502, {}, b"") for n in (1, 2, 3)}
    assert _forum(tmp_path, pages).report.error == "unavailable"  # none at all


def test_a_long_list_is_read_to_what_is_known(tmp_path: Path) -> None:
    pages: dict[str, Any] = {f"/v/{n}": _post(n, "네") for n in range(1, 10)}
    pages["/b"] = _board((9, "-"), (8, "-"), (7, "-"), following="/b?page=2")
    pages["/b?page=2"] = _board((6, "-"), (5, "-"), (4, "-"), following="/b?page=3")
    pages["/b?page=3"] = _board((3, "-"), (2, "-"), (1, "-"))
    first = _forum(tmp_path, pages)
    assert sum(path.startswith("/v/") for path in first.asked) == 9
    second = _forum(tmp_path, pages, first.state, now=NOW + HOUR)
    assert second.asked == ["/b"]
    assert second.report.complete
    daily = _forum(tmp_path, pages, first.state, now=NOW + 25 * HOUR)
    assert daily.asked == ["/b", "/b?page=2", "/b?page=3"]


def test_what_was_not_opened_for_the_limit_comes_with_the_next_run(tmp_path: Path) -> None:
    pages: dict[str, Any] = {f"/v/{n}": _post(n, "네") for n in range(1, 10)}
    pages["/b"] = _board(*((n, "-") for n in range(9, 0, -1)))
    first = _forum(tmp_path, pages, max_pages=5)
    assert any("left for the next run" in notice for notice in first.report.notices)
    second = _forum(tmp_path, pages, first.state, now=NOW + HOUR, max_pages=50)
    opened = [path for path in (*first.asked, *second.asked) if path.startswith("/v/")]
    assert sorted(opened) == [f"/v/{n}" for n in range(1, 10)]


def _cards(author: str, block: str = "rv") -> Answer:
    rows = "".join(
        f'<li class="{block}" data-id="{i}"><p>리뷰 {i}</p><i class="{author}">김</i></li>'
        for i in range(100, 106)
    )
    return _html(f"<html><ul>{rows}</ul></html>")


def test_selectors_that_match_no_more_are_named_and_the_watch_stays(tmp_path: Path) -> None:
    given = {"mode": "selectors", "item": "li.rv", "text": "p", "author": ".who"}
    given["url"] = f"{HOST}/r"
    first = drive(PageSpider, tmp_path, {"/r": _cards("who")}, **given)
    assert [item.external_id for item in first.items] == [str(i) for i in range(100, 106)]
    assert first.report.notices == ()
    for changed, words in (
        (_cards("by"), 'author ".who" is empty in all 6 items'),
        (_cards("who", block="card"), 'item "li.rv" matches nothing'),
    ):
        found = drive(
            PageSpider, tmp_path, {"/r": changed}, state=first.state, now=NOW + HOUR, **given
        )
        assert words in (found.report.suspect or "")
        assert found.report.cursor == first.report.cursor
        assert not found.report.complete


def test_a_new_watch_hears_at_once_of_selectors_that_match_nothing(tmp_path: Path) -> None:
    given = {"mode": "selectors", "item": "li.rv", "text": "p", "url": f"{HOST}/r"}
    found = drive(PageSpider, tmp_path, {"/r": _cards("who")}, author=".nobody", **given)
    assert 'The selector author ".nobody" matches nothing in 6 items' in found.report.notices[0]
    found = drive(PageSpider, tmp_path, {"/r": _cards("who", block="card")}, **given)
    assert 'The selector item "li.rv" matches nothing' in found.report.notices[0]


# --- sitemap -------------------------------------------------------------------------------------

OLD, NEW = "2025-02-01T00:00:00Z", "2025-03-10T09:00:00Z"


def _sitemap(*pages: tuple[str, str], inner: str = "url") -> Answer:
    outer = "urlset" if inner == "url" else "sitemapindex"
    lines = "".join(
        f"<{inner}><loc>{HOST}{path}</loc>{f'<lastmod>{at}</lastmod>' if at else ''}</{inner}>"
        for path, at in pages
    )
    return 200, {"content-type": "application/xml"}, f"<{outer}>{lines}</{outer}>".encode()


def _article(text: str) -> Answer:
    return _html(
        f'<html lang="ko"><title>{text}</title><article><p>{text} 물건이 사흘째 오지 않아'
        " 고객센터에 물었더니 이번 주 안에 보내겠다는 답만 돌아왔다고 한다.</p></article></html>"
    )


def _map(folder: Path, pages: Any, state: State | None = None, **given: Any) -> Driven:
    given.setdefault("url", f"{HOST}/sitemap.xml")
    return drive(SitemapSpider, folder, pages, state=state, **given)


def test_a_sitemap_brings_what_is_new_and_what_changed(tmp_path: Path) -> None:
    status, headers, packed = _sitemap(("/a/1", OLD), ("/a/2", NEW))
    pages: dict[str, Any] = {
        "/robots.txt": (200, {"content-type": "text/plain"}, f"Sitemap: {HOST}/i.xml".encode()),
        "/i.xml": _sitemap(("/old.xml", OLD), ("/new.xml.gz", NEW), inner="sitemap"),
        "/new.xml.gz": (status, headers, gzip.compress(packed)),
        **{f"/a/{n}": _article(f"누리마켓 소식 {n}") for n in (1, 2, 3)},
    }
    first = _map(tmp_path, pages, url=HOST)
    assert first.asked == ["/robots.txt", "/i.xml", "/new.xml.gz", "/a/2"]
    assert [item.external_id for item in first.items] == [f"{HOST}/a/2"]
    later = "2025-03-10T12:30:00Z"
    pages["/a/2"] = _article("고쳐 쓴 소식")
    pages["/new.xml.gz"] = _sitemap(("/a/1", OLD), ("/a/2", later), ("/a/3", later))
    second = _map(tmp_path, pages, first.state, now=NOW + HOUR, url=HOST)
    assert {item.external_id for item in second.items} == {f"{HOST}/a/2", f"{HOST}/a/3"}
    assert any("고쳐 쓴" in item.text for item in second.items)
    third = _map(tmp_path, pages, second.state, now=NOW + 2 * HOUR, url=HOST)
    assert third.asked == ["/robots.txt", "/i.xml", "/new.xml.gz"]
    assert third.report.complete


def test_an_unchanged_sitemap_opens_nothing(tmp_path: Path) -> None:
    status, headers, body = _sitemap(("/a/1", NEW))

    def conditional(asked: Any) -> Answer:
        known = asked.get("if-none-match") == '"v1"'
        return (304, {}, b"") if known else (status, headers | {"etag": '"v1"'}, body)

    pages: dict[str, Any] = {"/sitemap.xml": conditional, "/a/1": _article("소식")}
    first = _map(tmp_path, pages)
    second = _map(tmp_path, pages, first.state, now=NOW + HOUR)
    assert second.asked == ["/sitemap.xml"]
    assert second.report.unchanged
    assert second.report.cursor == first.report.cursor


def test_more_pages_than_allowed_leave_a_gap_and_come_later(tmp_path: Path) -> None:
    listed = [(f"/a/{n}", f"2025-03-10T0{n}:00:00Z") for n in range(1, 6)]
    pages: dict[str, Any] = {path: _article(f"소식 {path}") for path, _ in listed}
    pages["/sitemap.xml"] = _sitemap(*listed)
    first = _map(tmp_path, pages, max_pages=2)
    assert [item.url for item in first.items] == [f"{HOST}/a/5", f"{HOST}/a/4"]  # newest first
    (gap,) = first.report.gaps
    assert (gap.from_at.hour, gap.to_at.hour if gap.to_at else None) == (1, 3)
    second = _map(tmp_path, pages, first.state, now=NOW + HOUR)
    assert {item.url for item in second.items} == {f"{HOST}/a/{n}" for n in (1, 2, 3)}


def test_a_sitemap_without_dates_tells_what_is_added(tmp_path: Path) -> None:
    pages: dict[str, Any] = {f"/a/{n}": _article(f"소식 {n}") for n in (1, 2, 3)}
    pages["/sitemap.xml"] = _sitemap(("/a/1", ""), ("/a/2", ""))
    first = _map(tmp_path, pages)
    assert first.items == []
    assert "tells no dates" in first.report.notices[0]
    pages["/sitemap.xml"] = _sitemap(("/a/1", ""), ("/a/2", ""), ("/a/3", ""))
    second = _map(tmp_path, pages, first.state, now=NOW + HOUR)
    assert [item.url for item in second.items] == [f"{HOST}/a/3"]


def test_titles_alone_open_no_page(tmp_path: Path) -> None:
    body = f"""<urlset xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"><url>
      <loc>{HOST}/a/1</loc><news:news><news:publication_date>{NEW}</news:publication_date>
      <news:title>누리마켓 &lt;지연&gt;</news:title></news:news></url>
      <url><loc>{HOST}/a/2</loc><lastmod>{NEW}</lastmod></url></urlset>"""
    found = _map(tmp_path, {"/sitemap.xml": (200, {}, body.encode())}, content="title")
    assert found.asked == ["/sitemap.xml"]
    assert [(item.title, item.external_id) for item in found.items] == [
        ("누리마켓 &lt;지연&gt;", f"{HOST}/a/1")  # HTML, as the item says
    ]
    assert "content=article" in found.report.notices[0]


def test_one_broken_sitemap_of_an_index_hides_no_other(tmp_path: Path) -> None:
    pages: dict[str, Any] = {
        "/sitemap.xml": _sitemap(
            ("/gone.xml", NEW), ("/slow.xml", NEW), ("/page.xml", NEW), ("/a.xml", NEW),
            inner="sitemap",
        ),
        "/slow.xml": TwistedTimeout("30 seconds"),
        "/page.xml": _html("<h1>Not here</h1>"),
        "/a.xml": _sitemap(("/a/1", NEW)),
        "/a/1": _article("소식"),
    }  # fmt: skip
    found = _map(tmp_path, pages)
    assert [item.url for item in found.items] == [f"{HOST}/a/1"]
    assert "3 sitemaps of the index could not be read" in found.report.notices[0]
    assert found.report.error is None


def test_a_web_page_in_place_of_the_sitemap_is_said(tmp_path: Path) -> None:
    report = _map(tmp_path, {"/sitemap.xml": _html("<h1>Hello</h1>")}).report
    assert report.error == "layout-changed"
    assert "is no sitemap" in report.message


def test_only_some_addresses(tmp_path: Path) -> None:
    pages = {
        "/sitemap.xml": _sitemap(("/eco/1", NEW), ("/life/2", NEW)),
        "/eco/1": _article("소식"),
    }
    assert _map(tmp_path, pages, only="/eco/ /tech/").asked == ["/sitemap.xml", "/eco/1"]
