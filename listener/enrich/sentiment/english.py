"""English sentiment stacked on VADER: its outputs, a service lexicon and hashed words, softmax.

VADER's compound (Hutto & Gilbert, ICWSM 2014) is kept beside the score as ``raw``.
"""

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

from listener.enrich.sentiment.english_ngrams import hash_texts
from listener.enrich.sentiment.english_text import Lexicon, ReadText, TextReader, VaderReader
from listener.enrich.sentiment.vader import LONG_HEAD, compound_of, sentences_of
from listener.types import Label, Sentiment

Floats = NDArray[np.float64]

# From here on a text is scored by sentence: what is said in one must not deny what is said in the
# next, and the whole is what most of the opinions in it say.
BY_SENTENCE: Final = 400  # characters

# A text with at least so much good and so much bad in different clauses (valence, VADER's scale),
# of which the model names neither side with more than so much certainty, is mixed.
MIXED_VALENCE: Final = 1.0
MIXED_CERTAINTY: Final = 0.9
MIXED_SHARE: Final = 0.3  # of a long text's opinions, those of the smaller side

# Without a polar word: uncertain where the model never saw half of the words.
KNOWN_SHARE: Final = 0.5

_CHUNK: Final = 256
_WORDED: Final = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Weights:
    """What training leaves. Column 0 of the weights speaks for good against bad, 1 for neutral."""

    dense: Floats  # (features, 2)
    bias: Floats  # (2,)
    table: NDArray[np.int8]  # (buckets, 2); the number of buckets is a power of two
    scale: float  # a weight of an n-gram is table * scale
    temperature: float  # logits are divided by it: calibration
    neutral: float  # what p(neutral) is multiplied with before the largest is named
    phrases: tuple[str, ...]
    valences: tuple[float, ...]
    version: str


def load_weights(path: Path | None = None) -> Weights:
    """Read a model file, or the one that ships with Listener."""
    if path is None:
        source = resources.files("listener.enrich.sentiment").joinpath("data/english.npz")
        with resources.as_file(source) as packed:
            return load_weights(packed)
    with np.load(path, allow_pickle=False) as data:
        return Weights(
            dense=data["dense"],
            bias=data["bias"],
            table=data["table"],
            scale=float(data["scale"]),
            temperature=float(data["temperature"]),
            neutral=float(data["neutral"]),
            phrases=tuple(str(data["phrases"]).split("\n")),
            valences=tuple(data["valences"].tolist()),
            version=str(data["version"]),
        )


def make_reader(phrases: Sequence[str], valences: Sequence[float]) -> TextReader:
    """A reader of texts over VADER's lexicon and these phrases."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyzer = SentimentIntensityAnalyzer()
    lexicon = Lexicon(analyzer, phrases, valences)
    return TextReader(VaderReader(analyzer), lexicon)


class English:
    """Scores English texts. Weights and lexicons are read on first use and kept by the object."""

    name = "en-stacked"
    languages = frozenset({"en"})

    def __init__(self, path: Path | None = None) -> None:
        """Use the model file at ``path``, or the one that ships with Listener."""
        self._path = path

    @cached_property
    def version(self) -> str:
        """Tells the training run and VADER's release apart."""
        from importlib import metadata

        return f"{self._weights.version}+vader{metadata.version('vaderSentiment')}"

    @cached_property
    def _weights(self) -> Weights:
        return load_weights(self._path)

    @cached_property
    def _columns(self) -> tuple[Floats, Floats]:
        """The weights of the buckets, for polarity and for neutrality."""
        scaled = self._weights.table.astype(np.float64) * self._weights.scale
        return np.ascontiguousarray(scaled[:, 0]), np.ascontiguousarray(scaled[:, 1])

    @cached_property
    def _trained(self) -> Floats:
        """1 for each bucket that says anything, 0 for the others."""
        table = self._weights.table
        trained: Floats = ((table[:, 0] | table[:, 1]) != 0).astype(np.float64)
        return trained

    @cached_property
    def _reader(self) -> TextReader:
        return make_reader(self._weights.phrases, self._weights.valences)

    def score(self, texts: Sequence[str]) -> list[Sentiment]:
        """score = p(positive) - p(negative); ``raw`` is VADER's compound of the text as it came.

        Confidence is the probability of the named label; of a mixed text the probability that it is
        not neutral, of an uncertain one 0.
        """
        found: list[Sentiment] = []
        for start in range(0, len(texts), _CHUNK):
            found += self._score(texts[start : start + _CHUNK])
        return found

    def _score(self, texts: Sequence[str]) -> list[Sentiment]:
        parts: list[str] = []
        bounds: list[int] = [0]
        for text in texts:
            parts += [text] if len(text) <= BY_SENTENCE else _parts(text)
            bounds.append(len(parts))
        read = [self._reader.read(part) for part in parts]
        chances, known = self._chances([one for one, _ in read])
        sentiments: list[Sentiment] = []
        for text, first, last in zip(texts, bounds, bounds[1:], strict=False):
            if len(text) <= BY_SENTENCE:
                one, raw = read[first]
                chance = chances[first]
                mixed = is_mixed(one, chance)
                unknown = not one.polar and known[first] < KNOWN_SHARE
            else:
                raw = compound_of(text, self._reader.compound)
                chance, mixed = together(chances[first:last], self._weights.neutral)
                unknown = False
            sentiments.append(self._sentiment(text, chance, raw, mixed=mixed, unknown=unknown))
        return sentiments

    def _sentiment(
        self, text: str, chance: Sequence[float], raw: float, *, mixed: bool, unknown: bool
    ) -> Sentiment:
        negative, neutral, positive = chance
        score = positive - negative
        if not _WORDED.search(text) and abs(raw) == 0:
            score, label, confidence = 0.0, Label.NEUTRAL, 0.0
        elif unknown:
            score, label, confidence = 0.0, Label.UNCERTAIN, 0.0
        elif mixed:
            label, confidence = Label.MIXED, 1 - neutral
        elif neutral * self._weights.neutral >= max(positive, negative):
            label, confidence = Label.NEUTRAL, neutral
        elif positive > negative:
            label, confidence = Label.POSITIVE, positive
        else:
            label, confidence = Label.NEGATIVE, negative
        return Sentiment(
            score=round(score, 6),
            label=label,
            confidence=round(confidence, 6),
            model=self.name,
            version=self.version,
            raw=raw,
        )

    def _chances(self, texts: Sequence[ReadText]) -> tuple[list[list[float]], list[float]]:
        """p(negative), p(neutral), p(positive) of each text, and the share of words known."""
        weights = self._weights
        dense = np.array([text.dense for text in texts], dtype=np.float64)
        hashed = hash_texts([text.tokens for text in texts], len(weights.table))
        count = len(texts)
        logits = dense @ weights.dense + weights.bias
        norms = np.sqrt(np.maximum(hashed.counts, 1))
        for side, column in enumerate(self._columns):
            found = column.take(hashed.buckets)
            sums = np.bincount(hashed.rows, weights=found, minlength=count)
            logits[:, side] += sums / norms
        seen = self._trained.take(hashed.buckets[: hashed.words])
        rows = hashed.rows[: hashed.words]
        words = np.maximum(np.bincount(rows, minlength=count), 1)
        known = np.bincount(rows, weights=seen, minlength=count) / words
        return chances_of(logits / weights.temperature).tolist(), known.tolist()


def chances_of(logits: Floats) -> Floats:
    """Softmax over (negative, neutral, positive) from the logits of polarity and neutrality."""
    three = np.stack([-logits[:, 0], logits[:, 1], logits[:, 0]], axis=1)
    three = np.exp(three - three.max(axis=1, keepdims=True))
    chances: Floats = three / three.sum(axis=1, keepdims=True)
    return chances


def is_mixed(text: ReadText, chance: Sequence[float]) -> bool:
    """Whether a short text says good and bad things, in clauses of their own."""
    return (
        text.two_sided
        and not text.ironic
        and min(text.good, text.bad) >= MIXED_VALENCE
        and max(chance) < MIXED_CERTAINTY
    )


def together(chances: Sequence[Sequence[float]], neutral: float) -> tuple[list[float], bool]:
    """The chances of a long text from those of its sentences, and whether they are mixed.

    Sentences that are named neutral (see Weights.neutral) say nothing where another says something;
    the others count by how sure it is that they do. The text is as little neutral as the least
    neutral of them.
    """
    said = [one for one in chances if max(one[0], one[2]) > one[1] * neutral] or list(chances)
    weights = [1 - one[1] for one in said]
    total = sum(weights)
    if not total:
        return [0.0, 1.0, 0.0], False
    negative = sum(w * one[0] for w, one in zip(weights, said, strict=True)) / total
    positive = sum(w * one[2] for w, one in zip(weights, said, strict=True)) / total
    opinion = max(weights)
    share = opinion / (negative + positive)
    mixed = opinion > neutral / (1 + neutral) and min(positive, negative) >= MIXED_SHARE * (
        positive + negative
    )
    return [negative * share, 1 - opinion, positive * share], mixed


def _parts(text: str) -> list[str]:
    return [sentence[:LONG_HEAD] for sentence in sentences_of(text)] or [text[:LONG_HEAD]]
