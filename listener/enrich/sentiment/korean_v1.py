"""The first Korean model, kept so that its scores can be computed again to the last bit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from listener.enrich.sentiment.base import label_of
from listener.enrich.sentiment.ngrams import ORDERS, hash_ngrams
from listener.types import Label, Sentiment

# The sum of a text's weights is divided by its number of n-grams to this power: 0 would let every
# long text be certain, 0.5 leaves short ones undecided. Chosen on the tuning part of the training
# data.
LENGTH_POWER: Final = 0.3
_CHUNK: Final = 1024

_WORDED: Final = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Weights:
    """What training leaves: a quantised linear model and its calibration."""

    table: NDArray[np.int8]  # one weight a bucket; the length is a power of two
    scale: float  # a weight is table * scale
    bias: float
    slope: float  # calibration: p(positive) = sigmoid(slope * margin + offset)
    offset: float
    band: float  # |score| below it is neutral
    version: str


def load_weights(path: Path | None = None) -> Weights:
    """Read a model file, or the shipped one."""
    if path is None:
        source = resources.files("listener.enrich.sentiment").joinpath("data/korean-1.npz")
        with resources.as_file(source) as packed:
            return load_weights(packed)
    with np.load(path, allow_pickle=False) as data:
        return Weights(
            table=data["table"],
            scale=float(data["scale"]),
            bias=float(data["bias"]),
            slope=float(data["slope"]),
            offset=float(data["offset"]),
            band=float(data["band"]),
            version=str(data["version"]),
        )


class KoreanV1:
    """Scores Korean texts. The weights are read on first use and kept by the object."""

    name = "ko-ngram"
    languages = frozenset({"ko"})

    def __init__(self, path: Path | None = None) -> None:
        """Use the model file at ``path``, or the shipped one."""
        self._path = path

    @property
    def version(self) -> str:
        """Tells the training run apart: a hash of the weights."""
        return self._weights.version

    @cached_property
    def _weights(self) -> Weights:
        return load_weights(self._path)

    @cached_property
    def _table(self) -> NDArray[np.int32]:
        # One bucket more, of weight 0, for n-grams that would reach over the end of a text.
        return np.append(self._weights.table, np.int8(0)).astype(np.int32)

    def score(self, texts: Sequence[str]) -> list[Sentiment]:
        """score = 2p - 1 with p the calibrated probability that a polar text is positive.

        Confidence of a polar label is the probability of its side; of a neutral one 1 - |score|.
        """
        weights = self._weights
        found: list[Sentiment] = []
        for start in range(0, len(texts), _CHUNK):
            chunk = texts[start : start + _CHUNK]
            margins = self._margins(chunk)
            scores = np.tanh((weights.slope * margins + weights.offset) / 2).tolist()
            found += [
                self._sentiment(score, _WORDED.search(text) is not None)
                for score, text in zip(scores, chunk, strict=True)
            ]
        return found

    def _margins(self, texts: Sequence[str]) -> NDArray[np.float64]:
        grams = hash_ngrams(texts, len(self._weights.table))
        table = self._table
        sums = table[grams.buckets[0]]
        for order in range(1, ORDERS):
            sums[: len(grams.buckets[order])] += table[grams.buckets[order]]
        totals = np.add.reduceat(sums, grams.starts)
        return totals * self._weights.scale / grams.counts**LENGTH_POWER + self._weights.bias

    def _sentiment(self, score: float, worded: bool) -> Sentiment:
        if not worded:
            score, confidence, label = 0.0, 0.0, Label.NEUTRAL
        else:
            label = label_of(score, self._weights.band)
            confidence = 1 - abs(score) if label is Label.NEUTRAL else (1 + abs(score)) / 2
        return Sentiment(
            score=score,
            label=label,
            confidence=confidence,
            model=self.name,
            version=self._weights.version,
        )
