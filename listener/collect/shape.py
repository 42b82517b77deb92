"""The last look at what a source read, before it goes on: fields of the types that all else
expects.

Parsers pass most values on as the answer has them, and an answer may change. A wrong type where it
matters is a changed layout, told by the field's name; elsewhere the field is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from listener.types import Engagement, RawAuthor, RawItem

_SIDE = ("url", "language", "parent_id", "thread_id", "product", "product_version", "place")
_SIDE_TYPES = frozenset({str, type(None)})
_COUNT_TYPES = frozenset({int, type(None)})


class WrongType(TypeError):
    """A field that an item cannot do without has another type than expected; says which."""


def checked(items: Iterable[RawItem]) -> tuple[RawItem, ...]:
    """The items, without side fields of another type. Raises WrongType for the others."""
    return tuple(map(_checked, items))


def _checked(item: RawItem) -> RawItem:
    _must(item.external_id, "id", str, empty=False)
    _must(item.namespace, "namespace", str)
    if item.text is not None:
        _must(item.text, "text", str)
    if item.title is not None:
        _must(item.title, "title", str)
    if item.published_at is not None:
        _must(item.published_at, "date", datetime)
    wrong: dict[str, Any] = {
        name: None for name in _SIDE if type(getattr(item, name)) not in _SIDE_TYPES
    }
    if item.author is not None and not _is_author(item.author):
        wrong["author"] = _author(item.author)
    if item.engagement is not None and not _is_engagement(item.engagement):
        wrong["engagement"] = _engagement(item.engagement)
    if item.media and not all(type(one) is str for one in item.media):
        wrong["media"] = tuple(one for one in item.media if type(one) is str)
    return replace(item, **wrong) if wrong else item


def _must(value: object, name: str, kind: type, *, empty: bool = True) -> None:
    if not isinstance(value, kind):
        raise WrongType(f"the {name} of an item has another type ({type(value).__name__})")
    if not empty and not value:
        raise WrongType(f"the {name} of an item is missing")


def _is_author(author: RawAuthor) -> bool:
    return (
        type(author.native_id) is str
        and type(author.handle) is str
        and type(author.name) is str
        and type(author.url) in _SIDE_TYPES
        and type(author.followers) in _COUNT_TYPES
    )


def _author(author: RawAuthor) -> RawAuthor:
    return RawAuthor(
        native_id=_text(author.native_id),
        handle=_text(author.handle),
        name=_text(author.name),
        url=_text(author.url) or None,
        followers=_count(author.followers),
    )


def _is_engagement(counts: Engagement) -> bool:
    return (
        type(counts.likes) in _COUNT_TYPES
        and type(counts.replies) in _COUNT_TYPES
        and type(counts.shares) in _COUNT_TYPES
        and type(counts.views) in _COUNT_TYPES
    )


def _engagement(counts: Engagement) -> Engagement:
    return Engagement(
        likes=_count(counts.likes),
        replies=_count(counts.replies),
        shares=_count(counts.shares),
        views=_count(counts.views),
    )


def _text(value: Any) -> str:
    """Text as it is, a number as it is written: an id may be either."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _count(value: Any) -> int | None:
    """A count, also one that is written as text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    digits = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19
    return int(value) if digits else None
