"""What was found on a page before it becomes an item, and the small readings all extractors share.

Pure. Between a parsed page and the spiders ``page`` and ``sitemap``.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any
from urllib.parse import urljoin, urlsplit
from zoneinfo import ZoneInfo

import lxml.etree
import lxml.html
from parsel import Selector

from listener.collect.dates import NOTHING, Dated, read_date, read_shown_date
from listener.text import clean, derived_id
from listener.types import Kind, Precision, RawAuthor

_SPACE = re.compile(r"\s+")
_HANGUL = re.compile(r"[가-힣]")
_EPOCH = re.compile(r"\d{10}(?:\d{3})?\Z")
_NO_TEXT = frozenset({"script", "style", "noscript", "template", "svg", "iframe", "select"})
_LEAD = 80  # characters of a text that tell it from another, where no date does


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundItem:
    """One post, comment, review or article of a page. ``text`` is HTML, ``title`` is plain."""

    text: str
    kind: Kind = Kind.POST
    title: str | None = None
    author: RawAuthor | None = None
    published_at: datetime | None = None
    precision: Precision = Precision.NONE
    stands: bool = False  # the date is one of the calendar, not "3 hours ago"
    rating: float | None = None
    rating_min: float | None = None
    rating_max: float | None = None
    language: str | None = None
    url: str | None = None
    id: str | None = None
    is_reply: bool = False

    def identity(self, page: str, ordinals: Counter[str]) -> tuple[str, bool]:
        """The id, and whether it is derived: of page, author, date and ordinal.

        A date that moves with the clock identifies nothing, and neither does an ordinal where new
        items come first: there, and only there, the beginning of the text stands for the date.
        """
        if self.id:
            return self.id[:500], False
        author = self.author.native_id or self.author.name if self.author else ""
        if self.published_at is not None and self.stands:
            when = self.published_at.isoformat()
        else:
            words = clean(self.text, html=True) or self.title or ""
            when = f"text:{_SPACE.sub(' ', words).strip()[:_LEAD]}"
        key = f"{page}\0{author}\0{when}"
        ordinal = ordinals[key]
        ordinals[key] += 1
        return derived_id(page, author, when, ordinal), True


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a list of links. ``mark`` changes when the line does; ``item`` is what it tells
    already.
    """

    url: str
    mark: str
    item: FoundItem | None = None


def parse(html: str, *, scripts: bool = False) -> Any:
    """The root element of a page, without what nobody reads; an empty page has one too."""
    root = Selector(text=html or "<html></html>", type="html").root
    dropped = _NO_TEXT - {"script"} if scripts else _NO_TEXT
    lxml.etree.strip_elements(root, *dropped, lxml.etree.Comment, with_tail=False)
    return root


def shown(node: Any) -> str:
    """The visible text below a node on one line."""
    parts: list[str] = []
    for event, one in lxml.etree.iterwalk(node, events=("start", "end")):
        is_element = isinstance(one.tag, str)
        if event == "start":
            if is_element and one.tag != "script":
                parts.append(one.text or "")
        elif one is not node:
            if not is_element or one.tag not in _INLINE:
                parts.append(" ")
            parts.append(one.tail or "")
    return _SPACE.sub(" ", "".join(parts)).strip()


size = lxml.etree.XPath("string-length(normalize-space(.))")
"""Characters below a node, as a float: much faster than reading them."""


_INLINE = frozenset(
    {"a", "b", "strong", "i", "em", "u", "span", "font", "mark", "small", "sub", "sup", "code"}
)


def markup(node: Any, without: str = "") -> str:
    """The HTML of a node, without the parts that a CSS selector names (unless nothing is left)."""
    kept = node
    if without:
        kept = copy.deepcopy(node)
        for part in kept.cssselect(without):
            if part is not kept:
                part.drop_tree()
        if not shown(kept):
            kept = node
    text: str = lxml.html.tostring(kept, encoding="unicode", with_tail=False)
    return text


def zone_of(root: Any, told: str | None = None) -> tzinfo:
    """The zone in which a page writes its times: as told, else Seoul if it is Korean, else UTC."""
    if told:
        return ZoneInfo(told)
    language = (root.get("lang") or root.get("{http://www.w3.org/XML/1998/namespace}lang") or "")[
        :2
    ]
    if language.lower() == "ko":
        return ZoneInfo("Asia/Seoul")
    sample = shown(root)[:3_000]
    is_korean = len(_HANGUL.findall(sample)) > len(sample) // 5
    return ZoneInfo("Asia/Seoul") if is_korean else UTC


def date_of(node: Any, now: datetime, zone: tzinfo) -> tuple[Dated, bool]:
    """The date that a node tells, in its attributes (exact ones first) or to its readers."""
    for one in [node, *node.iter("time", "abbr", "span")]:
        for name in (
            "datetime",
            "data-time",
            "data-timestamp",
            "data-unixtime",
            "content",
            "title",
        ):
            value = (one.get(name) or "").strip()
            if _EPOCH.match(value) and name.startswith("data-"):
                seconds = int(value[:10])
                return (datetime.fromtimestamp(seconds, UTC), Precision.EXACT), True
            dated = read_date(value, zone) if value else NOTHING
            if dated[0] is None and name == "title" and value:
                dated, stands = read_shown_date(value, now, zone)
                if not stands:
                    continue
            if dated[0] is not None:
                return dated, True
    return read_shown_date(shown(node), now, zone)


def author_of(node: Any, url: str) -> RawAuthor | None:
    """Who a node names; the link to the profile, if there is one, is the better id."""
    links = [node] if node.tag == "a" else list(node.iter("a"))
    link = next((one for one in links if one.get("href")), None)
    name = shown(node) or (node.get("title") or node.get("alt") or "").strip()
    if not name:
        image = next(iter(node.iter("img")), None)  # some boards draw the names of members
        name = (image.get("alt") or "").strip() if image is not None else ""
    name = re.sub(r"^(?:작성자|글쓴이|이름|by|author|posted by)\s*[:：]?\s*", "", name, flags=re.I)
    if not name or len(name) > 80:
        return None
    page = page_link(url, link.get("href")) if link is not None else None
    return RawAuthor(native_id=(page or name)[:300], name=name, url=page)


def page_link(base: str, href: str | None) -> str | None:
    """An absolute web address without its fragment, or None for anything else."""
    try:
        link = urljoin(base, (href or "").strip())
        parts = urlsplit(link)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or not (href or "").strip():
        return None
    return link.partition("#")[0]


def same_site(one: str, other: str) -> bool:
    """Whether two addresses lie on one host, with or without www."""
    hosts = [(urlsplit(url).netloc or "").lower().removeprefix("www.") for url in (one, other)]
    return hosts[0] == hosts[1]


_NEXT = (
    '//link[@rel="next"]/@href | //a[contains(concat(" ", @rel, " "), " next ")]/@href'
    ' | //a[contains(concat(" ", normalize-space(@class), " "), " next ")]/@href'
    ' | //*[contains(concat(" ", normalize-space(@class), " "), " next ")]/a/@href'
    ' | //a[contains(@class, "pg_next") or contains(@class, "pageNav-jump--next")]/@href'
)
_NEXT_WORDS = frozenset(
    {"다음", "다음 페이지", "다음페이지", "next", "next page", "next ›", "next »"}
)


def next_page(root: Any, url: str) -> str | None:
    """Where a page says it goes on, on the same site only."""
    links = [str(href) for href in root.xpath(_NEXT)]
    links += [
        a.get("href", "")
        for a in root.iter("a")
        if len(a.text_content()) < 20 and shown(a).lower().strip(" >›»→") in _NEXT_WORDS
    ]
    for href in links:
        link = page_link(url, href)
        if link and link != url.partition("#")[0] and same_site(link, url):
            return link
    return None
