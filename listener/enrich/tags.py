"""Gives a text the tags of all taxonomies but the area: class, nature, intent, urgency, others."""

from __future__ import annotations

from collections.abc import Container, Iterable

from listener.enrich.rules import Rules


def tags_of(
    found: Container[str],
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
    tags: list[str] = []
    taken = ""
    for rule in rules.tags:
        if rule.taxonomy == taken:
            continue
        areas = rule.complaint_areas if complaint else rule.areas
        if (
            rule.tag in found
            or (areas and not areas.isdisjoint(topics))
            or _good_enough(rule.positive_from, good, asked)
            or (rule.asked and asked)
        ):
            tags.append(rule.tag)
            if rule.single:
                taken = rule.taxonomy
    return tuple(tags)


def _good_enough(least: float | None, good: float | None, asked: bool) -> bool:
    """Whether what is good in a text is a reason; the good words of a plain question are none."""
    return least is not None and good is not None and good >= least and not asked
