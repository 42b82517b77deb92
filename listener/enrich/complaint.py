"""Decides whether a mention is a complaint: a low rating, or a problem told."""

from __future__ import annotations

from typing import Final

from listener.enrich.rules import Rules
from listener.types import Label, Sentiment

# The lower two fifths of a scale, as the share of the way from its worst to its best: 2 of 1..5 is
# 0.25, 4 of 0..10 is 0.4.
LOWER_TWO_FIFTHS: Final = 0.4
_MIDDLE: Final = 0.5

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
    read: bool,
    problem: bool,
    about: bool,
    asked: bool,
    sentiment: Sentiment | None,
    rules: Rules,
) -> bool | None:
    """Judge a mention, or what it says of one brand.

    ``share`` is the rating's place on its scale (see rating_share), ``read`` whether the rules
    speak the text's language, ``problem`` whether they found one that is told, ``about`` whether a
    topic is named, ``asked`` whether the text asks a plain question. None where neither rating nor
    rules can tell.
    """
    if own:
        return False
    if share is not None and share <= LOWER_TWO_FIFTHS:
        return True
    if not read:
        return None if share is None else False
    if problem:
        return True
    if sentiment is None or sentiment.label is not Label.NEGATIVE or asked:
        return False
    least = rules.strong_negative if about else rules.strong_negative_alone
    return sentiment.score <= least and (share is None or share <= _MIDDLE)
