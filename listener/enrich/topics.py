"""Names the topics of a text from the hits of the rules."""

from __future__ import annotations

from collections.abc import Iterable

from listener.enrich.rules import Hit, Rules


def topics_of(hits: Iterable[Hit], rules: Rules) -> tuple[str, ...]:
    """The topics that are named, each once, in the order of the rules file."""
    found = {hit.topic for hit in hits if hit.role == "topic"}
    return tuple(topic for topic in rules.topics if topic in found)
