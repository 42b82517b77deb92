"""English sentiment by the VADER lexicon (Hutto & Gilbert, ICWSM 2014), its compound as it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from importlib import metadata
from typing import TYPE_CHECKING, Final

from listener.enrich.sentiment.base import label_of
from listener.types import Label, Sentiment

if TYPE_CHECKING:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

# The band that VADER's authors recommend.
NEUTRAL_BAND: Final = 0.05

# VADER's cost grows faster than the text (11.5k texts/s at 90 characters, 450 at 600, measured
# 2026-11), and its compound saturates at +-1 on long ones. So a long text is scored sentence by
# sentence over its two ends, where people say what they think, and the mean of the sentences that
# say anything is its score.
LONG_TEXT: Final = 1500  # characters; up to here a text is scored whole
LONG_HEAD: Final = 800
LONG_TAIL: Final = 400

_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")


class Vader:
    """VADER with one analyser, built on first use."""

    name = "vader"
    languages = frozenset({"en"})

    @cached_property
    def version(self) -> str:
        """Version of the lexicon's package, and of our way to read long texts."""
        return f"{metadata.version('vaderSentiment')}+1"

    @cached_property
    def _analyzer(self) -> SentimentIntensityAnalyzer:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

        return SentimentIntensityAnalyzer()

    def score(self, texts: Sequence[str]) -> list[Sentiment]:
        """Compound score in -1..1; exactly 0 is neutral.

        Confidence is the strength |compound| for a polar text and what is missing to the band for a
        neutral one; 0 where no word is in the lexicon (the text may still have a polarity that
        VADER cannot see).
        """
        return [self._sentiment(self._compound(text)) for text in texts]

    def _sentiment(self, compound: float) -> Sentiment:
        label = label_of(compound, NEUTRAL_BAND)
        if label is not Label.NEUTRAL:
            confidence = abs(compound)
        else:
            confidence = 0.0 if compound == 0 else 1 - abs(compound) / NEUTRAL_BAND
        return Sentiment(
            score=compound,
            label=label,
            confidence=confidence,
            model=self.name,
            version=self.version,
        )

    def _compound(self, text: str) -> float:
        polarity = self._analyzer.polarity_scores
        return compound_of(text, lambda part: float(polarity(part)["compound"]))


def compound_of(text: str, polarity: Callable[[str], float]) -> float:
    """The compound of a text by ``polarity``; of a long one the mean over sentences at its ends."""
    if len(text) <= LONG_TEXT:
        return polarity(text)
    said = [c for c in (polarity(s[:LONG_HEAD]) for s in sentences_of(text)) if c != 0]
    return round(sum(said) / len(said), 4) if said else 0.0


def sentences_of(text: str) -> list[str]:
    """The sentences of a text, of a long one those of its two ends."""
    parts = (text,) if len(text) <= LONG_TEXT else (text[:LONG_HEAD], text[-LONG_TAIL:])
    return [s for part in parts for s in _SENTENCE.findall(part) if s.strip()]
