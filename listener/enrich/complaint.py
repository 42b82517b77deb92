"""Decides whether a mention is a complaint: a low rating, or a problem told."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from listener.enrich.clauses import Clause, split
from listener.enrich.rules import Hit, Rules
from listener.types import Label, Sentiment

# The lower two fifths of a scale, as the share of the way from its worst to its best: 2 of 1..5 is
# 0.25, 4 of 0..10 is 0.4.
LOWER_TWO_FIFTHS: Final = 0.4
PROBLEMS: Final = ("things", "failures", "with")
_MIDDLE: Final = 0.5

# Characters; a "clause" that goes on for longer is a text without stops.
_NEAR: Final = 200

# schema.org's scale where a page names none.
_DEFAULT_MIN: Final = 1.0
_DEFAULT_MAX: Final = 5.0


def rating_share(rating: float | None, low: float | None, high: float | None) -> float | None:
    """Where a rating stands on its scale, 0..1; None without one or where it does not fit it.

    A missing end of the scale is 1 or 5; a rating that does not fit that is not judged.
    """
    if rating is None:
        return None
    low = _DEFAULT_MIN if low is None else low
    high = _DEFAULT_MAX if high is None else high
    if not low < high or not low <= rating <= high:
        return None
    return (rating - low) / (high - low)


def is_complaint(
    *,
    own: bool,
    share: float | None,
    text: str | None,
    hits: Sequence[Hit],
    sentiment: Sentiment | None,
    rules: Rules,
) -> bool | None:
    """Judge a mention, or what it says of one brand.

    ``share`` is the rating's place on its scale (see rating_share), ``text`` the folded text the
    hits are from, or None where the rules do not speak its language. None where neither rating nor
    rules can tell.
    """
    if own:
        return False
    if share is not None and share <= LOWER_TWO_FIFTHS:
        return True
    if text is None:
        return None if share is None else False
    if problem_told(text, hits, rules):
        return True
    return (
        sentiment is not None
        and sentiment.label is Label.NEGATIVE
        and sentiment.score <= rules.strong_negative
        and (share is None or share <= _MIDDLE)
        and any(hit.role == "topic" for hit in hits)
    )


def problem_told(text: str, hits: Sequence[Hit], rules: Rules) -> bool:
    """Whether one of the problem hits is meant: not denied, asked, feared or put right."""
    problems = [hit for hit in hits if hit.role in PROBLEMS]
    if not problems:
        return False
    clauses = split(text)
    named: defaultdict[str, list[int]] = defaultdict(list)
    for hit in hits:
        if hit.role == "topic":
            named[hit.topic].append(hit.start)
    for places in named.values():
        places.sort()
    return any(_meant(text, hit, _around(hit, clauses), named, rules) for hit in problems)


def _meant(
    text: str, hit: Hit, clause: Clause, named: Mapping[str, Sequence[int]], rules: Rules
) -> bool:
    start, end = clause
    if hit.role == "with" and not _any_between(named.get(hit.topic, ()), start, end):
        return False
    if hit.role != "failures" and rules.negation.applies(text, hit, start, end):
        return False
    if rules.unreal.applies(text, hit, start, end):
        return False
    asked = rules.question.search(text, start, end)
    return not asked or bool(rules.reproach.search(text, start, end))


def _any_between(places: Sequence[int], start: int, end: int) -> bool:
    index = bisect_left(places, start)
    return index < len(places) and places[index] < end


def _around(hit: Hit, clauses: Sequence[Clause]) -> Clause:
    """The clauses that a hit touches, as one, and no more of them than lies near."""
    first = max(bisect_right(clauses, hit.start, key=lambda c: c.start) - 1, 0)
    last = max(bisect_left(clauses, hit.end, key=lambda c: c.start) - 1, first)
    start, end = min(clauses[first].start, hit.start), max(clauses[last].end, hit.end)
    return Clause(max(start, hit.start - _NEAR), min(end, hit.end + _NEAR))
