"""What a series counts, in words: the same on pages, in messages and in sentences. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Named: TypeAlias = Callable[[str, str], str]  # (topic, "ko" or "en") -> what it is called

_SERIES = {
    "all": ("언급", "mentions"),
    "negative": ("부정 언급", "negative mentions"),
    "complaint": ("불만", "complaints"),
    "low_rating": ("낮은 별점", "low ratings"),
    "rated": ("별점", "ratings"),
    "own": ("자사 글", "posts of our own"),
    "flagged": ("광고·봇 의심 글", "suspected ads and bots"),
}
_MEANS = {
    "share:negative": ("부정 비율", "share of negatives"),
    "mean:rating": ("평균 별점", "mean rating"),
    "mean:sentiment": ("순호감도", "net sentiment"),
}
_SINGLE = {
    "viral": ("빠르게 퍼지는 글", "a post that goes viral"),
    "spread": ("여러 채널로 번지는 이야기", "a story that spreads over channels"),
    "rule": ("규칙에 맞는 글", "mentions that fit a rule"),
}
_LANGUAGES = {"ko": ("한국어", "Korean"), "en": ("영어", "English"), "ja": ("일본어", "Japanese")}
_COUNTRIES = {
    "KR": ("한국", "South Korea"),
    "US": ("미국", "the United States"),
    "JP": ("일본", "Japan"),
}


def topic_name(topic: str, language: str) -> str:
    """What a topic is called where no rules tell: its key."""
    return topic


def series_name(dimension: str, language: str, named: Named = topic_name) -> str:
    """What a series counts, in words: ``topic:delivery:complaint`` = complaints about delivery.

    ``named`` tells what a topic is called in a language (see Rules.names).
    """
    column = 0 if language == "ko" else 1
    kind, _, rest = dimension.partition(":")
    if kind in ("share", "mean"):
        what, _, scope = rest.partition(":")
        name = _MEANS.get(f"{kind}:{what}", (rest, rest))[column]
        return _of(scope, name, column, named) if scope else name
    if kind == "new":
        return f"새 화제 ‘{rest}’" if column == 0 else f"the new topic “{rest}”"
    if kind in _SINGLE:
        return _SINGLE[kind][column]
    if kind in ("topic", "source", "language", "country"):
        value, _, of = rest.partition(":")
        what = _SERIES.get(of or "all", (of, of))[column]
        return _of(f"{kind}:{value}", what, column, named)
    return _SERIES.get(dimension, (dimension, dimension))[column]


def _of(scope: str, what: str, column: int, named: Named) -> str:
    """``what`` (a count, a mean) of one topic, source, language or country."""
    kind, _, value = scope.partition(":")
    if kind == "topic":
        name = named(value, ("ko", "en")[column])
        return (f"{name} {what}", f"{what} about {name}")[column]
    if kind == "language":
        name = _LANGUAGES.get(value, (value, value))[column]
        return (f"{name} {what}", f"{what} in {name}")[column]
    if kind == "country":
        name = _COUNTRIES.get(value, (value, value))[column]
        return (f"{name} {what}", f"{what} from {name}")[column]
    return (f"{value} {what}", f"{what} on {value}")[column]


def prominence(
    dimension: str, *, is_open: bool, trend: bool, score: float
) -> tuple[bool, bool, bool, int, float]:
    """What sorts the spikes of one event: the highest stands for all of them, on pages and in
    messages. What goes on before what is over, complaints before mere volume, the wider series
    before its parts, then the score.
    """
    return (is_open, not trend, dimension != "all", -dimension.count(":"), score)


def is_count(dimension: str) -> bool:
    """Whether the numbers of its spikes are numbers of mentions, to be set against the usual."""
    return dimension.partition(":")[0] not in ("share", "mean", "new", "viral", "spread")
