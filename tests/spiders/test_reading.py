"""Pages by selectors, by themselves, as articles: what is found, and what is missing."""

# The pages below are as wide as pages are.
# ruff: noqa: E501

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from listener.types import Kind, Precision
from spiders.platforms.article import read_article
from spiders.platforms.fields import read_rating
from spiders.platforms.found import parse, shown
from spiders.platforms.reading import How, View, emptied, fills, merged, read_view

NOW = datetime(2025, 3, 10, 12, 0, tzinfo=UTC)
URL = "https://shop.example/reviews"
REVIEWS = """<html lang="ko"><ul>
 <li class="rv" data-review-id="9001"><b class="t">느려요</b><i class="w">김하늘</i>
  <span class="d">2025.03.09</span><span class="s"><em style="width:40%"></em></span>
  <div class="b">배송이 <b>너무</b> 늦어요 &lt;3일&gt;</div><a class="more" href="/r/9001">보기</a></li>
 <li class="rv" data-review-id="9000"><b class="t">좋아요</b><i class="w">이바다</i>
  <span class="d">3시간 전</span><span class="s"><em style="width:100%"></em></span>
  <div class="b">잘 왔어요</div><a class="more" href="/r/9000">보기</a></li></ul>
 <a class="go" href="?page=2">더</a></html>"""
SELECTORS = {
    "mode": "selectors", "item": "li.rv", "title": ".t", "text": ".b", "author": ".w",
    "date": ".d", "rating": ".s", "next": "a.go",
}  # fmt: skip
PARAGRAPHS = (
    "누리마켓의 새벽 배송이 사흘째 늦어지고 있다. 고객센터에는 전화가 닿지 않는다고 한다. 이용자들은"
    " 아침 식탁에 오를 찬거리가 저녁에야 도착하고, 그마저도 얼음이 다 녹은 채라고 말한다.",
    "회사는 물류 창고의 화재로 배송이 밀렸으며 이번 주 안에 모두 보내겠다고 밝혔다. 다친 사람은 없고"
    " 불은 두 시간 만에 꺼졌지만, 자동 분류 장치가 물에 젖어 손으로 짐을 나누고 있다는 설명이다.",
    "소비자 단체는 늦은 물건을 돌려보낼 때 택배비를 누가 내는지 회사가 분명히 알려야 한다고 요구했다."
    " 지난해에도 비슷한 일이 있었으나 보상까지 두 달이 걸렸다는 것이다.",
)
ARTICLE = f"""<html lang="ko"><head><title>누리마켓 배송 지연 - 하루일보</title>
 <meta property="article:published_time" content="2025-03-09T15:20:00+09:00">
 <meta name="author" content="박기자"><link rel="canonical" href="https://news.example/a/17">
 </head><body><nav><a href="/">홈</a> <a href="/eco">경제</a></nav>
 <article><h1>누리마켓 배송 지연</h1>{"".join(f"<p>{text}</p>" for text in PARAGRAPHS)}
 </article><aside><ul><li><a href="/a/1">다른 기사의 긴 제목 하나</a></li><li><a href="/a/2">다른
 기사의 긴 제목 둘</a></li><li><a href="/a/3">다른 기사의 긴 제목 셋</a></li></ul></aside>
 <footer>무단 전재 금지</footer></body></html>"""
COMMENTS = "".join(
    f'<div class="cmt"><span class="nick">{name}</span> <em>{when}</em><div>{text}</div></div>'
    for name, when, text in (
        ("김하늘", "2025-03-09 16:00", "저도 아직 못 받았어요."),
        ("이바다", "2025-03-09 17:00", "환불은 되나요?"),
    )
)
NEWS_LIST = """<html lang="en"><div class="list">%s</div></html>""" % "".join(  # noqa: UP031
    f'<div class="card"><a href="/a/{n}">Parcels of Nuri are late again, part {n}</a></div>'
    for n in range(1, 6)
)


def _view(html: str, url: str = URL, *, inner: bool = False, **params: str) -> View:
    return read_view(html, url, How.of(params), NOW, inner=inner)


def _texts(view: View) -> list[str]:
    return [shown(parse(item.text)) for item in view.items]


def test_selectors_read_every_field() -> None:
    view = _view(REVIEWS, **SELECTORS)
    assert _texts(view) == ["배송이 너무 늦어요 <3일>", "잘 왔어요"]
    first, second = view.items
    assert (first.title, first.author and first.author.name) == ("느려요", "김하늘")
    assert (first.published_at, first.precision) == (
        datetime(2025, 3, 9, tzinfo=UTC),
        Precision.DAY,
    )
    assert second.published_at == datetime(2025, 3, 10, 9, tzinfo=UTC)
    assert (first.rating, first.rating_min, first.rating_max) == (40.0, 0.0, 100.0)
    assert [item.id for item in view.items] == ["9001", "9000"]
    assert view.next_url == f"{URL}?page=2"
    assert view.hits == {"title": 2, "text": 2, "author": 2, "date": 2, "rating": 2}


def test_xpath_and_attributes_do_as_well() -> None:
    view = _view(
        REVIEWS,
        mode="selectors",
        item="//li[@data-review-id]",
        text="./div[@class='b']/text()",
        link="a.more::attr(href)",
    )
    assert _texts(view) == ["배송이 늦어요 <3일>", "잘 왔어요"]
    assert [item.id for item in view.items] == [
        "https://shop.example/r/9001",
        "https://shop.example/r/9000",
    ]


def test_an_item_without_a_text_of_its_own_is_read_behind_its_link() -> None:
    view = _view(REVIEWS, **(SELECTORS | {"text": ".full", "link": "a.more"}))
    assert view.items == []
    assert [row.url for row in view.rows] == [
        "https://shop.example/r/9001",
        "https://shop.example/r/9000",
    ]
    page = '<html lang="ko"><p class="full">배송이 너무 늦어서 환불했어요</p></html>'
    inner = _view(page, view.rows[0].url, inner=True, **(SELECTORS | {"text": ".full"}))
    item = merged(inner.items[0], view.rows[0].item)
    assert shown(parse(item.text)) == "배송이 너무 늦어서 환불했어요"
    assert (item.title, item.rating, item.id) == ("느려요", 40.0, "https://shop.example/r/9001")


def test_a_link_that_all_items_share_is_not_their_address() -> None:
    html = REVIEWS.replace("/r/9001", "/p").replace("/r/9000", "/p")
    view = _view(html, **(SELECTORS | {"link": "a.more"}))
    assert [item.id for item in view.items] == ["9001", "9000"]


def test_without_item_the_page_is_one() -> None:
    view = _view(REVIEWS, mode="selectors", text=".b")
    assert _texts(view) == ["배송이 너무 늦어요 <3일> 잘 왔어요"]
    assert view.next_url is None


def test_selectors_that_match_nothing_show_in_the_hits() -> None:
    view = _view(REVIEWS, **(SELECTORS | {"author": ".nobody"}))
    assert view.hits["author"] == 0
    assert _view(REVIEWS, **(SELECTORS | {"item": ".nothing"})).found == 0
    many = fills(20, {"author": 20, "title": 0})
    assert emptied(many, fills(20, {"author": 0, "title": 0})) == ["author"]
    assert emptied(many, fills(3, {"author": 0})) == []  # of three nothing can be said


def test_a_wrong_selector_is_an_error() -> None:
    with pytest.raises(ValueError, match="not CSS"):
        How.of({"mode": "selectors", "item": "li["})


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<b>4.5</b>", (4.5, 1.0, 5.0)),
        ("<b>4,5</b>", (4.5, 1.0, 5.0)),
        ("<b>8/10</b>", (8.0, 1.0, 10.0)),
        ("<b>4 out of 5 stars</b>", (4.0, 1.0, 5.0)),
        ("<b>5점 만점에 2점</b>", (2.0, 1.0, 5.0)),
        ("<b>5점</b>", (5.0, 1.0, 5.0)),
        ("<b>★★★★☆</b>", (4.0, 1.0, 5.0)),
        ('<img alt="3점" src="/star.png">', (3.0, 1.0, 5.0)),
        ('<span aria-label="Rated 2 of 5"></span>', (2.0, 1.0, 5.0)),
        ('<span><i style="width: 80%"></i></span>', (80.0, 0.0, 100.0)),
        ('<span class="ico star4"></span>', (4.0, 1.0, 5.0)),
        ('<span class="star-45"></span>', (4.5, 1.0, 5.0)),
        ('<meta itemprop="ratingValue" content="4">', (4.0, 1.0, 5.0)),
        ("<b>추천</b>", (None, None, None)),
        ("<b>400</b>", (None, None, None)),
    ],
)
def test_ratings_in_all_ways(html: str, expected: tuple[Any, ...]) -> None:
    root = parse(f"<html><body>{html}</body></html>")
    assert read_rating(next(root.iter("body"))[0]) == expected


def test_an_article_is_read_without_its_surroundings() -> None:
    article = read_article(ARTICLE, "https://news.example/a/17?ref=x", NOW)
    assert article is not None
    text = shown(parse(article.text))
    assert text.startswith("누리마켓의 새벽 배송이")
    assert "무단 전재" not in text
    assert "다른 기사" not in text
    assert article.title == "누리마켓 배송 지연"
    assert article.author is not None
    assert article.author.name == "박기자"
    assert article.published_at == datetime(2025, 3, 9, 6, 20, tzinfo=UTC)
    assert article.id == "https://news.example/a/17"


def test_json_ld_tells_what_the_page_does_not() -> None:
    html = (
        '<html lang="en"><head><title>Late | Daily Haru</title><script type="application/ld+json">'
        '{"@graph":[{"@type":"NewsArticle","headline":"Nuri parcels late","datePublished":'
        '"2025-03-09T06:20:00Z","author":[{"@type":"Person","name":"Park Gija"}],"articleBody":"'
        + "Parcels of Nuri are late for the third day. " * 10
        + '"}]}</script></head><body><div id="app"></div></body></html>'
    )
    article = read_article(html, "https://news.example/b", NOW)
    assert article is not None
    assert article.title == "Nuri parcels late"
    assert "third day" in article.text
    assert article.author is not None
    assert article.published_at is not None


@pytest.mark.parametrize("html", ["", "<html></html>", "\x00", "<html><nav>x</nav></html>"])
def test_no_article_is_none(html: str) -> None:
    assert read_article(html, URL, NOW) is None
    assert _view(html).items == []


def test_auto_tells_articles_threads_and_lists_apart() -> None:
    assert [item.kind for item in _view(ARTICLE).items] == [Kind.ARTICLE]
    commented = _view(ARTICLE.replace("<footer>", f"{COMMENTS}<footer>"))
    assert [item.kind for item in commented.items] == [Kind.ARTICLE, Kind.COMMENT, Kind.COMMENT]
    assert _texts(commented)[1:] == ["저도 아직 못 받았어요.", "환불은 되나요?"]
    thread = _view(f'<html lang="ko"><h1>배송</h1>{COMMENTS}</html>')
    assert [item.kind for item in thread.items] == [Kind.POST, Kind.COMMENT]
    listing = _view(NEWS_LIST)
    assert listing.items == []
    assert len(listing.rows) == 5
    rows = "".join(
        f'<tr><td>{n}</td><td><a href="/v/{n}">글 제목 {n} 배송이 늦어요</a></td><td>손님</td></tr>'
        for n in range(50)
    )
    long = _view(f'<html lang="ko"><table>{rows}</table></html>')  # as many words as an article
    assert (long.items, len(long.rows)) == ([], 50)


def test_modes_force_the_reading() -> None:
    forced = _view(ARTICLE.replace("<footer>", f"{COMMENTS}<footer>"), mode="article")
    assert [item.kind for item in forced.items] == [Kind.ARTICLE]
    assert len(_view(NEWS_LIST, mode="article").rows) == 5
    assert _view(NEWS_LIST, mode="article", inner=True).rows == []
    named = _view(NEWS_LIST, mode="article", link=".card a")
    assert [row.url for row in named.rows][:1] == ["https://shop.example/a/1"]
    reviews = _view(f'<html lang="ko">{COMMENTS}</html>', mode="forum", kind="review")
    assert {item.kind for item in reviews.items} == {Kind.REVIEW}


def test_a_time_zone_may_be_told() -> None:
    told = _view(f'<html lang="ko">{COMMENTS}</html>', mode="forum", timezone="UTC").items[0]
    assert told.published_at == datetime(2025, 3, 9, 16, 0, tzinfo=UTC)


def test_no_page_takes_the_reader_down() -> None:
    deep = "<html>" + "<div>" * 3_000 + "<i>2025-03-09</i>x" + "</div>" * 3_000 + "</html>"
    assert _view(deep).found <= 1
    nested = "".join(
        f'<div class="c"><b class="nick">n{n}</b><i>2025-03-09</i><p>text of post {n}</p>'
        for n in range(100)
    )
    assert len(_view(f"<html>{nested}{'</div>' * 100}</html>", mode="forum").items) == 100
