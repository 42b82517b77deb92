"""Sitemaps in the shapes that sites send."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime

import pytest

from listener.types import Precision
from spiders.platforms.sitemap_file import read_sitemap, sitemaps_of

URL = "https://news.example/sitemap.xml"
NS = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
NEWS = f"""<?xml version="1.0" encoding="UTF-8"?>
<urlset {NS} xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"
 xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">
<url><loc>https://news.example/a/17</loc><news:news><news:publication><news:name>하루일보</news:name>
<news:language>ko</news:language></news:publication>
<news:publication_date>2025-03-09T15:20:00+09:00</news:publication_date>
<news:title>누리마켓 배송 지연 &amp; 환불</news:title>
<news:keywords>누리마켓, 배송</news:keywords></news:news>
<image:image><image:loc>https://img.example/1.jpg</image:loc><image:title>사진</image:title>
</image:image></url></urlset>"""


def test_a_news_sitemap_tells_title_date_and_keywords() -> None:
    (entry,) = read_sitemap(NEWS.encode(), URL).pages
    assert entry.url == "https://news.example/a/17"
    assert entry.title == "누리마켓 배송 지연 & 환불"
    assert entry.published_at == entry.changed_at == datetime(2025, 3, 9, 6, 20, tzinfo=UTC)
    assert (entry.keywords, entry.language) == ("누리마켓, 배송", "ko")
    assert entry.precision is Precision.EXACT


def test_gzip_is_unpacked_as_far_as_it_came() -> None:
    packed = gzip.compress(NEWS.encode())
    assert len(read_sitemap(packed, URL).pages) == 1
    pages = "".join(f"<url><loc>https://news.example/{i:06}</loc></url>" for i in range(50_000))
    many = gzip.compress(f"<urlset {NS}>{pages}</urlset>".encode())
    assert 1_000 < len(read_sitemap(many[: len(many) // 2], URL).pages) < 50_000
    with pytest.raises(ValueError, match="broken gzip"):
        read_sitemap(packed[:12], URL)


def test_an_index_lists_sitemaps_with_their_dates() -> None:
    body = f"""<sitemapindex {NS}><sitemap><loc>/s/1.xml.gz</loc><lastmod>2025-03-09</lastmod>
      </sitemap><sitemap><loc>https://news.example/s/2.xml</loc></sitemap></sitemapindex>"""
    found = read_sitemap(body.encode(), URL)
    assert found.pages == []
    assert [(one.url, one.changed_at) for one in found.sitemaps] == [
        ("https://news.example/s/1.xml.gz", datetime(2025, 3, 9, tzinfo=UTC)),
        ("https://news.example/s/2.xml", None),
    ]


@pytest.mark.parametrize(
    "body",
    [
        f"\ufeff\n <urlset {NS}><url><loc> https://news.example/1 </loc></url></urlset>",
        "<urlset><url><loc>https://news.example/1</loc></url>",  # cut off, and without a namespace
        "<urlset><url><loc>https://news.example/1</loc></url><url><loc>mailto:x</loc></url>"
        "<url></url></urlset>",
        "https://news.example/1\nnot an address\n",
        "<urlset><url><loc>https://news.example/1#top</loc><lastmod>soon</lastmod></url></urlset>",
    ],
)
def test_sloppy_files_are_read(body: str) -> None:
    assert [entry.url for entry in read_sitemap(body.encode(), URL).pages] == [
        "https://news.example/1"
    ]


@pytest.mark.parametrize("body", [b"", b"<html><h1>404</h1></html>", b"Not found", b"<rss/>", b"<"])
def test_what_is_no_sitemap_is_said(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"first element|neither|no XML"):
        read_sitemap(body, URL)


def test_entities_are_not_fetched_or_blown_up() -> None:
    body = """<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd"><!ENTITY b "&a;&a;">]>
      <urlset><url><loc>https://news.example/1</loc><lastmod>&b;</lastmod></url></urlset>"""
    (entry,) = read_sitemap(body.encode(), URL).pages
    assert entry.changed_at is None


def test_robots_names_sitemaps() -> None:
    robots = "User-agent: *\nDisallow: /x\nSitemap: https://news.example/a.xml\nsitemap:/b.xml.gz\n"
    assert sitemaps_of(robots, "https://news.example/robots.txt") == [
        "https://news.example/a.xml",
        "https://news.example/b.xml.gz",
    ]
