"""Names the topics of a text from the hits of the rules, the main one first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from listener.enrich.rules import Hit

_IN_PROBLEM = 2  # how much more a hit counts in a clause that tells a problem
_OF_PROBLEM = 1  # and a topic of which the problem itself is told


def topics_of(
    hits: Iterable[Hit], problems: Sequence[Hit] = (), troubled: Sequence[tuple[int, int]] = ()
) -> tuple[str, ...]:
    """The topics that are named, each once, the most prominent first.

    ``problems`` are the hits that tell a problem, ``troubled`` the [start, end) of the clauses they
    stand in: what is named there comes before what is named elsewhere, what is named often before
    what is named once, and what comes first before what comes later.
    """
    weights: dict[str, int] = {}
    firsts: dict[str, int] = {}
    ends: dict[str, int] = {}
    for role, topic, start, end in hits:
        if role != "topic":
            continue
        if topic not in weights:
            weights[topic], firsts[topic] = 0, start
        elif start < ends[topic]:
            continue
        else:
            firsts[topic] = min(firsts[topic], start)
        ends[topic] = end
        weights[topic] += 1
        for first, last in troubled:
            if first <= start < last:
                weights[topic] += _IN_PROBLEM
                break
    if len(weights) < 2:
        return tuple(weights)
    for problem in problems:
        if problem.topic in weights:
            weights[problem.topic] += _OF_PROBLEM
    return tuple(sorted(weights, key=lambda topic: (-weights[topic], firsts[topic])))
