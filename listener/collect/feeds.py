"""Feed documents: RSS, Atom and JSON Feed read into one shape. Pure; the ``feed`` source asks and
judges.

feedparser reads the XML ones (broken ones too) but no JSON Feed, and it resolves relative ids
against the feed's address, which would give one post two identities. So it gets neither the address
nor ``xml:base`` here.
"""

from __future__ import annotations

import html
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urljoin
from xml.sax import SAXException, SAXParseException

import feedparser

from listener.types import Engagement

MAX_ENTRIES = 5_000
_PROLOG = re.compile(r"\A\s*<\?xml\b[^>]*\?>")
_DOCTYPE = re.compile(r"<!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>", re.DOTALL | re.IGNORECASE)
_DOCTYPE_START = re.compile(r"<!DOCTYPE\b", re.IGNORECASE)
_BASE = re.compile(r"""\sxml:base\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_ROOT_END = re.compile(
    r"</\s*(?:\w+:)?(?:rss|feed|rdf|channel)\s*>\s*(?:<!--.*?-->\s*)*\Z", re.DOTALL | re.IGNORECASE
)
_LINK_TAG = re.compile(r"<link\b[^>]*>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""([\w-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
_TAG = re.compile(r"<[^>]*>")
_FEED_TYPES = ("application/rss+xml", "application/atom+xml", "application/feed+json")
_PERIODS = {
    "hourly": timedelta(hours=1),
    "daily": timedelta(days=1),
    "weekly": timedelta(weeks=1),
    "monthly": timedelta(days=30),
    "yearly": timedelta(days=365),
}
_AUTHOR_MAIL = re.compile(r"\A\s*(?P<mail>[^\s@<>()]+)@[^\s<>()]+\s*(?:\((?P<name>[^)]*)\))?\s*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry. ``id`` is as written, ``link`` absolute; ``title`` and ``text`` are HTML; dates as
    written.
    """

    id: str = ""
    link: str = ""
    title: str = ""
    text: str = ""
    author: str = ""
    author_url: str = ""
    published: str = ""
    language: str = ""
    publisher: str = ""
    publisher_url: str = ""
    parent_id: str = ""
    media: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    engagement: Engagement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A feed. ``older`` leads to earlier entries, ``every`` is how seldom it changes by its own
    word.

    ``cut_off`` = it ends in the middle (the last entry is left out), ``broken`` = what is wrong
    with it.
    """

    entries: tuple[Entry, ...]
    title: str = ""
    language: str = ""
    older: str | None = None
    every: timedelta | None = None
    cut_off: bool = False
    broken: str | None = None
    finished: bool = False


def read_feed(text: str, url: str) -> Document | None:
    """Read a feed of any kind; ``url`` is where it lies. None when it is no feed at all."""
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        return _json_feed(text, url)
    return _xml_feed(text, url)


def feed_links(page: str, url: str) -> list[str]:
    """The feeds that a web page names (``<link rel=alternate>``), absolute."""
    found: list[str] = []
    for tag in _LINK_TAG.findall(page[:500_000]):
        attributes = {
            name.lower(): html.unescape(a or b or c) for name, a, b, c in _ATTRIBUTE.findall(tag)
        }
        if attributes.get("type", "").lower() in _FEED_TYPES and attributes.get("href"):
            link = _absolute(attributes["href"], url)
            if link and link not in found:
                found.append(link)
    return found


def plain(markup: str) -> str:
    """HTML as a line of text, roughly: for comparing and measuring."""
    return " ".join(html.unescape(_TAG.sub(" ", markup)).split())


# --- XML -------------------------------------------------------------------------------------


def _xml_feed(text: str, url: str) -> Document | None:
    base = _BASE.search(text)
    if base:
        url = _absolute(base[1] or base[2], url) or url
        text = _BASE.sub("", text)
    # The charset is settled already, and a DTD can only do harm (entities that grow).
    text = _CONTROL.sub("", _without_dtd(_PROLOG.sub("", text, count=1))).lstrip()
    try:
        parsed = feedparser.parse(
            io.BytesIO(text.encode("utf-8", "replace")),
            response_headers={"content-type": "application/xml; charset=utf-8"},
            resolve_relative_uris=False,
            sanitize_html=False,
        )
    except Exception as error:
        # Its loose parser fails on damaged markup in many ways (OverflowError, AssertionError …).
        return Document(entries=(), broken=f"it cannot be parsed: {type(error).__name__}")
    if not parsed.get("version"):
        return None
    atom = parsed.version.startswith("atom")
    rows = parsed.entries[:MAX_ENTRIES]
    broken = _fault(parsed.get("bozo_exception")) if parsed.bozo else None
    cut_off = broken is not None and not _ROOT_END.search(text)
    if cut_off:
        rows = rows[:-1]
    feed = parsed.feed
    return Document(
        entries=tuple(_xml_entry(row, url, atom) for row in rows),
        title=plain(_text(feed, "title")),
        language=_text(feed, "language"),
        older=_older(feed, url),
        every=_every(feed),
        cut_off=cut_off,
        broken=broken,
    )


def _without_dtd(text: str) -> str:
    """The document without the first DOCTYPE and what it declares."""
    start = _DOCTYPE_START.search(text[:4_096])
    found = _DOCTYPE.match(text, start.start()) if start else None
    return text[: found.start()] + text[found.end() :] if found else text


def _fault(error: object) -> str | None:
    """What is wrong with the XML, and where; None for what is only irregular (a charset, a content
    type).
    """
    if isinstance(error, SAXParseException):
        return f"line {error.getLineNumber()}: {error.getMessage()}"
    return str(error) if isinstance(error, SAXException) else None


def _xml_entry(row: Mapping[str, Any], url: str, atom: bool) -> Entry:
    raw_id, link = _text(row, "id").strip(), _text(row, "link").strip()
    if link == raw_id and not link.startswith(("http://", "https://")):
        link = ""  # feedparser takes any guid for a permalink
    name, author_url = _author(row)
    source = row.get("source") or {}
    reply = row.get("thr_in-reply-to")
    contents = [*(row.get("content") or ()), row.get("summary_detail") or {}]
    bodies = [_markup(content, atom) for content in contents if content.get("value")]
    languages = [c.get("language") for c in (*contents, row.get("title_detail") or {})]
    return Entry(
        id=raw_id,
        link=_absolute(link, url) or "",
        title=_markup(row.get("title_detail") or {"value": _text(row, "title")}, atom),
        text=max(bodies, key=lambda body: len(plain(body)), default=""),
        author=name,
        author_url=_absolute(author_url, url) or "",
        published=_text(row, "published") or _text(row, "created") or _text(row, "updated"),
        language=next((language for language in languages if language), ""),
        publisher=plain(_text(source, "title")),
        publisher_url=_absolute(_text(source, "href") or _text(source, "link"), url) or "",
        parent_id=_text(reply, "ref").strip() if isinstance(reply, Mapping) else "",
        media=tuple(_media(row, url)),
        tags=tuple(t.get("term") for t in row.get("tags") or () if t.get("term")),
        engagement=_engagement(row),
    )


def _markup(content: Mapping[str, Any], atom: bool) -> str:
    """A text construct as HTML. RSS never says whether it is plain, and escapes plain text twice as
    often as not.
    """
    value = content.get("value") or ""
    if content.get("type") != "text/plain":
        return str(value)
    return html.escape(value, quote=False) if atom else str(value).replace("<", "&lt;")


def _author(row: Mapping[str, Any]) -> tuple[str, str]:
    """Name and address of the author; of a mail address no more than the part before the @."""
    detail = row.get("author_detail") or {}
    told = _text(row, "author")
    # feedparser cuts addresses at the wrong place when their domain ends unusually.
    name = plain(told if "@" in told else _text(detail, "name") or told)
    found = _AUTHOR_MAIL.match(name)
    if found:
        name = (found["name"] or found["mail"]).strip()
    return name or _text(detail, "email").partition("@")[0], _text(detail, "href")


def _media(row: Mapping[str, Any], url: str) -> Iterator[str]:
    links = [link.get("href") for link in row.get("links") or () if link.get("rel") == "enclosure"]
    links += [part.get("url") for part in row.get("media_content") or ()]
    links += [part.get("url") for part in row.get("media_thumbnail") or ()]
    for link in links[:20]:
        found = _absolute(link or "", url)
        if found:
            yield found


def _engagement(row: Mapping[str, Any]) -> Engagement | None:
    likes = _count(row.get("media_starrating"), "count")  # YouTube puts likes there
    views = _count(row.get("media_statistics"), "views")
    replies = _count(row, "slash_comments")
    if replies is None:
        replies = _count(row, "thr_total")
    if likes is None and views is None and replies is None:
        return None
    return Engagement(likes=likes, views=views, replies=replies)


def _older(feed: Mapping[str, Any], url: str) -> str | None:
    """Where earlier entries are: the archive before (RFC 5005, section 4), or the next page
    (section 3).
    """
    for rel in ("prev-archive", "next"):
        for link in feed.get("links") or ():
            if link.get("rel") == rel and link.get("href"):
                return _absolute(link["href"], url)
    return None


def _every(feed: Mapping[str, Any]) -> timedelta | None:
    """How seldom the feed changes: the longer of ``ttl`` (minutes) and the syndication module."""
    told: list[timedelta] = []
    ttl = _count(feed, "ttl")
    if ttl:
        told.append(timedelta(minutes=min(ttl, 100_000)))
    period = _PERIODS.get(_text(feed, "sy_updateperiod").strip().lower())
    if period:
        told.append(period / max(_count(feed, "sy_updatefrequency") or 1, 1))
    return max(told, default=None)


# --- JSON ------------------------------------------------------------------------------------


def _json_feed(text: str, url: str) -> Document | None:
    """JSON Feed 1 and 1.1; ids may be numbers, and are not always there."""
    try:
        data = json.loads(text.lstrip("\ufeff"))
    except (ValueError, RecursionError):
        return None
    if not str(data.get("version", "")).startswith("https://jsonfeed.org/"):
        return None
    rows = [row for row in data["items"][:MAX_ENTRIES] if isinstance(row, dict)]
    older = data.get("next_url")
    return Document(
        entries=tuple(_json_entry(row, url) for row in rows),
        title=_text(data, "title"),
        language=_text(data, "language"),
        older=_absolute(older, url) if isinstance(older, str) else None,
        finished=data.get("expired") is True,
    )


def _json_entry(row: Mapping[str, Any], url: str) -> Entry:
    authors = row.get("authors") or [row.get("author") or {}]
    author = authors[0] if isinstance(authors, list) and isinstance(authors[0], dict) else {}
    bodies = [_text(row, "content_html")]
    bodies += [html.escape(_text(row, name), quote=False) for name in ("content_text", "summary")]
    attachments = row.get("attachments")
    media = [row.get("image")]
    media += (
        [a.get("url") for a in attachments if isinstance(a, dict)]
        if isinstance(attachments, list)
        else []
    )
    tags = row.get("tags")
    return Entry(
        id=_text(row, "id").strip(),
        link=_absolute(_text(row, "url") or _text(row, "external_url"), url) or "",
        title=html.escape(_text(row, "title"), quote=False),
        text=max(bodies, key=lambda body: len(plain(body))),
        author=_text(author, "name"),
        author_url=_absolute(_text(author, "url"), url) or "",
        published=_text(row, "date_published") or _text(row, "date_modified"),
        language=_text(row, "language"),
        media=tuple(
            link for one in media if isinstance(one, str) and (link := _absolute(one, url))
        ),
        tags=tuple(str(tag) for tag in tags) if isinstance(tags, list) else (),
    )


# --- both ------------------------------------------------------------------------------------


def _text(row: Mapping[str, Any], name: str) -> str:
    """A value as text; numbers count, anything with parts does not."""
    value = row.get(name)
    if isinstance(value, bool) or value is None:
        return ""
    return str(value) if isinstance(value, str | int | float) else ""


def _count(row: Mapping[str, Any] | None, name: str) -> int | None:
    value = _text(row, name).strip() if isinstance(row, Mapping) else ""
    return int(value) if value.isdecimal() and len(value) < 16 else None


def _absolute(link: str, url: str) -> str | None:
    """A web address made absolute; None for other schemes and for nonsense."""
    try:
        joined = urljoin(url, link.strip()) if link.strip() else ""
    except ValueError:
        return None
    return joined if joined.startswith(("http://", "https://")) else None
