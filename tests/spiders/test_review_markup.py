"""schema.org reviews in the shapes that sites really use."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from listener.types import Precision
from spiders.platforms.review_markup import FoundPage, FoundReview, read_page

URL = "https://shop.example/products/17?page=2"


def _page(*blocks: Any, body: str = "") -> FoundPage:
    scripts = "".join(
        f'<script type="application/ld+json">{b if isinstance(b, str) else json.dumps(b)}</script>'
        for b in blocks
    )
    return read_page(f"<html><head>{scripts}</head><body>{body}</body></html>", URL)


def _one(review: dict[str, Any]) -> FoundReview:
    found = _page({"@context": "https://schema.org", "@type": "Review", **review}).reviews
    assert len(found) == 1
    return found[0]


BODY: dict[str, Any] = {"reviewBody": "배송이 너무 늦어요"}


@pytest.mark.parametrize(
    "wrapped",
    [
        {"@type": "Product", "name": "샐러드", "review": [{"@type": "Review", **BODY}]},
        {"@type": "Product", "name": "샐러드", "review": {"@type": "Review", **BODY}},
        {"@graph": [{"@type": "Product", "name": "샐러드", "review": {"@type": "Review", **BODY}}]},
        {"@type": "Review", "itemReviewed": {"@type": "Product", "name": "샐러드"}, **BODY},
        [
            {
                "@type": ["Thing", "LocalBusiness"],
                "name": "샐러드",
                "reviews": [{"@type": "http://schema.org/Review", **BODY}],
            }
        ],
    ],
)
def test_reviews_are_found_wherever_they_hang(wrapped: Any) -> None:
    found = _page(wrapped).reviews
    assert [(r.text, r.product) for r in found] == [("배송이 너무 늦어요", "샐러드")]


@pytest.mark.parametrize(
    ("rating", "expected"),
    [
        ({"ratingValue": "4", "bestRating": "5"}, (4.0, 1.0, 5.0)),
        ({"ratingValue": 4}, (4.0, 1.0, 5.0)),
        ({"ratingValue": "3,5"}, (3.5, 1.0, 5.0)),
        ({"ratingValue": "8", "bestRating": 10, "worstRating": 0}, (8.0, 0.0, 10.0)),
        ({"ratingValue": 8}, (8.0, 1.0, 10.0)),
        ({"ratingValue": 85}, (85.0, 1.0, 100.0)),
        ({"ratingValue": 0}, (0.0, 0.0, 5.0)),
        ({"ratingValue": 9, "bestRating": 5}, (None, None, None)),
        ({"ratingValue": "gut"}, (None, None, None)),
        ({"ratingValue": True}, (None, None, None)),
        ("4.5", (4.5, 1.0, 5.0)),
        ([{"ratingValue": 2}], (2.0, 1.0, 5.0)),
    ],
)
def test_ratings_keep_their_scale(rating: Any, expected: tuple[float | None, ...]) -> None:
    review = _one({**BODY, "reviewRating": rating})
    assert (review.rating, review.rating_min, review.rating_max) == expected


@pytest.mark.parametrize(
    ("author", "name"),
    [
        ("김하늘", "김하늘"),
        ({"@type": "Person", "name": "김하늘"}, "김하늘"),
        (["김하늘", {"name": "이바다"}], "김하늘"),
        ({"@type": "Person"}, None),
        (None, None),
    ],
)
def test_authors_come_in_three_shapes(author: Any, name: str | None) -> None:
    review = _one({**BODY, "author": author})
    assert (review.author.name if review.author else None) == name


@pytest.mark.parametrize(
    ("date", "at", "precision"),
    [
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC), Precision.DAY),
        ("2026-03-01T09:00:00+09:00", datetime(2026, 3, 1, tzinfo=UTC), Precision.EXACT),
        ("2026-03-01T00:00:00Z", datetime(2026, 3, 1, tzinfo=UTC), Precision.EXACT),
        ("yesterday", None, Precision.NONE),
        (None, None, Precision.NONE),
    ],
)
def test_dates_say_how_exact_they_are(date: Any, at: Any, precision: Precision) -> None:
    review = _one({**BODY, "datePublished": date})
    assert (review.published_at, review.precision) == (at, precision)


def test_the_body_may_stand_in_description_and_a_title_alone_is_enough() -> None:
    assert _one({"description": "좋아요"}).text == "좋아요"
    assert _one({"headline": "최고"}).title == "최고"
    assert _page({"@type": "Review", "author": "x"}).reviews == []


def test_microdata_is_read_and_the_same_review_in_both_counts_once() -> None:
    microdata = """
      <div itemscope itemtype="https://schema.org/Product"><span itemprop="name">샐러드</span>
       <div itemprop="review" itemscope itemtype="https://schema.org/Review">
        <span itemprop="author">김하늘</span>
        <div itemprop="reviewRating" itemscope itemtype="https://schema.org/Rating">
         <meta itemprop="ratingValue" content="2"></div>
        <p itemprop="reviewBody">배송이 너무 늦어요</p></div></div>"""
    alone = _page(body=microdata).reviews
    assert [(r.text, r.rating, r.product) for r in alone] == [("배송이 너무 늦어요", 2.0, "샐러드")]
    both = _page(
        {
            "@type": "Review",
            "author": "김하늘",
            "reviewRating": {"ratingValue": 2},
            **BODY,
        },
        body=microdata,
    )
    assert len(both.reviews) == 1


def test_one_broken_block_does_not_hide_the_others() -> None:
    page = _page('{"@type": "Review", "reviewBody": ', {"@type": "Review", **BODY})
    assert [r.text for r in page.reviews] == ["배송이 너무 늦어요"]
    assert _page('{"@type": ').notices


@pytest.mark.parametrize(
    "wrap",
    [
        "/* by the shop */ {}",
        "// by the shop\n{}",
        "//<![CDATA[\n{}\n//]]>",
        "/*<![CDATA[*/{}/*]]>*/",
        "<![CDATA[{}]]>",
        "<!-- {} -->",
        "\ufeff{}",
        "{};",
        "[{},]",
        '{{"@graph": [{},],}}',
        '{}{{"@type": "WebPage", "url": "https://shop.example//17"}}',
    ],
)
def test_json_that_is_none_is_read_all_the_same(wrap: str) -> None:
    review = json.dumps({"@type": "Review", "reviewBody": "느려요 // 정말, ]", "author": "김하늘"})
    page = _page(wrap.format(review))
    assert [r.text for r in page.reviews] == ["느려요 // 정말, ]"]
    assert page.notices == []


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ('{"@type": "Review", "reviewBody": "두\n줄\t입니다\x01"}', "두\n줄\t입니다\x01"),
        ('{"@type": "Review", "reviewBody": "it\\\'s late"}', "it's late"),
        ("{&quot;@type&quot;:&quot;Review&quot;,&quot;reviewBody&quot;:&quot;늦음&quot;}", "늦음"),
        ('{"@type": "Review", "reviewBody": "5 &lt; 6 &amp; &quot;늦음&quot;"}',
         "5 &lt; 6 &amp; &quot;늦음&quot;"),  # entities are read when the text is cleaned
    ],
)  # fmt: skip
def test_control_characters_escapes_and_entities(block: str, text: str) -> None:
    assert [r.text for r in _page(block).reviews] == [text]


def test_rdfa_is_read() -> None:
    body = """<div vocab="https://schema.org/" typeof="Product"><b property="name">샐러드</b>
      <div property="review" typeof="Review" resource="#r-101">
       <span property="author" typeof="Person"><span property="name">김하늘</span></span>
       <span property="reviewRating" typeof="Rating"><span property="ratingValue">2,5</span>
        <meta property="bestRating" content="5"></span>
       <time property="datePublished" content="2026-03-01">3월 1일</time>
       <p property="reviewBody">배송이 너무 늦어요</p></div>
      <div property="review" typeof="Review"><p property="reviewBody">좋아요</p></div></div>"""
    found = _page(body=body).reviews
    late = next(r for r in found if r.rating)
    assert {r.text for r in found} == {"배송이 너무 늦어요", "좋아요"}
    assert (late.rating, late.rating_max, late.product) == (2.5, 5.0, "샐러드")
    assert late.author is not None
    assert late.author.name == "김하늘"
    assert late.precision is Precision.DAY
    assert late.id == "https://shop.example/products/17#r-101"


@pytest.mark.parametrize(
    ("rating", "average", "count", "scale"),
    [
        ({"ratingValue": 4.5, "reviewCount": 12}, 4.5, 12, (1.0, 5.0)),
        ({"ratingValue": "4,5", "ratingCount": "1,204"}, 4.5, 1204, (1.0, 5.0)),
        ({"ratingValue": "87", "bestRating": "100", "worstRating": "0"}, 87.0, None, (0.0, 100.0)),
        ([{"@type": "AggregateRating", "ratingValue": 9.1, "bestRating": 10, "reviewCount": 3}],
         9.1, 3, (1.0, 10.0)),
    ],
)  # fmt: skip
def test_an_average_is_a_snapshot_and_no_review(
    rating: Any, average: float, count: int | None, scale: tuple[float, float]
) -> None:
    page = _page({"@type": "Product", "name": "샐러드", "sku": "s17", "aggregateRating": rating})
    assert page.reviews == []
    (told,) = page.ratings
    assert (told.average, told.count, (told.rating_min, told.rating_max)) == (average, count, scale)
    assert (told.subject, told.title) == ("https://shop.example/products/17#s17", "샐러드")
    assert told.namespace == "shop.example"


def test_an_average_beside_reviews_and_one_that_is_none() -> None:
    product = {"@type": "Product", "name": "P", "review": [{"@type": "Review", **BODY}]}
    page = _page({**product, "aggregateRating": {"ratingValue": 4, "reviewCount": 1}})
    assert (len(page.reviews), len(page.ratings)) == (1, 1)
    assert _page({**product, "aggregateRating": {"reviewCount": 0}}).ratings == []
    assert _page({**product, "aggregateRating": {"ratingValue": 7, "bestRating": 5}}).ratings == []


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (
            {"@id": "https://shop.example/products/17#r-998"},
            "https://shop.example/products/17#r-998",
        ),
        ({"@id": "#r-998"}, "https://shop.example/products/17#r-998"),
        ({"identifier": 998}, "998"),
        ({"identifier": {"@type": "PropertyValue", "value": "r998"}}, "r998"),
    ],
)
def test_ids_of_the_site_are_used(told: dict[str, Any], expected: str) -> None:
    assert _one({**BODY, **told}).identity(URL, Counter()) == (expected, False)


@pytest.mark.parametrize("told", [{"@id": "#review"}, {"@id": "_:b0"}, {}])
def test_else_an_id_is_derived_that_an_edit_does_not_change(told: dict[str, Any]) -> None:
    by = {"author": "김하늘", "datePublished": "2026-03-01", **told}
    first = _one({**BODY, **by}).identity(URL, Counter())
    edited = _one({"reviewBody": "고쳐 썼어요", **by}).identity(URL, Counter())
    assert first == edited
    assert first[1] is True
    ordinals: Counter[str] = Counter()
    again = [_one({**BODY, **by}).identity(URL, ordinals)[0] for _ in range(2)]
    assert len(set(again)) == 2  # two by one author on one day are two
    assert _one({**BODY, **by, "author": "이바다"}).identity(URL, Counter()) != first


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ('<link rel="next" href="/products/17?page=3">', "https://shop.example/products/17?page=3"),
        (
            '<a rel="nofollow next" href="?page=3">다음</a>',
            "https://shop.example/products/17?page=3",
        ),
        ('<a rel="next" href="https://elsewhere.example/x">x</a>', None),
        ('<a rel="next" href="?page=2">x</a>', None),
        ('<a href="?page=3">3</a>', None),
    ],
)
def test_the_next_page_is_followed_on_the_same_site(link: str, expected: str | None) -> None:
    assert _page(BODY, body=link).next_url == expected


@pytest.mark.parametrize("html", ["", "\x00", "<", "not html", "<html>" * 50])
def test_nonsense_is_no_error(html: str) -> None:
    assert read_page(html, URL).reviews == []
