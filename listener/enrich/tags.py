"""Gives a text the tags of all taxonomies but the area: class, nature, intent, urgency, others."""

from __future__ import annotations

from collections.abc import Callable, Container

from listener.enrich.rules import Rules
from listener.enrich.rulesfile import AREA, Category
from listener.types import Sentiment

_ANY = "*"


def tags_of(
    found: Container[str],
    *,
    topics: tuple[str, ...],
    complaint: bool | None,
    sentiment: Sentiment | None,
    asks: Callable[[], bool],
    rules: Rules,
) -> tuple[str, ...]:
    """The tags in the order of the rules.

    ``found`` holds the tags whose words were found (and are told, where that is asked for);
    ``asks`` answers whether the text asks a plain question.
    """
    tags: list[str] = []
    for taxonomy in rules.taxonomies:
        if taxonomy.key == AREA:
            continue
        for category in taxonomy.categories:
            tag = f"{taxonomy.key}:{category.key}"
            if (
                tag in found
                or _by_area(category, topics, complaint)
                or _by_sentiment(category, complaint, sentiment)
                or (category.asked and asks())
            ):
                tags.append(tag)
                if taxonomy.single:
                    break
    return tuple(tags)


def _by_area(category: Category, topics: tuple[str, ...], complaint: bool | None) -> bool:
    if category.areas and _among(category.areas, topics):
        return True
    return bool(complaint and category.complaint_areas) and _among(category.complaint_areas, topics)


def _among(areas: tuple[str, ...], topics: tuple[str, ...]) -> bool:
    return any(area == _ANY or area in topics for area in areas)


def _by_sentiment(category: Category, complaint: bool | None, sentiment: Sentiment | None) -> bool:
    return (
        category.positive_from is not None
        and sentiment is not None
        and not complaint
        and sentiment.score >= category.positive_from
    )
