"""Trains the Korean sentiment model: run by hand, its result is shipped; plain numpy, repeatable.

    python -m listener.enrich.sentiment.train_korean --data DIR --out FILE

DIR holds ``nsmc_train150k.tsv.gz``, ``nsmc_neutral.tsv.gz`` (Naver film reviews, e9t/nsmc, CC0 1.0)
and ``ko_kote_val.tsv.gz`` (online comments, searle-j/KOTE, MIT). The lexicon and the sentences on
apps, shops, food and services are ours and lie beside the model. docs/model-card.md holds the
figures that it prints, and what they mean.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from listener.enrich.sentiment import korean_linear as linear
from listener.enrich.sentiment import korean_pool as pool
from listener.enrich.sentiment.korean import (
    LABEL_INPUTS,
    SCORE_INPUTS,
    Evidence,
    Korean,
    Packed,
    Weights,
    flatten,
    softmax,
)
from listener.enrich.sentiment.korean_features import BUCKETS, CUT, view
from listener.enrich.sentiment.korean_lexicon import Lexicon, compile_lexicon, read_entries
from listener.enrich.sentiment.korean_linear import Floats, Rows, sigmoid
from listener.enrich.sentiment.lbfgs import minimise
from listener.enrich.sentiment.ngrams import ORDERS

Chosen = NDArray[np.intp]

PENALTY: Final = 3.0
PENALTY_SMALL: Final = 2.0  # of the models of CELLS buckets
ITERATIONS: Final = 80
ITERATIONS_SMALL: Final = 40

# How much one text of a source counts. Films are many, comments are few but nearer to what we read,
# and the service sentences are nearest.
GENERAL_WEIGHT: Final = {
    "film": 0.5,
    "film-between": 0.15,
    "comment": 6.0,
    "comment-between": 3.0,
    "service": 8.0,
}
FILM_WEIGHT: Final = {"film": 1.0, "film-between": 0.3, "comment": 3.0, "comment-between": 1.5}
POOL_TIMES: Final = {
    "film": 1,
    "film-between": 0,
    "comment": 4,
    "comment-between": 1,
    "service": 4,
}
SCORE_SHARE: Final = {"film": 3.0, "comment": 1.0, "service": 2.0}

# What a film rating of 5..8 says of the chance that the text is positive: people who rate 8 mostly
# praise.
BETWEEN_TARGET: Final = {5: 0.25, 6: 0.4, 7: 0.55, 8: 0.7}
TARGET: Final = {"positive": 1.0, "negative": 0.0, "neutral": 0.5, "mixed": 0.5}

CLASSES: Final = ("polar", "neutral", "mixed")

# The share of polar service texts that may be called uncertain.
UNCERTAIN_SHARE: Final = 0.04


@dataclass(frozen=True, slots=True)
class Example:
    """A text, how likely it is positive (0..1), and its part of the data."""

    text: str
    target: float
    source: str  # film, film-between, comment, comment-between, service
    label: str  # of service texts
    domain: str  # of service texts: apps, food, shop …
    part: str  # "train", "tune" (the layers of a few numbers) or "test" (figures only)


def part_of(text: str, test: int, tune: int) -> str:
    """Assign a text by its own hash, so that equal texts never stand on both sides.

    ``test`` and ``tune`` are how many of 256 texts go there.
    """
    share = hashlib.sha256(text.strip().encode()).digest()[0]
    if share < test:
        return "test"
    return "tune" if share < test + tune else "train"


def read_examples(folder: Path) -> list[Example]:
    """All labelled texts."""
    found = [
        Example(text, float(row["label"]), "film", "", "", part_of(text, 26, 13))
        for row in _rows(folder / "nsmc_train150k.tsv.gz")
        for text in (row["text"],)
    ]
    found += [
        Example(
            text, BETWEEN_TARGET[int(row["rating"])], "film-between", "", "", part_of(text, 26, 13)
        )
        for row in _rows(folder / "nsmc_neutral.tsv.gz")
        for text in (row["text"],)
    ]
    for row in _rows(folder / "ko_kote_val.tsv.gz", quoting=csv.QUOTE_MINIMAL):
        text = row["text"]
        good, bad = int(row["n_pos_emotions"]), int(row["n_neg_emotions"])
        target = {"pos": 1.0, "neg": 0.0}.get(row["label"], (good + 1) / (good + bad + 2))
        source = "comment" if row["label"] in {"pos", "neg"} else "comment-between"
        found.append(Example(text, target, source, "", "", part_of(text, 64, 26)))
    sentences = resources.files("listener.enrich.sentiment").joinpath("sentences")
    found += read_sentences(sentences)
    return [example for example in found if example.text.strip()]


def read_sentences(folder: Traversable) -> list[Example]:
    """Our own sentences, a file a domain; of equal texts the first counts."""
    found: dict[str, Example] = {}
    for file in sorted(folder.iterdir(), key=lambda f: f.name):
        if not (file.name.startswith("ko_") and file.name.endswith(".tsv")):
            continue
        domain = file.name.removeprefix("ko_").removesuffix(".tsv")
        lines = file.read_text("utf-8").splitlines()
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            text, label = row["text"], row["label"]
            example = Example(text, TARGET[label], "service", label, domain, part_of(text, 26, 38))
            found.setdefault(text.strip(), example)
    return list(found.values())


@dataclass(frozen=True, slots=True)
class Seen:
    """All examples as the models see them, and what they are."""

    rows: Rows
    places: pool.Places
    targets: Floats
    sources: NDArray[np.str_]
    labels: NDArray[np.str_]
    domains: NDArray[np.str_]
    parts: NDArray[np.str_]


def look(examples: Sequence[Example], lexicon: Lexicon) -> Seen:
    """The features of the examples, by the very functions that are used at run time."""
    buckets, cells, dense = [], [], []
    sizes, lengths, norms = [], [], []
    for start in range(0, len(examples), 4096):
        seen = view([e.text for e in examples[start : start + 4096]], lexicon)
        table = np.full((len(seen.cells), ORDERS), BUCKETS, dtype=np.int32)
        for order, found in enumerate(seen.grams.buckets):
            table[: len(found), order] = found
        inside = table < BUCKETS
        buckets.append(table[inside])
        sizes.append(np.add.reduceat(inside.sum(axis=1), seen.grams.starts))
        cells.append(seen.cells.astype(np.int32))
        lengths.append(np.diff(seen.grams.starts, append=len(seen.cells)))
        norms.append(seen.norms)
        dense.append(seen.summary)
    size = np.concatenate(sizes)
    starts = np.concatenate(([0], np.cumsum(size)))
    row = np.repeat(np.arange(len(size), dtype=np.int32), size)
    return Seen(
        Rows(
            BUCKETS,
            np.concatenate(buckets),
            starts,
            np.concatenate(norms),
            row,
            np.concatenate(dense),
        ),
        pool.Places(
            np.concatenate(cells), np.concatenate(([0], np.cumsum(np.concatenate(lengths))))
        ),
        np.array([e.target for e in examples]),
        np.array([e.source for e in examples]),
        np.array([e.label for e in examples]),
        np.array([e.domain for e in examples]),
        np.array([e.part for e in examples]),
    )


def fit_models(seen: Seen, train: NDArray[np.bool_], lexicon: Lexicon) -> Weights:
    """The three models, from the texts in ``train``; the last layers are empty."""
    chosen = np.flatnonzero(train)
    times = np.array([POOL_TIMES[s] for s in seen.sources[chosen]])
    net = pool.fit(seen.places, seen.targets.astype(np.float32), np.repeat(chosen, times))
    cells, out = pool.quantise(net)

    return Weights(
        general=fit_general(seen, train),
        film=fit_film(seen, train),
        opinion=fit_opinion(seen, train),
        gate=fit_gate(seen, train),
        cells=cells,
        pool=out,
        pool_bias=net.bias,
        score=np.zeros(SCORE_INPUTS),
        label=np.zeros((3, LABEL_INPUTS)),
        uncertain=0.0,
        keys=lexicon.keys,
        polarity=lexicon.polarity,
        negations=lexicon.negations,
        contrasts=lexicon.contrasts,
        version="",
    )


def fit_general(seen: Seen, train: NDArray[np.bool_]) -> Packed:
    """Which side, of anything: all comments and sentences, a quarter of the films."""
    chosen = np.flatnonzero(train & (_every(seen, "film", 4) | ~_films(seen)))
    weights = np.array([GENERAL_WEIGHT[s] for s in seen.sources[chosen]])
    weights[(seen.sources[chosen] == "service") & (seen.targets[chosen] == 0.5)] /= 4
    return _fit(seen, chosen, seen.targets[chosen], weights, PENALTY)


def fit_film(seen: Seen, train: NDArray[np.bool_]) -> Packed:
    """Which side, in the words of film reviews. The lexicon knows little of films."""
    chosen = np.flatnonzero(train & (seen.sources != "service"))
    weights = np.array([FILM_WEIGHT[s] for s in seen.sources[chosen]])
    return _fit(seen, chosen, seen.targets[chosen], weights, PENALTY, lexicon=False)


def fit_opinion(seen: Seen, train: NDArray[np.bool_]) -> Packed:
    """Is there an opinion? From service sentences, beside comments and some films."""
    known = (seen.sources == "service") | (seen.sources == "comment") | _every(seen, "film", 12)
    chosen = np.flatnonzero(train & known)
    targets = np.where(seen.labels[chosen] == "neutral", 0.0, 1.0)
    own = seen.sources[chosen] == "service"
    weights = np.where(own, np.where(targets == 0, 6.0, 1.5), 0.5)
    return _fit(seen, chosen, targets, weights, PENALTY_SMALL, cut=CUT)


def fit_gate(seen: Seen, train: NDArray[np.bool_]) -> Packed:
    """Is it about a film?"""
    chosen = np.flatnonzero(train & (_every(seen, "film", 6) | ~_films(seen)))
    targets = (seen.sources[chosen] == "film").astype(np.float64)
    return _fit(seen, chosen, targets, np.ones(len(chosen)), PENALTY_SMALL, lexicon=False, cut=CUT)


def _fit(
    seen: Seen,
    chosen: Chosen,
    targets: Floats,
    weights: Floats,
    penalty: float,
    *,
    lexicon: bool = True,
    cut: int = 0,
) -> Packed:
    rows = seen.rows.take(chosen)
    dense = rows.dense if lexicon else np.zeros_like(rows.dense)
    rows = replace(rows, size=rows.size >> cut, buckets=rows.buckets >> cut, dense=dense)
    iterations = ITERATIONS_SMALL if cut else ITERATIONS
    fitted = linear.fit(rows, targets, weights, penalty=penalty, iterations=iterations)
    table, scale = linear.quantise(fitted.table)
    return Packed(table, scale, fitted.dense, fitted.bias)


def _films(seen: Seen) -> NDArray[np.bool_]:
    return np.isin(seen.sources, ("film", "film-between"))


def _every(seen: Seen, source: str, step: int) -> NDArray[np.bool_]:
    """Each ``step``-th of the texts of a source."""
    mine: NDArray[np.bool_] = seen.sources == source
    chosen: NDArray[np.bool_] = mine & (np.cumsum(mine) % step == 0)
    return chosen


def fit_score(inputs: Floats, targets: Floats, weights: Floats) -> Floats:
    """Logistic regression of a few numbers: the weights of ``inputs``."""

    def loss(point: Floats) -> tuple[float, Floats]:
        margin = inputs @ point
        entropy = weights @ (np.logaddexp(0.0, margin) - targets * margin)
        gradient = (weights * (sigmoid(margin) - targets)) @ inputs + point
        return float(entropy + 0.5 * point @ point), gradient

    return minimise(loss, np.zeros(inputs.shape[1]), 200)


def fit_label(inputs: Floats, classes: Chosen, weights: Floats) -> Floats:
    """Multinomial logistic regression: (classes, inputs)."""
    count = len(CLASSES)
    wanted = np.eye(count)[classes]

    def loss(point: Floats) -> tuple[float, Floats]:
        table = point.reshape(count, -1)
        p = softmax(inputs @ table.T)
        entropy = -(weights @ np.log(p[np.arange(len(p)), classes] + 1e-12))
        gradient = ((p - wanted) * weights[:, None]).T @ inputs + table
        return float(entropy + 0.5 * point @ point), gradient.ravel()

    return minimise(loss, np.zeros(count * inputs.shape[1]), 300).reshape(count, -1)


def fit_layers(weights: Weights, examples: Sequence[Example]) -> Weights:
    """The last layers, from texts that the models were not fitted on."""
    korean = Korean(weights)
    evidence = evidence_of(korean, [e.text for e in examples])
    sources = np.array([e.source for e in examples])
    targets = np.array([e.target for e in examples])
    labels = np.array([e.label for e in examples])
    inputs = evidence.score_inputs()
    polar = np.isin(sources, list(SCORE_SHARE)) & (targets != 0.5)
    shares = np.zeros(len(examples))
    for source, share in SCORE_SHARE.items():
        mine = polar & (sources == source)
        shares[mine] = 1000 * share / mine.sum()
    score = fit_score(inputs[polar], targets[polar], shares[polar])
    odds = inputs @ score

    classes = np.select([labels == name for name in CLASSES[1:]], [1, 2], 0)
    known = (sources == "service") | polar
    emphasis = np.where(sources == "service", np.array([1.0, 2.0, 4.0])[classes], 0.0)
    for source in ("film", "comment"):
        mine = polar & (sources == source)
        emphasis[mine] = 400 / mine.sum()
    clash = Korean(replace(weights, score=score)).clash([e.text for e in examples], odds)
    label = fit_label(evidence.label_inputs(odds, clash)[known], classes[known], emphasis[known])
    own = polar & (sources == "service")
    uncertain = float(np.quantile(np.abs(np.tanh(odds[own] / 2)), UNCERTAIN_SHARE))
    return replace(weights, score=score, label=label, uncertain=round(uncertain, 2))


def evidence_of(korean: Korean, texts: Sequence[str]) -> Evidence:
    """The evidence of many texts."""
    found = [
        korean.evidence(korean.look(texts[start : start + 4096]))
        for start in range(0, len(texts), 4096)
    ]
    return Evidence(
        *(
            np.concatenate([getattr(e, name) for e in found])
            for name in (f.name for f in fields(Evidence))
        )
    )


def figures(scores: Floats, targets: Floats) -> dict[str, float]:
    """Accuracy, balanced accuracy, Brier score, expected calibration error (10 bins)."""
    right = (scores > 0) == (targets > 0.5)
    p = (scores + 1) / 2
    bins = np.minimum((p * 10).astype(int), 9)
    error = 0.0
    for index in range(10):
        inside = bins == index
        if inside.any():
            gap = abs(float(p[inside].mean()) - float(targets[inside].mean()))
            error += float(inside.mean()) * gap
    return {
        "n": len(targets),
        "accuracy": round(float(right.mean()), 4),
        "balanced": round(
            float((right[targets > 0.5].mean() + right[targets < 0.5].mean()) / 2), 4
        ),
        "brier": round(float(((p - targets) ** 2).mean()), 4),
        "ece": round(error, 4),
    }


def macro_f1(found: Sequence[str], labels: Sequence[str]) -> float:
    """Mean F1 over the classes that occur in ``labels``."""
    pairs = list(zip(found, labels, strict=True))
    values = []
    for label in sorted(set(labels)):
        hits = pairs.count((label, label))
        values.append(2 * hits / max(list(found).count(label) + list(labels).count(label), 1))
    return sum(values) / len(values)


def measure(korean: Korean, examples: Sequence[Example]) -> dict[str, object]:
    """The figures on texts that were not trained on: by source, and by domain of service texts."""
    found = korean.score([e.text for e in examples])
    scores = np.array([s.score for s in found])
    targets = np.array([e.target for e in examples])
    report: dict[str, object] = {}
    polar = (targets != 0.5) & np.array([not e.source.endswith("between") for e in examples])
    groups = {e.source for e in examples if not e.source.endswith("between")}
    groups |= {f"service: {e.domain}" for e in examples if e.domain}
    for group in sorted(groups):
        mine = polar & np.array([group in {e.source, f"service: {e.domain}"} for e in examples])
        if len(set(targets[mine])) == 2:
            report[group] = figures(scores[mine], targets[mine])
            report[f"{group}, named a side"] = round(
                float(
                    np.mean(
                        [
                            s.label in {"positive", "negative"}
                            for s, m in zip(found, mine, strict=True)
                            if m
                        ]
                    )
                ),
                4,
            )
    own = [(s.label.value, e.label) for s, e in zip(found, examples, strict=True) if e.label]
    if own:
        report["service, four labels"] = {
            "n": len(own),
            "macro-F1": round(macro_f1([f for f, _ in own], [w for _, w in own]), 4),
            "confusion": {
                wanted: {label: own.count((label, wanted)) for label in sorted({f for f, _ in own})}
                for wanted in sorted({w for _, w in own})
            },
        }
    return report


def signed(weights: Weights) -> Weights:
    """With the version that follows from the numbers."""
    digest = hashlib.sha256()
    for name, value in flatten(weights).items():
        if name != "version":
            digest.update(name.encode() + np.ascontiguousarray(value).tobytes())
    return replace(weights, version=f"2-{digest.hexdigest()[:10]}")


def train(
    examples: Sequence[Example], *, everything: bool = True
) -> tuple[Weights, dict[str, object]]:
    """Fit on "train", the last layers on "tune", measure on "test"; gives model and figures.

    With ``everything`` the general model and that of opinions, which have few texts to learn from,
    are then fitted again on all of them, under the same last layers. The figures are those of the
    first fit: nothing that is reported was trained on.
    """
    lexicon = compile_lexicon(read_entries())
    seen = look(examples, lexicon)
    tune = [e for e in examples if e.part == "tune"]
    test = [e for e in examples if e.part == "test"]
    weights = fit_layers(fit_models(seen, seen.parts == "train", lexicon), tune)
    report: dict[str, object] = {
        part: int((seen.parts == part).sum()) for part in ("train", "tune", "test")
    }
    report |= measure(Korean(signed(weights)), test)
    if everything:
        everyone = np.ones(len(examples), dtype=bool)
        weights = replace(
            weights, general=fit_general(seen, everyone), opinion=fit_opinion(seen, everyone)
        )
    weights = signed(weights)
    report |= {
        "version": weights.version,
        "score": np.round(weights.score, 3).tolist(),
        "label": np.round(weights.label, 3).tolist(),
        "uncertain": weights.uncertain,
        "used buckets": int((weights.general.table != 0).sum()),
    }
    return weights, report


def save(weights: Weights, path: Path) -> None:
    """Write the model file; equal weights give equal bytes."""
    np.savez_compressed(path, allow_pickle=False, **flatten(weights))


def _rows(path: Path, *, quoting: Literal[0, 3] = csv.QUOTE_NONE) -> list[dict[str, str]]:
    # The film reviews hold quotes that are no CSV quotes; those of the comments are.
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=quoting))


def main() -> None:
    """Command line: train, save, print the figures as JSON."""
    parser = argparse.ArgumentParser(description="Train the Korean sentiment model.")
    parser.add_argument("--data", type=Path, required=True, help="folder with the training data")
    parser.add_argument("--out", type=Path, required=True, help="model file to write (.npz)")
    parser.add_argument(
        "--held-out", action="store_true", help="ship the fit that the figures are of"
    )
    arguments = parser.parse_args()
    weights, report = train(read_examples(arguments.data), everything=not arguments.held_out)
    save(weights, arguments.out)
    report["bytes"] = arguments.out.stat().st_size
    sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=2) + "\n")


if __name__ == "__main__":
    main()
