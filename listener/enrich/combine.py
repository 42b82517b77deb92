"""Puts the sentiment of a long text together from that of its sentences.

A model that was made for short texts saturates on long ones: many mild words add up to a certain
verdict. So the sentences are scored one by one. What is strong, certain and long counts more, and
so do the beginning and the end, where people say what they think of the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Final

from listener.enrich.clauses import Clause, sentences
from listener.types import Label, Sentiment

# Texts up to this are scored whole.
SHORT_CHARACTERS: Final = 300
SHORT_SENTENCES: Final = 3

# Sentences of a longer text that are read, from its beginning and from its end.
_HEAD: Final = 24
_TAIL: Final = 12

_LONG_SENTENCE: Final = 200  # characters; a longer one counts no more
_FIRST: Final = 1.3
_LAST: Final = 1.6
_MILD: Final = 0.25  # what a sentence without any opinion counts, beside one with a clear one
_POLAR: Final = 0.12  # less than this share of opinion in a text is none
_BOTH: Final = 0.35  # at least this share of the opinions on either side is mixed


def parts_of(text: str, clauses: Sequence[Clause]) -> list[Clause]:
    """The sentences to score where a text is long; empty for a short one, which is scored whole."""
    if not clauses:
        return []
    length = clauses[-1].end - clauses[0].start
    if length <= SHORT_CHARACTERS and len(clauses) <= SHORT_SENTENCES:
        return []
    found = sentences(text, clauses)
    if (length <= SHORT_CHARACTERS and len(found) <= SHORT_SENTENCES) or len(found) < 2:
        return []
    return found if len(found) <= _HEAD + _TAIL else found[:_HEAD] + found[-_TAIL:]


def combine(parts: Sequence[Clause], scores: Sequence[Sentiment | None]) -> Sentiment | None:
    """One sentiment from those of the sentences; None where none was scored."""
    weighed = [
        (_weight(place, len(parts), part, score), score)
        for place, (part, score) in enumerate(zip(parts, scores, strict=True))
        if score is not None
    ]
    if not weighed:
        return None
    total = sum(weight for weight, _ in weighed)
    mean = sum(weight * one.score for weight, one in weighed) / total
    label = _label(weighed, total, mean)
    certain = sum(weight * one.confidence for weight, one in weighed if one.label is label) / total
    raws = [one.raw for _, one in weighed if one.raw is not None]
    first = weighed[0][1]
    return Sentiment(
        score=mean,
        label=label,
        confidence=1 - abs(mean) if label in (Label.NEUTRAL, Label.MIXED) else certain,
        model=first.model,
        version=first.version,
        raw=sum(raws) / len(raws) if len(raws) == len(weighed) else None,
    )


def inverted(sentiment: Sentiment | None) -> Sentiment | None:
    """What praise of another is for the one it is measured by; weaker than if it were said."""
    if sentiment is None:
        return None
    opposite = {Label.POSITIVE: Label.NEGATIVE, Label.NEGATIVE: Label.POSITIVE}
    return Sentiment(
        score=-_ECHO * sentiment.score,
        label=opposite.get(sentiment.label, sentiment.label),
        confidence=_ECHO * sentiment.confidence,
        model=sentiment.model,
        version=sentiment.version,
    )


_ECHO: Final = 0.8


def _weight(place: int, count: int, part: Clause, score: Sentiment) -> float:
    end = _LAST if place == count - 1 else _FIRST if place == 0 else 1.0
    long = sqrt(min(part.end - part.start, _LONG_SENTENCE))
    return end * long * (0.2 + score.confidence) * (_MILD + abs(score.score))


def _label(weighed: Sequence[tuple[float, Sentiment]], total: float, mean: float) -> Label:
    good = sum(weight for weight, one in weighed if one.label is Label.POSITIVE)
    bad = sum(weight for weight, one in weighed if one.label is Label.NEGATIVE)
    if good + bad < _POLAR * total:
        unsure = all(one.label is Label.UNCERTAIN for _, one in weighed)
        return Label.UNCERTAIN if unsure else Label.NEUTRAL
    if min(good, bad) >= _BOTH * (good + bad):
        return Label.MIXED
    label = Label.POSITIVE if good > bad else Label.NEGATIVE
    return label if mean * (1 if good > bad else -1) > 0 else Label.MIXED
