"""The shop's pages read as schema.org, page by page, and its rules for robots are plain."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.robotparser import RobotFileParser

import extruct
import pytest
from starlette.testclient import TestClient

from listener.sample_web.catalogue import PRODUCTS, Product
from listener.sample_web.timeline import Timeline

from .conftest import START, HandClock

NEXT = re.compile(r'<link rel="next" href="([^"]+)">')


def reviews_on(page: str) -> list[dict[str, Any]]:
    """The reviews of a page, whichever dialect it speaks, in one shape."""
    data = extruct.extract(page, base_url="http://shop/", syntaxes=["json-ld", "microdata"])
    found: list[dict[str, Any]] = []
    for whole in data["json-ld"]:
        nodes = whole.get("@graph", [whole])
        found += [r for node in nodes if node["@type"] == "Product" for r in node["review"]]
    for whole in data["microdata"]:
        reviews = whole["properties"].get("review", [])
        for review in reviews if isinstance(reviews, list) else [reviews]:
            values = review["properties"]
            rating = values["reviewRating"]["properties"]
            found.append(values | {"reviewRating": rating})
    return found


def walk(client: TestClient, product: Product) -> list[dict[str, Any]]:
    """Every review of a product, following rel=next."""
    path: str | None = f"/shop/products/{product.slug}"
    found: list[dict[str, Any]] = []
    while path is not None:
        answer = client.get(path)
        assert answer.status_code == 200
        found += reviews_on(answer.text)
        match = NEXT.search(answer.text)
        path = match.group(1) if match else None
    return found


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.slug)
def test_every_review_is_told_once_newest_first(
    make_client: Callable[..., TestClient], short: Timeline, product: Product
) -> None:
    client = make_client(page_size=15)
    told = walk(client, product)
    truth = [item for item in short.visible("review", START) if item.product == product.slug]
    assert [review["reviewBody"].split() for review in told] == [
        item.text_at(START).split() for item in reversed(truth)
    ]
    dates = [review["datePublished"] for review in told]
    assert dates == sorted(dates, reverse=True)
    assert all(date.endswith("+09:00") for date in dates)
    for review in told:
        rating = review["reviewRating"]
        assert int(rating["bestRating"]) == product.best
        assert 1 <= int(rating["ratingValue"]) <= product.best


def test_both_dialects_and_both_scales_are_spoken() -> None:
    assert {product.markup for product in PRODUCTS} == {
        "json-ld",
        "json-ld-graph",
        "json-ld-plain",
        "microdata",
    }
    assert sorted(product.best for product in PRODUCTS) == [5] * 9 + [10]


def test_no_two_reviews_of_a_product_share_author_and_date(timeline: Timeline) -> None:
    """Where a page gives no id, author and date must tell reviews apart."""
    items = timeline.visible("review", START + timedelta(days=1))
    keys = [(item.product, item.author.name, item.published) for item in items]
    assert len(set(keys)) == len(keys)


def test_a_script_in_a_review_stays_text(client: TestClient) -> None:
    page = client.get("/shop/products/morning-salad-box").text
    bodies = [review["reviewBody"] for review in reviews_on(page)]
    assert any("<script>" in body and "</script><b>" in body for body in bodies)
    assert "<script>document" not in page
    block = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page, re.S)
    assert len(block) == 1
    assert json.loads(block[0])["review"]


def test_an_edited_review_keeps_its_id(client: TestClient, clock: HandClock) -> None:
    def edited() -> dict[str, Any]:
        found = reviews_on(client.get("/shop/products/soft-greek-yogurt").text)
        return next(r for r in found if r["reviewBody"].startswith("오늘 온다던 요거트가"))

    before = edited()
    clock.forward(minutes=30)
    after = edited()
    assert after["@id"] == before["@id"]
    assert after["datePublished"] == before["datePublished"]
    assert after["reviewBody"] != before["reviewBody"]
    assert "dateModified" in after
    assert "dateModified" not in before


def test_pages_that_are_not_there(client: TestClient) -> None:
    for path in ("?page=0", "?page=9999", "?page=two", "?page=٣"):
        assert client.get(f"/shop/products/morning-salad-box{path}").status_code == 404
    assert client.get("/shop/products/none").status_code == 404
    assert client.get("/shop/brands/none").status_code == 404


def test_robots_and_sitemap(client: TestClient) -> None:
    robots = RobotFileParser()
    text = client.get("/robots.txt").text
    robots.parse(text.splitlines())
    assert robots.can_fetch("listener", "/shop/products/morning-salad-box?page=2")
    assert not robots.can_fetch("listener", "/shop/members/sudal1")
    assert robots.crawl_delay("listener") is None
    sitemap = client.get("/sitemap.xml").text
    assert robots.site_maps() == ["http://testserver/sitemap.xml"]
    for product in PRODUCTS:
        assert f"<loc>http://testserver/shop/products/{product.slug}</loc>" in sitemap


def test_visits_to_the_disallowed_path_are_counted(client: TestClient) -> None:
    page = client.get("/shop/products/morning-salad-box").text
    link = re.search(r'href="(/shop/members/[^"]+)"', page)
    assert link is not None
    assert client.get("/_sample/state.json").json()["disallowed"]["visits"] == 0
    assert client.get(link.group(1)).status_code == 200
    assert client.get("/_sample/state.json").json()["disallowed"]["visits"] == 1
