"""The article of a page, whatever page it is: title, text, author and date. Pure.

The text is found by trafilatura (docs/adr tells why); the date and the author are read from the
page's own markup first, which tells the time and not only the day.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, tzinfo
from html import escape
from typing import Any

from listener.collect.dates import NOTHING, Dated, read_date
from listener.types import Kind, RawAuthor
from spiders.platforms.found import FoundItem, date_of, page_link, parse, same_site, zone_of
from spiders.platforms.loose_json import loose_json

_DATES = (
    "article:published_time",
    "og:article:published_time",
    "datepublished",
    "pubdate",
    "date",
    "dc.date",
    "dc.date.issued",
    "article:published",
    "sailthru.date",
    "parsely-pub-date",
)
_AUTHORS = ("author", "article:author", "dable:author", "byl", "dc.creator", "parsely-author")
_TITLES = ("og:title", "twitter:title")
_TYPES = frozenset(
    "article newsarticle blogposting reportagenewsarticle techarticle socialmediaposting".split()
)
_SHORTEST = 20  # characters of a text that stands without a title
_SITE_NAME = re.compile(r"\s+(?:[|\-–—:<]|::)\s+[^|\-–—:<]{2,40}\Z")


def read_article(html: str, url: str, now: datetime, zone: str | None = None) -> FoundItem | None:
    """The article of a page, or None where there is none to speak of."""
    import trafilatura  # 0.7 s of CPU, which crawls that need none are spared

    root = parse(html, scripts=True)
    told = next(_told(root), {})
    document = trafilatura.bare_extraction(
        html, url=url, include_comments=False, include_tables=True, with_metadata=False
    )
    text = (getattr(document, "text", None) or "").strip() if document is not None else ""
    body = told.get("articleBody")
    if isinstance(body, str) and len(body) > 2 * len(text):
        text = body.strip()
    metas = _metas(root)
    title = _title(root, metas, told)
    if len(text) < _SHORTEST and not title:
        return None
    first, _, rest = text.partition("\n")
    if title and " ".join(first.split()) == " ".join(title.split()):
        text = rest.strip()  # the heading is the title, not the first sentence
    (published_at, precision), stands = _date(root, metas, told, now, zone_of(root, zone))
    canonical = _canonical(root, url)
    return FoundItem(
        text="".join(f"<p>{escape(line, quote=False)}</p>" for line in text.splitlines() if line),
        kind=Kind.ARTICLE,
        title=title,
        author=_author(metas, told),
        published_at=published_at,
        precision=precision,
        stands=stands,
        language=(root.get("lang") or "")[:20] or None,
        url=canonical,
        id=canonical,
    )


def _metas(root: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for meta in root.iter("meta"):
        name = (meta.get("property") or meta.get("name") or meta.get("itemprop") or "").lower()
        content = (meta.get("content") or "").strip()
        if name and content:
            found.setdefault(name, content)
    return found


def _told(root: Any) -> Iterator[Mapping[str, Any]]:
    """What the page tells of its article as JSON-LD."""
    for block in root.iter("script"):
        if "ld+json" not in (block.get("type") or "").lower():
            continue
        try:
            values = loose_json(block.text or "")
        except ValueError:
            continue
        stack = list(values)
        while stack:
            node = stack.pop(0)
            if isinstance(node, list):
                stack += node
            elif isinstance(node, Mapping):
                types = node.get("@type", "")
                names = [types] if isinstance(types, str) else types
                if {str(name).lower() for name in names} & _TYPES:
                    yield node
                stack += [v for k, v in node.items() if k in ("@graph", "mainEntity")]


def _title(root: Any, metas: Mapping[str, str], told: Mapping[str, Any]) -> str | None:
    headline = told.get("headline")
    if isinstance(headline, str) and headline.strip():
        return headline.strip()[:500]
    for name in _TITLES:
        if name in metas:
            return metas[name][:500]
    headings = [h.text_content().strip() for h in root.iter("h1")]
    titles = [t.text_content().strip() for t in root.iter("title")]
    for title in (*headings[:1], *titles[:1]):
        if title:
            return _SITE_NAME.sub("", title)[:500]
    return None


def _date(
    root: Any, metas: Mapping[str, str], told: Mapping[str, Any], now: datetime, zone: tzinfo
) -> tuple[Dated, bool]:
    for value in (told.get("datePublished"), *(metas.get(name) for name in _DATES)):
        dated = read_date(value, zone) if isinstance(value, str) else NOTHING
        if dated[0] is not None:
            return dated, True
    places = root.cssselect(
        "article time, time[datetime], time[pubdate], [itemprop=datePublished], .published, .date,"
        " [class*=date i], [class*=byline i] span"
    )
    for node in places[:20]:
        dated, stands = date_of(node, now, zone)
        if dated[0] is not None:
            return dated, stands
    return NOTHING, False


def _author(metas: Mapping[str, str], told: Mapping[str, Any]) -> RawAuthor | None:
    who = told.get("author")
    if isinstance(who, list):
        who = next(iter(who), None)
    name = who.get("name") if isinstance(who, Mapping) else who
    if isinstance(name, list):
        name = next(iter(name), None)
    if not isinstance(name, str) or not name.strip():
        name = next((metas[key] for key in _AUTHORS if key in metas), "")
    name = name.strip()
    if not name or name.startswith(("http://", "https://")) or len(name) > 80:
        return None
    return RawAuthor(native_id=name, name=name)


def _canonical(root: Any, url: str) -> str:
    """The page's own address for itself; some sites name their front page on every page."""
    for link in root.xpath('//link[@rel="canonical"]/@href'):
        page = page_link(url, str(link))
        if page and same_site(page, url) and page.rstrip("/").count("/") > 2:
            return page
    return url.partition("#")[0]
