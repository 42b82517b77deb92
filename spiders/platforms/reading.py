"""One page in, its items, links and next page out, in the mode that a watch of ``page`` asks for.

Pure. ``auto`` tells threads, lists and articles apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from listener.types import Kind
from spiders.platforms.article import read_article
from spiders.platforms.fields import FIELDS, Fields
from spiders.platforms.forum import read_index, read_thread
from spiders.platforms.found import FoundItem, Row, next_page, page_link, parse, shown, zone_of

MODES = ("auto", "article", "forum", "selectors")
_ARTICLE = 300  # characters of running text; teasers of a list have less
_FEW = 5  # items below which an empty field may be chance


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How the pages of a watch are read: its parameters, checked."""

    mode: str
    fields: Fields
    kind: Kind | None = None
    zone: str | None = None
    top: float | None = None

    @classmethod
    def of(cls, params: Mapping[str, str]) -> How:
        """From a watch's parameters. Raises ValueError for a selector that is none."""
        names = (*FIELDS, "item", "next")
        return cls(
            mode=params.get("mode", "auto"),
            fields=Fields({name: params[name] for name in names if params.get(name)}),
            kind=Kind(params["kind"]) if params.get("kind") else None,
            zone=params.get("timezone"),
            top=float(params["rating_max"]) if params.get("rating_max") else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a page holds. ``hits`` are per selector, or per field of the items found."""

    items: list[FoundItem] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    next_url: str | None = None
    found: int = 0
    hits: Mapping[str, int] = field(default_factory=dict)


def read_view(html: str, url: str, how: How, now: datetime, *, inner: bool = False) -> View:
    """The view of a page. ``inner`` is one that a list led to: it is no list again."""
    root = parse(html)
    if how.mode == "selectors":
        return _by_selectors(root, url, html, how, now, inner=inner)
    zone = zone_of(root, how.zone)
    following = how.fields.next_page(root, url) if "next" in how.fields else next_page(root, url)
    if "link" in how.fields and not inner:
        rows = _linked(root, url, how, now)
        return View(rows=rows, next_url=following, found=len(rows), hits={"link": len(rows)})
    if how.mode == "article":
        article = read_article(html, url, now, how.zone)
        rows = [] if inner else read_index(root, url, now, zone)
        if len(rows) > 2 and not (_is_long(article) and not _is_listed(article, rows)):
            return View(rows=rows, next_url=following, found=len(rows))
        return _view([article] if article else [], how, None)
    posts, is_known = read_thread(root, url, now, zone)
    if how.mode == "forum" or is_known:
        rows = [] if inner or (posts and is_known) else read_index(root, url, now, zone)
        if posts and not _is_list(posts, rows):
            return _view(posts, how, following)
        if rows:
            return View(rows=rows, next_url=following, found=len(rows))
        if inner and not posts and how.mode == "forum":
            article = read_article(html, url, now, how.zone)  # a post that nobody has answered
            return _view([replace(article, kind=Kind.POST)] if article else [], how, None)
        return _view(posts, how, following)
    return _guessed(root, url, html, how, now, posts, following, inner=inner)


def _guessed(
    root: Any,
    url: str,
    html: str,
    how: How,
    now: datetime,
    posts: list[FoundItem],
    following: str | None,
    *,
    inner: bool,
) -> View:
    """An unknown page: an article with or without comments, a thread, or a list."""
    article = read_article(html, url, now, how.zone)
    rows = [] if inner else read_index(root, url, now, zone_of(root, how.zone))
    if posts and not _is_list(posts, rows):
        if article is not None and _is_long(article) and not _is_among(article, posts):
            comments = [replace(p, kind=Kind.COMMENT, title=None, is_reply=True) for p in posts]
            return _view([article, *comments], how, following)
        return _view(posts, how, following)
    if article is not None and _is_long(article) and not _is_listed(article, rows):
        return _view([article], how, None)
    if len(rows) > 2:
        return View(rows=rows, next_url=following, found=len(rows))
    return _view([article] if article is not None and article.text else [], how, None)


def _by_selectors(root: Any, url: str, html: str, how: How, now: datetime, *, inner: bool) -> View:
    zone = zone_of(root, how.zone)
    fields = how.fields
    following = fields.next_page(root, url)
    if "next" not in fields and ("item" in fields or "link" in fields):
        following = next_page(root, url)  # of a list; on a single page it leads to another item
    kind = how.kind or Kind.POST
    if not inner:
        items, rows, hits = fields.read(root, url, kind=kind, now=now, zone=zone, top=how.top)
        if "item" not in fields and not items and "link" in fields:
            rows = _linked(root, url, how, now)
        found = hits.items if "item" in fields else len(items) + len(rows)
        return View(items=items, rows=rows, next_url=following, found=found, hits=hits.filled)
    # The page behind a link is one item; what is to be found there are its fields.
    kept = {name: text for name, text in fields.selectors.items() if name not in ("item", "link")}
    items, _, hits = Fields(kept).read(root, url, kind=kind, now=now, zone=zone, top=how.top)
    items = [replace(item, id=url, url=url) for item in items]
    if "text" not in fields:
        article = read_article(html, url, now, how.zone)
        if article is not None:
            first = items[0] if items else article
            items = [
                _filled(replace(first, text=article.text, id=url, url=url, kind=kind), article)
            ]
    return View(items=items, found=len(items), hits=hits.filled)


def _linked(root: Any, url: str, how: How, now: datetime) -> list[Row]:
    """The pages that the selector ``link`` names, when it stands alone."""
    rows = []
    fields = how.fields
    if "item" in fields:
        reading = {n: t for n, t in fields.selectors.items() if n != "text"}
        _, found, _ = Fields(reading).read(
            root,
            url,
            kind=how.kind or Kind.POST,
            now=now,
            zone=zone_of(root, how.zone),
            top=how.top,
        )
        return list({row.url: row for row in found}.values())
    for node in fields.all(root, "link"):
        href = node if isinstance(node, str) else node.get("href")
        if href is None and not isinstance(node, str):
            href = next((a.get("href") for a in node.iter("a") if a.get("href")), None)
        link = page_link(url, href)
        if link and link != url:
            rows.append(Row(url=link, mark="" if isinstance(node, str) else shown(node)[:300]))
    return list({row.url: row for row in rows}.values())


def merged(item: FoundItem, row: FoundItem | None) -> FoundItem:
    """An item of an opened page, with what only the list told of it."""
    return item if row is None or item.is_reply else _filled(item, row)


def _filled(item: FoundItem, other: FoundItem) -> FoundItem:
    changes: dict[str, Any] = {}
    if not item.title:
        changes["title"] = other.title
    if item.author is None:
        changes["author"] = other.author
    if item.published_at is None and other.published_at is not None:
        changes |= {
            "published_at": other.published_at,
            "precision": other.precision,
            "stands": other.stands,
        }
    if item.rating is None and other.rating is not None:
        changes |= {
            "rating": other.rating,
            "rating_min": other.rating_min,
            "rating_max": other.rating_max,
        }
    return replace(item, **changes) if changes else item


def _view(items: list[FoundItem], how: How, following: str | None) -> View:
    if how.kind is not None:
        items = [replace(item, kind=how.kind) for item in items]
    hits = {
        "title": sum(bool(item.title) for item in items),
        "text": sum(bool(item.text) for item in items),
        "author": sum(item.author is not None for item in items),
        "date": sum(item.published_at is not None for item in items),
        "rating": sum(item.rating is not None for item in items),
    }
    return View(items=items, next_url=following, found=len(items), hits=hits)


def _is_long(article: FoundItem | None) -> bool:
    return article is not None and len(article.text) >= _ARTICLE


def _is_list(posts: list[FoundItem], rows: list[Row]) -> bool:
    """Whether what looks like posts is the same list as what looks like rows: teasers."""
    titles = [row.item.title for row in rows if row.item and row.item.title]
    texts = " ".join(post.text for post in posts)
    return len(rows) > 2 and sum(title[:40] in texts for title in titles) * 2 > len(posts)


def _is_listed(article: FoundItem | None, rows: list[Row]) -> bool:
    """Whether the "article" is a list of the rows' titles."""
    titles = [row.item.title for row in rows if row.item and row.item.title][:20]
    whole = _words(article) if article is not None else ""
    return len(titles) > 2 and sum(title in whole for title in titles) * 2 > len(titles)


def _is_among(article: FoundItem, posts: list[FoundItem]) -> bool:
    """Whether the "article" is made of the posts themselves."""
    whole = _words(article)
    inside = sum(_words(post)[:60] in whole for post in posts)
    return inside * 2 >= len(posts)


def _words(post: FoundItem) -> str:
    return shown(parse(post.text)).strip()


def fills(found: int, hits: Mapping[str, int]) -> dict[str, float]:
    """The share of items in which a field was there; nothing can be said of a few."""
    return {name: hit / found for name, hit in hits.items()} if found >= _FEW else {}


def emptied(before: Mapping[str, float], now: Mapping[str, float]) -> list[str]:
    """The fields that were mostly there and are not there at all any more."""
    return [name for name, rate in now.items() if rate == 0 and before.get(name, 0.0) >= 0.5]
