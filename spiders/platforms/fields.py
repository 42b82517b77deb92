"""Items of a page by selectors that somebody wrote: one for the item, one for each of its fields.

Pure. A value is read out of whatever the selector hits: an attribute, a text, an element.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from listener.collect.dates import NOTHING, read_date, read_shown_date
from listener.collect.selectors import to_xpath
from listener.types import Kind, RawAuthor
from spiders.platforms.found import FoundItem, Row, author_of, date_of, markup, page_link, shown

FIELDS = ("title", "text", "author", "date", "rating", "link")
_NUMBER = r"(\d+(?:[.,]\d+)?)"
_OUT_OF = re.compile(rf"{_NUMBER}\s*점?\s*(?:/|out of|of|점 만점에)\s*{_NUMBER}", re.IGNORECASE)
_FIRST = re.compile(_NUMBER)
_WIDTH = re.compile(rf"width\s*:\s*{_NUMBER}\s*%")
_CLASS = re.compile(r"(?:star|rat(?:e|ing)|score|point|grade)s?[-_]?(\d{1,3})\b", re.IGNORECASE)
_ID_NAMES = (
    "data-review-id",
    "data-comment-id",
    "data-post-id",
    "data-id",
    "data-no",
    "data-seq",
    "data-key",
    "id",
)
_ID = re.compile(r"\d{3,}|[0-9a-f-]{16,}\Z", re.IGNORECASE)  # "item-3" is a place and no name

Rating = tuple[float | None, float | None, float | None]


@dataclass(frozen=True, slots=True)
class Hits:
    """What the selectors of a page hit: how many items, and in how many of them each field."""

    items: int
    filled: Mapping[str, int]


class Fields:
    """Compiled selectors. Raises ValueError for one that is none."""

    def __init__(self, selectors: Mapping[str, str]) -> None:
        self.selectors = {name: text for name, text in selectors.items() if text.strip()}
        self._paths = {name: to_xpath(text) for name, text in self.selectors.items()}

    def __contains__(self, name: str) -> bool:
        return name in self._paths

    def next_page(self, root: Any, url: str) -> str | None:
        """Where the page goes on, by the selector ``next``."""
        return self._link(root, "next", url)

    def read(
        self, root: Any, url: str, *, kind: Kind, now: datetime, zone: tzinfo, top: float | None
    ) -> tuple[list[FoundItem], list[Row], Hits]:
        """The items of a page, the pages to open for what it does not tell itself, and the hits.

        An item whose ``text`` is there is whole, and its link is its address. One with a link
        only is read on the page behind it. Without ``item`` the whole page is one.
        """
        nodes = self._nodes(root, "item") if "item" in self else [root]
        items: list[FoundItem] = []
        rows: list[Row] = []
        filled = dict.fromkeys((name for name in FIELDS if name in self), 0)
        links = [self._link(node, "link", url) for node in nodes]
        for node, link in zip(nodes, links, strict=True):
            # A link that all items share leads to the product, not to the item.
            own = link if link and (len(nodes) == 1 or links.count(link) == 1) else None
            item = self._item(node, url, own, kind=kind, now=now, zone=zone, top=top)
            for name in filled:
                filled[name] += _has(item, name) if name != "link" else link is not None
            if item.text or (not link and (item.title or item.rating is not None)):
                items.append(item)
            elif link and link != url:
                rows.append(Row(url=link, mark=shown(node)[:300], item=item))
        return items, rows, Hits(items=len(nodes), filled=filled)

    def _item(
        self,
        node: Any,
        url: str,
        link: str | None,
        *,
        kind: Kind,
        now: datetime,
        zone: tzinfo,
        top: float | None,
    ) -> FoundItem:
        (published_at, precision), stands = self._date(node, now, zone)
        rating, low, high = self._rating(node, top)
        return FoundItem(
            text=self._text(node),
            kind=kind,
            title=self._title(node),
            author=self._author(node, url),
            published_at=published_at,
            precision=precision,
            stands=stands,
            rating=rating,
            rating_min=low,
            rating_max=high,
            url=link,
            id=link or (_own_id(node) if "item" in self else None),
        )

    def all(self, root: Any, name: str) -> list[Any]:
        """Everything that one selector hits below a node: elements, or texts."""
        return self._nodes(root, name)

    def _nodes(self, node: Any, name: str) -> list[Any]:
        """What a selector hits; one that is valid but makes no sense here hits nothing."""
        path = self._paths.get(name)
        found = node.xpath(path) if path else []
        return found if isinstance(found, list) else [str(found)]

    def _first(self, node: Any, name: str) -> Any:
        return next(iter(self._nodes(node, name)), None)

    def _text(self, node: Any) -> str:
        parts = [_html(one) for one in self._nodes(node, "text")]
        return "\n".join(part for part in parts if part)

    def _title(self, node: Any) -> str | None:
        found = self._first(node, "title")
        return (_plain(found) or None) if found is not None else None

    def _author(self, node: Any, url: str) -> RawAuthor | None:
        found = self._first(node, "author")
        if found is None:
            return None
        if not isinstance(found, str):
            return author_of(found, url)
        name = _plain(found)[:80]
        return RawAuthor(native_id=name, name=name) if name else None

    def _date(self, node: Any, now: datetime, zone: tzinfo) -> tuple[Any, bool]:
        found = self._first(node, "date")
        if found is None:
            return NOTHING, False
        if not isinstance(found, str):
            return date_of(found, now, zone)
        dated = read_date(found, zone)
        return (dated, True) if dated[0] is not None else read_shown_date(found, now, zone)

    def _rating(self, node: Any, top: float | None) -> Rating:
        found = self._first(node, "rating")
        return (None, None, None) if found is None else read_rating(found, top)

    def _link(self, node: Any, name: str, url: str) -> str | None:
        found = self._first(node, name)
        if found is None or isinstance(found, str):
            return page_link(url, found)
        near = [found, *found.iter("a"), *found.iterancestors("a")]
        href = next((one.get("href") for one in near if one.get("href")), None)
        return page_link(url, href)


def read_rating(found: Any, top: float | None = None) -> Rating:
    """A rating with its scale out of a text or an element: "4.5", "8/10", "5점", "★★★★☆", a width
    of 80%, "star4" in a class, an image that says so. A missing upper end is 5, 10 or 100.
    """
    texts = [found] if isinstance(found, str) else _rating_texts(found)
    for text in texts:
        stars = text.count("★")
        if stars:
            return float(stars), 1.0, top or 5.0
        told = _OUT_OF.search(text)
        if told:
            one, other = _float(told[1]), _float(told[2])
            is_best_first = "만점" in told.group()
            value, high = (other, one) if is_best_first else (one, other)
            return _scaled(value, top or high)
        plain = _FIRST.search(text)
        if plain:
            return _scaled(_float(plain[1]), top)
    if not isinstance(found, str):
        for one in [found, *found.iterdescendants()]:
            if not isinstance(one.tag, str):
                continue
            width = _WIDTH.search(one.get("style") or "")
            if width:
                return _scaled(_float(width[1]), 100.0)
            named = _CLASS.search(one.get("class") or "")
            if named:
                value = float(named[1])
                return _scaled(value / 10 if value > 10 and value % 5 == 0 else value, top)
    return None, None, None


def _rating_texts(node: Any) -> list[str]:
    texts = []
    for one in [node, *node.iterdescendants("img", "meta", "span", "i", "em")]:
        texts += [one.get(name) or "" for name in ("content", "data-rating", "data-score")]
        texts += [one.get(name) or "" for name in ("aria-label", "alt", "title", "value")]
    return [text for text in (*texts, shown(node)) if text.strip()]


def _scaled(value: float, high: float | None) -> Rating:
    high = high or next((end for end in (5.0, 10.0, 100.0) if value <= end), None)
    if high is None or not 0 <= value <= high:
        return None, None, None
    return value, 0.0 if value < 1 or high == 100 else 1.0, high


def _float(text: str) -> float:
    return float(text.replace(",", "."))


def _html(found: Any) -> str:
    if isinstance(found, str):
        return html.escape(found.strip(), quote=False)
    return markup(found) if shown(found) else ""


def _plain(found: Any) -> str:
    text = " ".join(found.split()) if isinstance(found, str) else shown(found)
    if not text and not isinstance(found, str):
        text = (found.get("content") or found.get("alt") or found.get("title") or "").strip()
    return text[:500]


def _own_id(node: Any) -> str | None:
    """What the page calls an item, if it looks like a name rather than a place in the list."""
    for name in _ID_NAMES:
        value = (node.get(name) or "").strip()
        if value and len(value) <= 200 and _ID.search(value):
            return value
    return None


def _has(item: FoundItem, name: str) -> bool:
    value = {
        "title": item.title,
        "text": item.text.strip(),
        "author": item.author,
        "date": item.published_at,
        "rating": item.rating,
    }[name]
    return value is not None and value != ""
