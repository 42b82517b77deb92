"""Korean sentiment by our own model: n-grams and a service lexicon, in plain numpy.

Small models look at each text: two linear ones over hashed n-grams, of which one knows films and
one everything else and the sums of the lexicon; a pooled one in which the strongest place counts;
and two linear ones that tell whether this is about a film, and whether there is an opinion at all.
What they say is weighed by two layers of a few numbers, one for the score and one for the label.
docs/model-card.md has the sources and figures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from listener.enrich.sentiment.korean_features import CUT, View, linear_sums, pooled, view
from listener.enrich.sentiment.korean_lexicon import Lexicon
from listener.enrich.sentiment.korean_overlay import Overlay
from listener.enrich.sentiment.korean_overlay import fit as fit_overlay
from listener.types import Label, Sentiment

_CHUNK: Final = 512
_WORDED: Final = re.compile(r"\w|[^\x00-\xff\u2000-\u206f\u3000-\u303f\ufe0f]")

# Where a text turns: the first contrast that has more than a few characters on either side.
_CONTRAST: Final = re.compile(
    r"(?:지만|으나|면서도|[가-힣](?:은|는|한|인|운|른|쁜|픈|큰|던|싼|린|진|긴)데)(?=[\s,])[\s,]*"
    r"|[\s,.](?=(?:근데|그런데|하지만|그러나|다만|반면|대신|그래도)[\s,])"
    r"|(?<=[가-힣]데)\s"
)
_SIDE: Final = 4
_ONE_SIDED: Final = 3.0

# A longer text is scored by parts, about as long as the texts that the model knows, so that its
# score does not grow with its length alone.
LONG_TEXT: Final = 400
_PART: Final = 120
_SENTENCE: Final = re.compile(r"[^.!?。！？…\n]+[.!?。！？…\n]*\s*|[.!?。！？…\n]+\s*")
# Opinions stand at the ends of a very long text.
_HEAD_PARTS: Final = 12
_TAIL_PARTS: Final = 6

_ANCHOR_WEIGHT: Final = 0.5

SCORE_INPUTS: Final = 14
LABEL_INPUTS: Final = 10
LINEAR: Final = ("general", "film", "opinion", "gate")


@dataclass(frozen=True, slots=True)
class Packed:
    """A linear model: table * scale are the weights of the buckets."""

    table: NDArray[np.int8]
    scale: float
    summary: NDArray[np.float64]  # weights of the lexicon's sums
    bias: float


@dataclass(frozen=True, slots=True)
class Weights:
    """What training leaves: a model file in memory."""

    general: Packed  # of BUCKETS buckets: which side
    film: Packed  # of BUCKETS buckets: which side, in the words of film reviews
    opinion: Packed  # of CELLS buckets: is there one?
    gate: Packed  # of CELLS buckets: is it about a film?
    cells: NDArray[np.int8]  # the pooled model: a vector a cell
    pool: NDArray[np.float32]
    pool_bias: float
    score: NDArray[np.float64]  # (SCORE_INPUTS,): gives the log odds of "positive"
    label: NDArray[np.float64]  # (3, LABEL_INPUTS): polar, neutral, mixed
    uncertain: float  # |score| below it is uncertain
    keys: NDArray[np.uint32]  # the lexicon
    polarity: NDArray[np.int8]
    negations: NDArray[np.uint32]
    contrasts: NDArray[np.uint32]
    version: str


def load_weights(path: Path | None = None) -> Weights:
    """Read a model file, or the one that ships with Listener."""
    if path is None:
        source = resources.files("listener.enrich.sentiment").joinpath("data/korean-2.npz")
        with resources.as_file(source) as packed:
            return load_weights(packed)
    with np.load(path, allow_pickle=False) as data:
        return unflatten({name: data[name] for name in data.files})


def flatten(weights: Weights) -> dict[str, NDArray[np.generic]]:
    """The arrays of a model file by name, in a fixed order."""
    found: dict[str, NDArray[np.generic]] = {}
    for field in fields(Weights):
        value = getattr(weights, field.name)
        if isinstance(value, Packed):
            found |= {
                f"{field.name}.{part.name}": np.asarray(getattr(value, part.name))
                for part in fields(Packed)
            }
        else:
            found[field.name] = np.asarray(value)
    return found


def unflatten(arrays: Mapping[str, NDArray[Any]]) -> Weights:
    """Weights from the arrays of a model file."""
    values: dict[str, Any] = {
        name: Packed(
            table=arrays[f"{name}.table"],
            scale=float(arrays[f"{name}.scale"]),
            summary=arrays[f"{name}.summary"],
            bias=float(arrays[f"{name}.bias"]),
        )
        for name in LINEAR
    }
    for field in fields(Weights):
        if field.name not in values:
            value = arrays[field.name]
            values[field.name] = value if value.ndim else value.item()
    return Weights(**values)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the three models say of each text of a batch; arrays of one number a text."""

    general: NDArray[np.float64]
    film: NDArray[np.float64]
    gate: NDArray[np.float64]  # 0..1: how likely it is about a film
    praise: NDArray[np.float64]  # of the pooled model
    blame: NDArray[np.float64]
    opinion: NDArray[np.float64]
    summary: NDArray[np.float32]  # (texts, DENSE) of the lexicon
    counts: NDArray[np.float64]  # n-grams

    def score_inputs(self) -> NDArray[np.float64]:
        """(texts, SCORE_INPUTS): what the log odds are made of."""
        said: NDArray[np.float64] = np.stack(
            (
                self.general,
                self.film,
                self.praise - self.blame,
                self.summary[:, 10],
                self.summary[:, 11],
                self.summary[:, 8] / 3,
                np.ones(len(self.gate)),
            ),
            axis=1,
        )
        gate = self.gate[:, None]
        return np.concatenate((said * (1 - gate), said * gate), axis=1)

    def odds(self, weights: Weights) -> NDArray[np.float64]:
        """The log odds of "positive"."""
        return weigh(self.score_inputs(), weights.score)

    def label_inputs(
        self, odds: NDArray[np.float64], clash: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """(texts, LABEL_INPUTS): what the label is made of, beside the side it is on."""
        meant = self.summary[:, 0] + self.summary[:, 3]
        denied = self.summary[:, 1] + self.summary[:, 2]
        strength = np.abs(odds)
        return np.stack(
            (
                strength,
                np.minimum(strength, 1.0),
                np.minimum(self.praise, self.blame),
                np.maximum(self.praise, self.blame),
                np.minimum(meant, denied),
                np.minimum(self.summary[:, 4:8].sum(axis=1), 1.0),
                np.sqrt(clash),
                self.opinion,
                np.log(self.counts),
                np.ones(len(odds)),
            ),
            axis=1,
        )


class Korean:
    """Scores Korean texts. The weights are read on first use and kept by the object."""

    name = "ko-ngram"
    languages = frozenset({"ko"})

    def __init__(
        self, source: Path | Weights | None = None, overlay: Overlay | None = None
    ) -> None:
        """Use a model file, or weights, or the file that ships; and what an install added to it.

        Raises ValueError on first use where the overlay was made for another version.
        """
        self._source = source
        self._overlay = overlay

    @property
    def version(self) -> str:
        """Tells training runs apart by a hash of the weights, and overlays by one of theirs."""
        base = self.weights.version
        return base if self._overlay is None else f"{base}+{self._overlay.version}"

    @cached_property
    def weights(self) -> Weights:
        """The weights, without the overlay."""
        source = self._source
        weights = source if isinstance(source, Weights) else load_weights(source)
        if self._overlay is not None and self._overlay.base != weights.version:
            raise ValueError(f"an overlay of {self._overlay.base} does not fit {weights.version}")
        return weights

    @cached_property
    def _lexicon(self) -> Lexicon:
        w = self.weights
        return Lexicon(w.keys, w.polarity, w.negations, w.contrasts)

    @cached_property
    def _tables(self) -> dict[str, NDArray[np.int32]]:
        # One bucket more, of weight 0, for n-grams that would reach over the end of a text.
        w = self.weights
        return {
            name: np.append(getattr(w, name).table, np.int8(0)).astype(np.int32) for name in LINEAR
        }

    def score(self, texts: Sequence[str]) -> list[Sentiment]:
        """score = 2p - 1 with p the calibrated probability that a polar text is positive.

        The confidence of a label is its probability: of its side for positive and negative, of
        being neutral or mixed for those, and 1 - |score| for uncertain.
        """
        found: list[Sentiment] = []
        for start in range(0, len(texts), _CHUNK):
            found += self._chunk(texts[start : start + _CHUNK])
        return found

    def look(self, texts: Sequence[str]) -> View:
        """The features of texts, at least one; a long text is seen as it stands."""
        return view(texts, self._lexicon)

    def evidence(self, seen: View) -> Evidence:
        """What the models say, without the overlay."""
        w = self.weights
        weighed = pooled(w.cells, seen) * w.pool
        return Evidence(
            general=self._linear("general", seen),
            film=self._linear("film", seen),
            gate=np.tanh(self._linear("gate", seen, CUT) / 2) / 2 + 0.5,
            praise=np.maximum(weighed, 0).sum(axis=1) + max(w.pool_bias, 0.0),
            blame=-np.minimum(weighed, 0).sum(axis=1) - min(w.pool_bias, 0.0),
            opinion=self._linear("opinion", seen, CUT),
            summary=seen.summary,
            counts=seen.grams.counts,
        )

    def _linear(self, name: str, seen: View, cut: int = 0) -> NDArray[np.float64]:
        model: Packed = getattr(self.weights, name)
        sums = linear_sums(self._tables[name], seen, cut) * model.scale
        margins: NDArray[np.float64] = sums + weigh(seen.summary, model.summary) + model.bias
        return margins

    def clash(self, texts: Sequence[str], odds: NDArray[np.float64]) -> NDArray[np.float64]:
        """How much the two sides of a contrast contradict each other: the smaller of their log
        odds where these are of opposite signs, else 0. Texts with strong ``odds`` are of one side.
        """
        clash = np.zeros(len(texts))
        found = [
            (index, match.end())
            for index in np.flatnonzero(np.abs(odds) < _ONE_SIDED).tolist()
            for text in (texts[index],)
            if (match := _CONTRAST.search(text, _SIDE, len(text) - _SIDE)) is not None
        ]
        if found:
            halves = [texts[i][:at] for i, at in found] + [texts[i][at:] for i, at in found]
            before, after = self.odds(halves).reshape(2, -1)
            smaller = np.minimum(np.abs(before), np.abs(after))
            clash[[i for i, _ in found]] = np.where(before * after < 0, smaller, 0.0)
        return clash

    def odds(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """The log odds of "positive" before any overlay, each text seen as one part."""
        return self.evidence(self.look(texts)).odds(self.weights) if texts else np.zeros(0)

    def _chunk(self, texts: Sequence[str]) -> list[Sentiment]:
        parts: list[str] = []
        owners: list[int] = []
        for index, text in enumerate(texts):
            if len(text) <= LONG_TEXT:
                parts.append(text)
                owners.append(index)
            else:
                own = list(parts_of(text))
                parts += own
                owners += [index] * len(own)
        seen = self.look(parts)
        evidence = self.evidence(seen)
        odds = evidence.odds(self.weights)
        if self._overlay is not None:
            odds = odds + self._overlay.shift(seen)
        inputs = evidence.label_inputs(odds, self.clash(parts, odds))
        labels = softmax(np.stack([weigh(inputs, row) for row in self.weights.label], axis=1))
        scores = np.tanh(odds / 2)
        if len(parts) > len(texts):
            scores, labels = _joined(scores, labels, np.array(owners), len(texts))
        return [
            self._sentiment(score, chances, _WORDED.search(text) is not None)
            for score, chances, text in zip(scores.tolist(), labels.tolist(), texts, strict=True)
        ]

    def _sentiment(self, score: float, chances: Sequence[float], worded: bool) -> Sentiment:
        polar, neutral, mixed = chances
        if not worded:
            score, label, confidence = 0.0, Label.NEUTRAL, 0.0
        elif neutral > polar and neutral >= mixed:
            # Means are taken over scores: a question must not pull them to the side that its words
            # are on when they do hold an opinion.
            score, label, confidence = score * (1 - neutral), Label.NEUTRAL, neutral
        elif mixed > polar:
            score, label, confidence = score * (1 - mixed), Label.MIXED, mixed
        elif abs(score) < self.weights.uncertain:
            label, confidence = Label.UNCERTAIN, 1 - abs(score)
        else:
            label = Label.POSITIVE if score > 0 else Label.NEGATIVE
            confidence = (1 + abs(score)) / 2
        return Sentiment(
            score=score, label=label, confidence=confidence, model=self.name, version=self._version
        )

    @cached_property
    def _version(self) -> str:
        return self.version


def overlay(model: Korean, texts: Sequence[str], targets: Sequence[float]) -> Overlay:
    """What corrections teach an install: use it as ``Korean(source, overlay=…)``.

    ``targets`` are parallel to ``texts``: 1 for positive, 0 for negative, 0.5 for neither. An
    overlay that ``model`` has already is not built upon: give all corrections each time. The same
    corrections in the same order give the same overlay. Raises ValueError without texts, or where a
    target is not within 0..1.
    """
    if not texts or len(texts) != len(targets):
        raise ValueError(f"{len(texts)} texts but {len(targets)} targets")
    if not all(0 <= target <= 1 for target in targets):
        raise ValueError("targets are chances, 0..1")
    anchors = _anchors()
    seen = model.look([*texts, *anchors])
    odds = model.evidence(seen).odds(model.weights)
    wanted = np.tanh(odds / 2) / 2 + 0.5
    wanted[: len(texts)] = targets
    weights = np.full(len(odds), _ANCHOR_WEIGHT)
    weights[: len(texts)] = 1.0
    return fit_overlay(model.weights.version, seen, odds, wanted, weights)


def _anchors() -> list[str]:
    """Texts whose scores an overlay should leave alone, so that it learns what is particular."""
    file = resources.files("listener.enrich.sentiment").joinpath("sentences/ko_base.tsv")
    return [line.split("\t")[0] for line in file.read_text("utf-8").splitlines()[1:]]


def parts_of(text: str) -> Iterator[str]:
    """A long text as runs of whole sentences of about 120 characters: the first 12, the last 6."""
    parts: list[str] = []
    run = ""
    for sentence in _SENTENCE.findall(text):
        for start in range(0, len(sentence), LONG_TEXT):
            run += sentence[start : start + LONG_TEXT]
            if len(run) >= _PART:
                parts.append(run)
                run = ""
    if run.strip():
        parts.append(run)
    if len(parts) > _HEAD_PARTS + _TAIL_PARTS:
        parts = parts[:_HEAD_PARTS] + parts[-_TAIL_PARTS:]
    yield from parts or [text[:LONG_TEXT]]


def _joined(
    scores: NDArray[np.float64], labels: NDArray[np.float64], owners: NDArray[np.intp], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The parts of each text as one: a part counts as much as it is likely to hold an opinion.

    Where parts are of both sides, what they have in common is the chance of "mixed".
    """
    share = 1.001 - labels[:, 1]
    total = np.bincount(owners, share, count)
    score = np.bincount(owners, share * scores, count) / total
    good = np.bincount(owners, share * np.maximum(scores, 0), count) / total
    bad = np.bincount(owners, share * np.maximum(-scores, 0), count) / total
    several = np.bincount(owners, minlength=count) > 1
    neutral = np.ones(count)
    np.minimum.at(neutral, owners, labels[:, 1])
    mixed = np.bincount(owners, share * labels[:, 2], count) / total
    mixed = np.where(several, np.maximum(mixed, np.minimum(2.5 * np.minimum(good, bad), 1)), mixed)
    mixed = mixed * (1 - neutral)
    return score, np.stack((1 - neutral - mixed, neutral, mixed), axis=1)


def weigh(inputs: NDArray[np.floating[Any]], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """inputs @ weights, to the same last bit whatever the number of rows (BLAS does not)."""
    sums: NDArray[np.float64] = (inputs * weights).sum(axis=1)
    return sums


def softmax(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Along the last axis."""
    raised = np.exp(x - x.max(axis=-1, keepdims=True))
    shares: NDArray[np.float64] = raised / raised.sum(axis=-1, keepdims=True)
    return shares
