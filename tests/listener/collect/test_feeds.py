"""Feed documents that recorded cases do not cover: hostile, damaged, odd."""

from __future__ import annotations

import json
import time
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from listener.collect.feeds import Document, feed_links, read_feed

URL = "https://naru.example/feed"


def rss(inside: str, channel: str = "") -> Document:
    document = read_feed(
        f'<?xml version="1.0"?><rss version="2.0" xmlns:sy="http://purl.org/rss/1.0/modules/syndication/">'
        f"<channel><title>x</title>{channel}{inside}</channel></rss>",
        URL,
    )
    assert document is not None
    return document


def test_entities_do_not_grow_and_files_are_not_read() -> None:
    bomb = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 9))
    document = read_feed(
        f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "lol">{bomb}'
        '<!ENTITY f SYSTEM "file:///etc/passwd">]><rss version="2.0"><channel>'
        "<item><guid>1</guid><title>&l8; &f;</title></item></channel></rss>",
        URL,
    )
    assert document is not None
    assert len(document.entries[0].title) < 100
    assert "root:" not in document.entries[0].title


@pytest.mark.parametrize(
    "junk",
    ["<", "<a ", "<b>", "&", "<![CDATA[", "<!DOCTYPE [", "<!--", "<?", "<!a", '<a x="', "<item>"],
)
def test_junk_takes_no_more_time_than_its_length_allows(junk: str) -> None:
    started = time.monotonic()
    rss("<item><title>x</title><description>" + junk * (30_000 // len(junk)))
    assert time.monotonic() - started < 10


PARTS = """<rss~version='2.0'> <channel> <item> </item> <guid> </guid> <title> </title> <id> </rss>
<feed~xmlns='http://www.w3.org/2005/Atom'> <entry> &#99999999999; &#x; &nbsp; <![CDATA[ ]]> <!
<!DOCTYPE <link~href=' '/> <author> a@b~(c) <source> x 배송 \0 <?xml ?> xml:base='http://["""
XML = st.lists(st.sampled_from(PARTS.replace("~", "\u2007").split(" ")) | st.text(max_size=3)).map(
    lambda parts: "".join(parts).replace("\u2007", " ")
)


@settings(max_examples=100, deadline=None)
@given(XML)
@example("<rss version='2.0'><channel><item>&#99999999999;")
@example("<rss version='2.0'><!a")
def test_no_document_makes_it_fail(text: str) -> None:
    document = read_feed(text, URL)
    assert document is None or isinstance(document, Document)


KEYS = "id url title content_html authors author name tags image attachments".split()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=10,
)


@given(st.lists(JSON, max_size=4), JSON)
def test_no_json_feed_makes_it_fail(items: list[object], other: object) -> None:
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "items": items,
        "next_url": other,
        "title": other,
    }
    document = read_feed(json.dumps(feed), URL)
    assert document is not None
    assert len(document.entries) == sum(isinstance(item, dict) for item in items)


def test_json_feeds_lead_further_and_end() -> None:
    feed = {
        "version": "https://jsonfeed.org/version/1",
        "items": [],
        "next_url": "?page=2",
        "expired": True,
    }
    document = read_feed("\ufeff" + json.dumps(feed), URL)
    assert document is not None
    assert document.older == f"{URL}?page=2"
    assert document.finished


@pytest.mark.parametrize(
    ("channel", "every"),
    [
        ("<ttl>90</ttl>", timedelta(minutes=90)),
        ("<ttl>soon</ttl>", None),
        (
            "<sy:updatePeriod>daily</sy:updatePeriod><sy:updateFrequency>4</sy:updateFrequency>",
            timedelta(hours=6),
        ),
        ("<sy:updatePeriod>hourly</sy:updatePeriod><ttl>5</ttl>", timedelta(hours=1)),
        ("", None),
    ],
)
def test_how_seldom_a_feed_changes(channel: str, every: timedelta | None) -> None:
    assert rss("", channel).every == every


def test_links_that_are_no_web_addresses_are_left_out() -> None:
    document = rss(
        "<item><guid>1</guid><title>x</title><link>javascript:alert(1)</link>"
        '<enclosure url="data:text/html,x"/></item><item><guid>t3_x</guid><title>y</title></item>'
    )
    assert [entry.link for entry in document.entries] == ["", ""]
    assert document.entries[0].media == ()
    assert [entry.id for entry in document.entries] == ["1", "t3_x"]


def test_relative_ids_stay_as_written_whatever_the_base() -> None:
    document = read_feed(
        '<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://base.example/r/"><entry><id>t3_a</id>'
        '<title>x</title><link href="c/a"/></entry></feed>',
        URL,
    )
    assert document is not None
    assert document.entries[0].id == "t3_a"
    assert document.entries[0].link == "https://base.example/r/c/a"


def test_the_feeds_of_a_page() -> None:
    page = """<link rel=alternate type="application/atom+xml" href='/a?x=1&amp;y=2'>
    <LINK HREF=/b.json TYPE=application/feed+json><link rel="stylesheet" type="text/css" href="/c">
    <link type="application/rss+xml" href="javascript:x"><link type="application/rss+xml">"""
    assert feed_links(page, URL) == [
        "https://naru.example/a?x=1&y=2",
        "https://naru.example/b.json",
    ]
