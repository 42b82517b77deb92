"""The protocol of sentiment models, and the one place that turns a score into a label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from listener.types import Label, Sentiment


class SentimentModel(Protocol):
    """Scores texts of the languages it knows. Name and version are stored with every score."""

    @property
    def name(self) -> str:
        """Short name, stable over versions."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever the same text may get another score."""
        ...

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes."""
        ...

    def score(self, texts: Sequence[str]) -> list[Sentiment]:
        """One Sentiment a text, in order. A text without any words is neutral with confidence 0."""
        ...


def label_of(score: float, band: float) -> Label:
    """Name a score in -1..1: within ``band`` of zero (exclusive) it is neutral."""
    if score >= band:
        return Label.POSITIVE
    if score <= -band:
        return Label.NEGATIVE
    return Label.NEUTRAL
