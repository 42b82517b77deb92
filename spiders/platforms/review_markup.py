"""Reads schema.org Review out of a page: JSON-LD and microdata, in all the shapes that sites use.

Pure: text of a page in, reviews out. Shapes are those counted in saved pages of real shops and
blogs: nested under a product or in ``@graph``, one object or a list, authors as strings, people or
lists, numbers as text with a comma, scales of 5, 10 or 100, dates without time, no id at all.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import extruct
import lxml.html
from lxml.etree import ParserError

from listener.text import derived_id
from listener.types import Precision, RawAuthor

_REVIEW_TYPES = frozenset({"review", "userreview", "criticreview", "employerreview"})
_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)?")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_DEPTH = 12  # of nesting that is followed
_UNKNOWN_DATE = "undated"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundReview:
    """One review of a page, as its markup tells it."""

    text: str
    title: str | None = None
    author: RawAuthor | None = None
    rating: float | None = None
    rating_min: float | None = None
    rating_max: float | None = None
    published_at: datetime | None = None
    precision: Precision = Precision.NONE
    product: str | None = None
    language: str | None = None
    url: str | None = None
    id: str | None = None

    def identity(self, start: str, ordinals: Counter[str]) -> tuple[str, bool]:
        """The id, and whether it is derived: of page, author, date and ordinal, never the body."""
        if self.id:
            return self.id[:500], False
        author = self.author.native_id or self.author.name if self.author else ""
        date = self.published_at.isoformat() if self.published_at else _UNKNOWN_DATE
        key = f"{author}\0{date}"
        ordinal = ordinals[key]
        ordinals[key] += 1
        return derived_id(start, author, date, ordinal), True


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPage:
    """What a page holds: its reviews, where it goes on, and what was odd about it."""

    reviews: list[FoundReview] = field(default_factory=list)
    next_url: str | None = None
    notices: list[str] = field(default_factory=list)


def read_page(html: str, url: str) -> FoundPage:
    """The reviews and the next page of an HTML page. Broken markup gives a notice, not an error."""
    notices: list[str] = []
    nodes: list[Any] = []
    for syntax in ("json-ld", "microdata"):
        try:
            found = extruct.extract(
                html, base_url=url, syntaxes=[syntax], uniform=True, errors="strict"
            )
            nodes += found[syntax]
        except (ValueError, ParserError) as error:  # a JSONDecodeError is a ValueError
            rescued = _rescue(html) if syntax == "json-ld" else []
            nodes += rescued
            if not rescued:
                notices.append(f"The {syntax} of {url} cannot be read ({str(error)[:80]}).")
    reviews: list[FoundReview] = []
    seen: set[tuple[Any, ...]] = set()
    aggregates = 0
    for review, subject in _walk(nodes, None, 0):
        if review is None:
            aggregates += 1
            continue
        made = _review(review, subject, url)
        if made is None:
            continue
        # Pages mark the same review up twice, in both syntaxes.
        key = (made.text, made.title, made.rating, made.author.name if made.author else None)
        if key not in seen or made.id:
            if key in seen:
                reviews = [r for r in reviews if _key(r) != key]
            seen.add(key)
            reviews.append(made)
    if aggregates and not reviews:
        notices.append(f"{url} tells an average rating only, without single reviews.")
    return FoundPage(reviews=reviews, next_url=_next(html, url), notices=notices)


def _key(review: FoundReview) -> tuple[Any, ...]:
    name = review.author.name if review.author else None
    return (review.text, review.title, review.rating, name)


def _rescue(html: str) -> list[Any]:
    """JSON-LD blocks one by one, as one broken block must not hide the others."""
    try:
        tree = lxml.html.fromstring(html)
    except (ParserError, ValueError):
        return []
    nodes: list[Any] = []
    for block in tree.xpath('//script[@type="application/ld+json"]'):
        page = f'<script type="application/ld+json">{block.text or ""}</script>'
        try:
            nodes += extruct.extract(page, syntaxes=["json-ld"], uniform=True)["json-ld"]
        except (ValueError, ParserError):
            continue
    return nodes


def _walk(
    node: Any, subject: Mapping[str, Any] | None, depth: int
) -> Iterator[tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]]:
    """All reviews below a node with what they are about; (None, …) for an average rating."""
    if depth > _DEPTH:
        return
    if isinstance(node, list):
        for part in node:
            yield from _walk(part, subject, depth + 1)
    elif isinstance(node, Mapping):
        if _types(node) & _REVIEW_TYPES:
            about = node.get("itemReviewed")
            yield node, about if isinstance(about, Mapping) else subject
            return
        if node.get("aggregateRating"):
            yield None, node
        inner = node if node.get("name") else subject
        for key, value in node.items():
            if isinstance(value, list | Mapping) and key != "@context":
                yield from _walk(value, inner, depth + 1)


def _types(node: Mapping[str, Any]) -> set[str]:
    told = node.get("@type") or node.get("type") or ()
    names = [told] if isinstance(told, str) else told
    return {str(name).rsplit("/", 1)[-1].lower() for name in names}


def _review(
    node: Mapping[str, Any], subject: Mapping[str, Any] | None, url: str
) -> FoundReview | None:
    text = (
        _text(node.get("reviewBody")) or _text(node.get("description")) or _text(node.get("text"))
    )
    title = _text(node.get("headline")) or _text(node.get("name"))
    rating, low, high = _rating(node.get("reviewRating") or node.get("ratingValue"))
    if not text and not title and rating is None:
        return None
    published_at, precision = _date(node.get("datePublished") or node.get("dateCreated"))
    page = _text(node.get("url"))
    return FoundReview(
        text=text or "",
        title=title,
        author=_author(node.get("author") or node.get("creator")),
        rating=rating,
        rating_min=low,
        rating_max=high,
        published_at=published_at,
        precision=precision,
        product=_text(subject.get("name")) if subject else None,
        language=_text(node.get("inLanguage")),
        url=urljoin(url, page) if page else None,
        id=_id(node, url),
    )


def _id(node: Mapping[str, Any], url: str) -> str | None:
    """What the site calls the review: ``@id``, microdata's itemid, or an identifier."""
    for key in ("@id", "id", "identifier"):
        told = node.get(key)
        if isinstance(told, Mapping):
            told = told.get("value")
        if isinstance(told, int):
            told = str(told)
        # "#review" on every review of a page is no id; "_:b0" is a blank node of one reading.
        if isinstance(told, str) and told.strip() and not told.startswith("_:"):
            told = told.strip()
            parts = urlsplit(told)
            if (parts.scheme in ("http", "https") or told.startswith("#")) and not re.search(
                r"\d", parts.fragment or parts.path + parts.query
            ):
                continue
            return urljoin(url.partition("?")[0], told) if told.startswith("#") else told
    return None


def _text(value: Any) -> str | None:
    """The first text of a value that may be a string, a number, an object or a list of these."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list):
        return next((found for part in value if (found := _text(part))), None)
    if isinstance(value, Mapping):
        return _text(value.get("@value")) or _text(value.get("name"))
    return None


def _author(value: Any) -> RawAuthor | None:
    if isinstance(value, list):
        return next((found for part in value if (found := _author(part))), None)
    name = _text(value)
    if name is None:
        return None
    link = _text(value.get("url")) if isinstance(value, Mapping) else None
    native = _text(value.get("@id")) if isinstance(value, Mapping) else None
    return RawAuthor(native_id=(native or link or name)[:300], name=name[:200], url=link)


def _rating(value: Any) -> tuple[float | None, float | None, float | None]:
    """Rating with the ends of its scale; a missing upper end is 5, or 10 or 100 if it must be."""
    if isinstance(value, list):
        value = next(iter(value), None)
    low = high = None
    if isinstance(value, Mapping):
        low, high = _number(value.get("worstRating")), _number(value.get("bestRating"))
        value = value.get("ratingValue")
    rating = _number(value)
    if rating is None:
        return None, None, None
    if high is None:
        high = next(end for end in (5.0, 10.0, 100.0, rating) if rating <= end)
    if low is None:
        low = 0.0 if rating < 1 else 1.0
    if not low <= rating <= high or low >= high:
        return None, None, None
    return rating, low, high


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    told = _text(value)
    found = _NUMBER.search(told) if told else None
    return float(found.group().replace(",", ".")) if found else None


def _date(value: Any) -> tuple[datetime | None, Precision]:
    told = _text(value)
    if told is None:
        return None, Precision.NONE
    try:
        at = datetime.fromisoformat(told.replace("Z", "+00:00"))
    except ValueError:
        return None, Precision.NONE
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    at = at.astimezone(UTC)
    return at, Precision.DAY if _DAY.match(told) else Precision.EXACT


def _next(html: str, url: str) -> str | None:
    """Where the page says it goes on, on the same site only."""
    try:
        tree = lxml.html.fromstring(html)
    except (ParserError, ValueError):
        return None
    for link in tree.xpath('//link[@rel="next"]/@href | //a[contains(@rel, "next")]/@href'):
        following = urljoin(url, str(link).strip())
        if urlsplit(following).netloc == urlsplit(url).netloc and following != url:
            return following
    return None
