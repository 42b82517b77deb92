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


def test_an_average_alone_is_said_and_is_no_review() -> None:
    page = _page({"@type": "Product", "name": "P", "aggregateRating": {"ratingValue": 4.5}})
    assert page.reviews == []
    assert "average" in page.notices[0]


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
