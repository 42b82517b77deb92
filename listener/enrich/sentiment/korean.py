"""Korean sentiment by our own model: hashed character n-grams, logistic regression, plain numpy."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from listener.enrich.sentiment.base import label_of
from listener.types import Label, Sentiment

ORDERS: Final = 4  # n-grams of 1 to 4 characters
# The sum of a text's weights is divided by its number of n-grams to this power: 0 would let every
# long text be certain, 0.5 leaves short ones undecided. Chosen on the tuning part of the training
# data.
LENGTH_POWER: Final = 0.3
_MULTIPLIER: Final = np.uint32(0x01000193)
_MIX: Final = np.uint32(0x9E3779B1)
_SALTS: Final = tuple(np.uint32(n * 0x85EBCA6B & 0xFFFFFFFF) for n in range(1, ORDERS + 1))

# Opinions stand at the ends of a long text; and a batch of novels must fit into memory.
_HEAD: Final = 1200
_TAIL: Final = 600
_CHUNK: Final = 1024

_NOISE: Final = re.compile(r"https?://\S+|www\.\S+|@[\w.\-]+|\S+@\S+\.\w+")
_WORDED: Final = re.compile(r"\w")
_MAYBE_NOISE: Final = re.compile(r"[@]|://|www\.")


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
    """Read a model file, or the one that ships with Listener."""
    if path is None:
        source = resources.files("listener.enrich.sentiment").joinpath("data/korean.npz")
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


class Korean:
    """Scores Korean texts. The weights are read on first use and kept by the object."""

    name = "ko-ngram"
    languages = frozenset({"ko"})

    def __init__(self, path: Path | None = None) -> None:
        """Use the model file at ``path``, or the one that ships with Listener."""
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


@dataclass(frozen=True, slots=True)
class Grams:
    """The hashed n-grams of a batch of texts.

    ``buckets[n - 1][i]`` is the bucket of the n-gram that starts at character i of the whole batch;
    the number of buckets itself stands for "reaches over the end of its text". ``starts`` is where
    each text begins, ``counts`` how many n-grams of all orders it has.
    """

    buckets: tuple[NDArray[np.intp], ...]
    starts: NDArray[np.intp]
    counts: NDArray[np.float64]


def hash_ngrams(texts: Sequence[str], size: int) -> Grams:
    """Hash the n-grams of all texts into ``size`` buckets, a power of two. Same on every machine.

    Texts are lowered, digits are one, spaces and addresses are one blank, and a character repeated
    more than twice counts twice: ㅋㅋㅋㅋㅋ is ㅋㅋ.
    """
    joined = "".join(f"\0 {_trim(text)} " for text in texts)
    points = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    codes = _fold_table()[np.minimum(points, 0x1FFFF)]
    keep = np.ones(len(codes), dtype=bool)
    same = codes[1:] == codes[:-1]
    keep[1:] = ~(same & (codes[1:] == 0x20))
    keep[2:] &= ~(same[1:] & same[:-1])
    codes = codes[keep]
    ends = codes == 0
    starts = np.flatnonzero(ends)
    lengths = np.diff(starts, append=len(codes)) - 1
    counts = sum(np.maximum(lengths - n, 0) for n in range(ORDERS))

    shift = np.uint32(33 - size.bit_length())
    buckets: list[NDArray[np.intp]] = []
    rolling = codes + np.uint32(1)
    over = ends
    for order in range(ORDERS):
        if order:
            rolling = rolling[:-1] * _MULTIPLIER + codes[order:]
            over = over[:-1] | ends[order:]
        bucket = (((rolling ^ _SALTS[order]) * _MIX) >> shift).astype(np.intp)
        bucket[over] = size
        buckets.append(bucket)
    return Grams(tuple(buckets), starts, np.maximum(counts, 1).astype(np.float64))


def _trim(text: str) -> str:
    if len(text) > _HEAD + _TAIL:
        text = f"{text[:_HEAD]} {text[-_TAIL:]}"
    if _MAYBE_NOISE.search(text):
        text = _NOISE.sub(" ", text)
    return text.replace("\0", " ")


@cache
def _fold_table() -> NDArray[np.uint32]:
    """Code point -> code point for the first two planes."""
    table = np.arange(0x20000, dtype=np.uint32)
    table[1:0x21] = 0x20
    table[[0x7F, 0x85, 0xA0, 0x3000, 0xFE0F, 0x200B, 0x200C, 0x200D, 0xFEFF]] = 0x20
    table[0x2000:0x200B] = 0x20
    table[0x41:0x5B] += 0x20
    table[0x30:0x3A] = 0x30
    table[0xFF01:0xFF5F] = table[0x21:0x7F]
    return table
