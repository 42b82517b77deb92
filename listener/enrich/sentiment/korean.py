"""Korean sentiment by our own model: the one in use."""

from __future__ import annotations

from listener.enrich.sentiment.korean_v1 import LENGTH_POWER, KoreanV1, Weights, load_weights
from listener.enrich.sentiment.ngrams import ORDERS, hash_ngrams

__all__ = ["LENGTH_POWER", "ORDERS", "Korean", "Weights", "hash_ngrams", "load_weights"]


class Korean(KoreanV1):
    """Scores Korean texts. The weights are read on first use and kept by the object."""
