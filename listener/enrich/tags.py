"""Gives a text the tags of all taxonomies but the area: class, nature, intent, urgency, others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from listener.enrich.rules import Rules

_NONE: Final[frozenset[str]] = frozenset()


def tags_of(
    found: Iterable[str],
    *,
    topics: Iterable[str],
    complaint: bool | None,
    good: float | None,
    asked: bool,
    rules: Rules,
) -> tuple[str, ...]:
    """The tags in the order of the rules.

    ``found`` holds the tags whose words were found (and are told, where that is asked for);
    ``good`` is the score of what is good in the text (None = nothing), ``asked`` says whether it
    asks a plain question.
    """
    given = rules.tags_of_area[bool(complaint)]
    fitting = set(found)
    for topic in topics:
        fitting |= given.get(topic, _NONE)
    tags: list[str] = []
    taken = ""
    for tag, single, taxonomy, asks, least, _, _ in rules.tags:
        # The good words of a plain question ("is it any good?") are no praise.
        if (
            tag in fitting
            or (asks and asked)
            or (least is not None and good is not None and good >= least and not asked)
        ) and taxonomy != taken:
            tags.append(tag)
            if single:
                taken = taxonomy
    return tuple(tags)
