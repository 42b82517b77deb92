"""Trains the English sentiment model: run by hand, its result is shipped; plain numpy, repeatable.

    python -m listener.enrich.sentiment.train_english --data DIR --out FILE

DIR holds the ratings that came with VADER (cjhutto/vaderSentiment, MIT; Hutto & Gilbert, ICWSM
2014): ``en_vader_tweets.tsv.gz``, ``en_vader_amazonReviewSnippets.tsv.gz``,
``en_vader_movieReviewSnippets.tsv.gz`` and ``en_vader_nytEditorialSnippets.tsv.gz``. The sentences
and the lexicon are ours and lie in ``sentences``. docs/model-card.md holds the figures that it
prints, and what they mean.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from listener.enrich.sentiment.english import Weights, chances_of, is_mixed, make_reader
from listener.enrich.sentiment.english_ngrams import hash_texts
from listener.enrich.sentiment.english_text import ReadText
from listener.enrich.sentiment.lbfgs import minimise
from listener.enrich.sentiment.vader import NEUTRAL_BAND

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

BUCKETS: Final = 1 << 18
L2_TABLE: Final = 5.0
L2_DENSE: Final = 1.0
ITERATIONS: Final = 60
FOLDS: Final = 5
SEEN: Final = 2  # an n-gram that occurs in fewer training texts gets no weight

# file (or own table) -> source, and how much one text of it counts: films and editorials are many
# and far from what we read, our own sentences are few and nearest.
RATED: Final = {
    "en_vader_tweets": ("tweets", 4.0),
    "en_vader_amazonReviewSnippets": ("products", 1.0),
    "en_vader_movieReviewSnippets": ("films", 0.2),
    "en_vader_nytEditorialSnippets": ("editorials", 0.3),
}
OWN: Final = {"en_tweets": ("own tweets", 4.0), "en_reviews": ("own reviews", 4.0)}

# A mean rating (-4..4) from here on has a side for most raters; the spread of the raters blurs it.
SIDE: Final = 0.5
BLUR: Final = 0.3

# A cap set by hand: a larger factor calls more opinions neutral, and a missed complaint costs more
# than a false one.
MAX_NEUTRAL: Final = 1.2
_OWN_TARGETS: Final = {  # negative, neutral, positive
    "negative": (0.97, 0.02, 0.01),
    "neutral": (0.03, 0.94, 0.03),
    "positive": (0.01, 0.02, 0.97),
    "mixed": (0.45, 0.10, 0.45),
}
_SIGNS: Final = {"negative": -1, "neutral": 0, "positive": 1, "mixed": 9}
MIXED: Final = 9


@dataclass(frozen=True, slots=True)
class Example:
    """A text, the chances of its sides, its sign (9 is mixed), its mean rating if it has one."""

    text: str
    target: tuple[float, float, float]
    sign: int
    rating: float | None
    source: str
    weight: float


@dataclass(frozen=True, slots=True)
class Corpus:
    """Examples as the model sees them; arrays are parallel to ``examples``."""

    examples: Sequence[Example]
    read: Sequence[ReadText]
    raw: Floats
    dense: Floats
    targets: Floats
    signs: NDArray[np.int64]
    weights: Floats
    sources: NDArray[np.str_]
    folds: NDArray[np.int64]
    buckets: NDArray[np.intp]
    rows: NDArray[np.intp]
    norms: Floats


@dataclass(frozen=True, slots=True)
class Linear:
    """A fitted model on the features as they come."""

    dense: Floats
    bias: Floats
    table: Floats


def rating_target(rating: float) -> tuple[float, float, float]:
    """Negative, neutral, positive: what share of raters may name each, from their mean."""
    negative = 1 / (1 + np.exp((rating + SIDE) / BLUR))
    positive = 1 / (1 + np.exp((SIDE - rating) / BLUR))
    neutral = max(1 - negative - positive, 0.0)
    return float(negative), float(neutral), float(positive)


def read_examples(folder: Path) -> list[Example]:
    """All texts with a rating or a label."""
    examples: list[Example] = []
    for name, (source, weight) in RATED.items():
        with gzip.open(folder / f"{name}.tsv.gz", "rt", encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                rating = float(row["mean_rating"])
                sign = 1 if rating >= SIDE else -1 if rating <= -SIDE else 0
                examples.append(
                    Example(row["text"], rating_target(rating), sign, rating, source, weight)
                )
    for name, (source, weight) in OWN.items():
        examples += [
            Example(
                row["text"], _OWN_TARGETS[row["label"]], _SIGNS[row["label"]], None, source, weight
            )
            for row in own_rows(name)
        ]
    return [example for example in examples if example.text.strip()]


def own_rows(name: str) -> list[dict[str, str]]:
    """The rows of one of our own tables."""
    folder = resources.files("listener.enrich.sentiment").joinpath("sentences")
    lines = folder.joinpath(f"{name}.tsv").read_text("utf-8").split("\n")
    return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def read_lexicon() -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Our words and phrases with their valences."""
    pairs = [
        (phrase.strip(), float(row["valence"]))
        for row in own_rows("en_lexicon")
        for phrase in row["phrases"].split(",")
    ]
    return tuple(phrase for phrase, _ in pairs), tuple(value for _, value in pairs)


def fold_of(text: str) -> int:
    """Assign a text by its own hash, so that equal texts never stand on both sides."""
    return hashlib.sha256(text.strip().encode()).digest()[0] % FOLDS


def corpus_of(
    examples: Sequence[Example], lexicon: tuple[Sequence[str], Sequence[float]], size: int
) -> Corpus:
    """Read all texts with the very code that reads them in use."""
    reader = make_reader(*lexicon)
    pairs = [reader.read(example.text) for example in examples]
    hashed = hash_texts([one.tokens for one, _ in pairs], size)
    return Corpus(
        examples=examples,
        read=[one for one, _ in pairs],
        raw=np.array([raw for _, raw in pairs]),
        dense=np.array([one.dense for one, _ in pairs], dtype=np.float64),
        targets=np.array([example.target for example in examples]),
        signs=np.array([example.sign for example in examples]),
        weights=np.array([example.weight for example in examples]),
        sources=np.array([example.source for example in examples]),
        folds=np.array([fold_of(example.text) for example in examples]),
        buckets=hashed.buckets,
        rows=hashed.rows,
        norms=1 / np.sqrt(np.maximum(hashed.counts, 1)),
    )


def fit(corpus: Corpus, chosen: Mask, size: int) -> Linear:
    """Softmax regression on soft targets, L2 penalty, by L-BFGS from zero."""
    indexes = np.flatnonzero(chosen)
    count = len(indexes)
    place = np.zeros(len(chosen), dtype=np.intp)
    place[indexes] = np.arange(count)
    inside = chosen[corpus.rows]
    buckets = corpus.buckets[inside]
    often = (np.bincount(buckets, minlength=size) >= SEEN)[buckets]
    buckets, rows = buckets[often], place[corpus.rows[inside][often]]
    spread = corpus.norms[indexes][rows]
    mean, deviation = corpus.dense[indexes].mean(0), corpus.dense[indexes].std(0) + 1e-6
    dense = np.c_[(corpus.dense[indexes] - mean) / deviation, np.ones(count)]
    targets, weights = corpus.targets[indexes], corpus.weights[indexes]
    split = 2 * dense.shape[1]

    def loss(point: Floats) -> tuple[float, Floats]:
        matrix, table = point[:split].reshape(2, -1), point[split:].reshape(2, size)
        sides = np.empty((count, 2))
        for side in range(2):
            found = np.bincount(rows, weights=table[side][buckets] * spread, minlength=count)
            sides[:, side] = dense @ matrix[side] + found
        chances = chances_of(sides)
        error = weights[:, None] * (chances - targets)
        slopes = (error[:, 2] - error[:, 0], error[:, 1])
        gradient = np.empty_like(point)
        towards = np.stack([dense.T @ slope for slope in slopes])
        towards[:, :-1] += L2_DENSE * matrix[:, :-1]
        gradient[:split] = towards.ravel()
        gradient[split:] = np.concatenate(
            [np.bincount(buckets, weights=s[rows] * spread, minlength=size) for s in slopes]
        )
        gradient[split:] += L2_TABLE * point[split:]
        entropy = -float(weights @ (targets * np.log(np.maximum(chances, 1e-300))).sum(1))
        penalty = L2_DENSE * float((matrix[:, :-1] ** 2).sum()) + L2_TABLE * float((table**2).sum())
        return entropy + penalty / 2, gradient

    point = minimise(loss, np.zeros(split + 2 * size), ITERATIONS)
    matrix = point[:split].reshape(2, -1)
    slopes = (matrix[:, :-1] / deviation).T
    return Linear(slopes, matrix[:, -1] - mean @ slopes, point[split:].reshape(2, size).T)


def quantise(table: Floats) -> tuple[NDArray[np.int8], float]:
    """Weights as int8 with one scale; the few beyond 5 standard deviations are clipped."""
    used = table[table != 0]
    scale = min(float(np.abs(used).max()), 5 * float(used.std())) / 127
    return np.clip(np.rint(table / scale), -127, 127).astype(np.int8), scale


def logits_of(corpus: Corpus, model: Linear, chosen: Mask) -> Floats:
    """Logits of polarity and neutrality of the chosen texts."""
    sides: Floats = corpus.dense @ model.dense + model.bias
    for side in range(2):
        found = model.table[:, side][corpus.buckets] * corpus.norms[corpus.rows]
        sides[:, side] += np.bincount(corpus.rows, weights=found, minlength=len(sides))
    return sides[chosen]


def packed(model: Linear) -> Linear:
    """The model as it comes back from its file."""
    table, scale = quantise(model.table)
    return Linear(model.dense, model.bias, table.astype(np.float64) * scale)


def choose_temperature(logits: Floats, targets: Floats, weights: Floats) -> float:
    """The divisor of the logits that minimises the cross entropy on texts not trained on."""

    def entropy(temperature: float) -> float:
        chances = np.maximum(chances_of(logits / temperature), 1e-12)
        return -float(weights @ (targets * np.log(chances)).sum(1))

    return float(min(np.arange(0.5, 3.01, 0.05), key=entropy))


def choose_neutral(chances: Floats, signs: NDArray[np.int64], groups: Sequence[Mask]) -> float:
    """The factor on p(neutral) with the best mean macro-F1 over groups of texts."""

    def quality(factor: float) -> float:
        found = named(chances, factor)
        return float(np.mean([macro_f1(found[group], signs[group]) for group in groups]))

    return float(max(np.round(np.arange(0.6, MAX_NEUTRAL + 0.01, 0.05), 2), key=quality))


def named(chances: Floats, neutral: float) -> NDArray[np.int64]:
    """-1, 0 or 1 for each text."""
    found: NDArray[np.int64] = (chances * np.array([1.0, neutral, 1.0])).argmax(axis=1) - 1
    return found


def macro_f1(found: NDArray[np.int64], signs: NDArray[np.int64]) -> float:
    """Mean F1 of the three classes; texts of mixed sign are left out."""
    values = []
    for sign in (-1, 0, 1):
        here = signs != MIXED
        hits = int(((found == sign) & (signs == sign)).sum())
        both = int(((found == sign) & here).sum() + (signs == sign).sum())
        values.append(2 * hits / max(both, 1))
    return sum(values) / len(values)


def figures(corpus: Corpus, chosen: Mask, chances: Floats, neutral: float) -> dict[str, float]:
    """How good the model is on the chosen texts, and VADER beside it.

    ``ece`` is the expected calibration error of the named class's probability over ten bins;
    ``r`` is Pearson's correlation of score and mean rating.
    """
    signs, raw = corpus.signs[chosen], corpus.raw[chosen]
    clear, polar = signs != MIXED, np.isin(signs, (-1, 1))
    found = named(chances, neutral)
    vader = np.where(raw >= NEUTRAL_BAND, 1, np.where(raw <= -NEUTRAL_BAND, -1, 0))
    score = chances[:, 2] - chances[:, 0]
    sure = chances.max(axis=1)[clear]
    right = (chances.argmax(axis=1) - 1 == signs)[clear]
    bins = np.minimum((sure * 10).astype(int), 9)
    error = sum(
        float((bins == b).mean()) * abs(float(sure[bins == b].mean() - right[bins == b].mean()))
        for b in range(10)
        if (bins == b).any()
    )
    values = {
        "n": float(clear.sum()),
        "macro-F1": macro_f1(found, signs),
        "VADER macro-F1": macro_f1(vader, signs),
        "accuracy": float((found == signs)[clear].mean()),
        "VADER accuracy": float((vader == signs)[clear].mean()),
        "two sides": float((np.sign(score) == signs)[polar].mean()),
        "VADER two sides": float((np.sign(raw) == signs)[polar].mean()),
        "ece": error,
    }
    ratings = [example.rating for example, use in zip(corpus.examples, chosen, strict=True) if use]
    if all(rating is not None for rating in ratings):
        rated = np.array(ratings, dtype=np.float64)
        values["r"] = float(np.corrcoef(rated, score)[0, 1])
        values["VADER r"] = float(np.corrcoef(rated, raw)[0, 1])
    return {name: round(value, 4) for name, value in values.items()}


def mixed_figures(corpus: Corpus, chances: Floats) -> dict[str, float]:
    """How many of our own mixed sentences are called mixed, and how many of the others."""
    own = np.array([example.rating is None for example in corpus.examples])
    called = np.array(
        [is_mixed(one, chance) for one, chance in zip(corpus.read, chances.tolist(), strict=True)]
    )
    mixed = own & (corpus.signs == MIXED)
    return {
        "mixed": float(mixed.sum()),
        "found": round(float(called[mixed].mean()), 4),
        "others called mixed": round(float(called[own & ~mixed].mean()), 4),
    }


def train(
    examples: Sequence[Example],
    lexicon: tuple[tuple[str, ...], tuple[float, ...]],
    size: int = BUCKETS,
    without: Iterable[tuple[str, ...]] = (),
) -> tuple[Weights, dict[str, object]]:
    """Fit on everything; calibrate and measure on the folds that were held out of further fits.

    ``without`` are groups of sources to be left out of a fit and then measured.
    """
    corpus = corpus_of(examples, lexicon, size)
    everything = np.ones(len(examples), dtype=bool)
    logits = np.empty((len(examples), 2))
    for fold in range(FOLDS):
        held = corpus.folds == fold
        logits[held] = logits_of(corpus, packed(fit(corpus, ~held, size)), held)
    sources = sorted(set(corpus.sources))
    near = [corpus.sources == s for s in sources if s not in {"films", "editorials"}]
    temperature = choose_temperature(logits, corpus.targets, corpus.weights)
    chances = chances_of(logits / temperature)
    neutral = choose_neutral(chances, corpus.signs, near)

    report: dict[str, object] = {
        f"held-out fifths, {source}": figures(
            corpus, corpus.sources == source, chances[corpus.sources == source], neutral
        )
        for source in sources
    }
    report["held-out fifths, mixed"] = mixed_figures(corpus, chances)
    for group in without:
        left_out = np.isin(corpus.sources, group)
        model = packed(fit(corpus, ~left_out, size))
        for source in group:
            here = corpus.sources == source
            found = chances_of(logits_of(corpus, model, here) / temperature)
            report[f"trained without {' and '.join(group)}, {source}"] = figures(
                corpus, here, found, neutral
            )
    model = fit(corpus, everything, size)
    table, scale = quantise(model.table)
    content = [model.dense.tobytes(), model.bias.tobytes(), table.tobytes()]
    content.append(f"{scale} {temperature} {neutral} {lexicon}".encode())
    version = f"1-{hashlib.sha256(b''.join(content)).hexdigest()[:10]}"
    report |= {"temperature": temperature, "neutral": neutral, "version": version}
    report["used buckets"] = int((table != 0).any(axis=1).sum())
    weights = Weights(
        dense=model.dense,
        bias=model.bias,
        table=table,
        scale=scale,
        temperature=temperature,
        neutral=neutral,
        phrases=lexicon[0],
        valences=lexicon[1],
        version=version,
    )
    return weights, report


def save(weights: Weights, path: Path) -> None:
    """Write the model file; equal weights give equal bytes."""
    np.savez_compressed(
        path,
        dense=weights.dense,
        bias=weights.bias,
        table=weights.table,
        scale=weights.scale,
        temperature=weights.temperature,
        neutral=weights.neutral,
        phrases="\n".join(weights.phrases),
        valences=np.array(weights.valences),
        version=weights.version,
    )


def main() -> None:
    """Command line: train, save, print the figures as JSON."""
    parser = argparse.ArgumentParser(description="Train the English sentiment model.")
    parser.add_argument("--data", type=Path, required=True, help="folder with the training data")
    parser.add_argument("--out", type=Path, required=True, help="model file to write (.npz)")
    arguments = parser.parse_args()
    groups = (("tweets",), ("products",), ("own tweets",), ("own reviews",))
    weights, report = train(read_examples(arguments.data), read_lexicon(), without=groups)
    save(weights, arguments.out)
    report["bytes"] = arguments.out.stat().st_size
    sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=2) + "\n")


if __name__ == "__main__":
    main()
