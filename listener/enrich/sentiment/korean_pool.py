"""Fits the pooled part of the Korean model: n-gram vectors, the strongest place of a text counts.

A convolutional network (Kim, EMNLP 2014) whose filters are looked up by hashed n-gram instead of
multiplied out: a place is the sum of the vectors of the n-grams that begin there and of the hit of
the lexicon; the maximum over places is weighed by a linear layer. Adagrad, dropout, plain numpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from listener.enrich.sentiment.korean_features import CELL_ROWS, NOTHING

Floats = NDArray[np.float32]

WIDTH: Final = 28
EPOCHS: Final = 4
DROPOUT: Final = 0.5
_BATCH: Final = 256
_RATE: Final = 0.1
_RATE_OUT: Final = 0.03
_SPREAD: Final = 0.05


@dataclass(frozen=True, slots=True)
class Places:
    """The cells of many texts: text r has the rows [starts[r], starts[r + 1]) of ``cells``."""

    cells: NDArray[np.int32]  # (places, columns)
    starts: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Pool:
    """A fitted pooled model: margin = max over places of the sums of vectors @ weights + bias."""

    vectors: Floats  # (CELL_ROWS, WIDTH)
    weights: Floats  # (WIDTH,)
    bias: float


def fit(places: Places, targets: Floats, chosen: NDArray[np.intp], seed: int = 7) -> Pool:
    """Learn from the ``chosen`` texts; one that is named several times counts so often.

    Half of the columns begin as praise, half as blame, and stay so in most cases.
    """
    chance = np.random.default_rng(seed)
    vectors = chance.normal(0, _SPREAD, (CELL_ROWS, WIDTH)).astype(np.float32)
    vectors[NOTHING:] = 0
    signs = np.where(np.arange(WIDTH) % 2, 1.0, -1.0)
    weights = (signs * chance.uniform(0.5, 1, WIDTH)).astype(np.float32)
    bias = 0.0
    seen = np.full(vectors.size, 1e-3, dtype=np.float32)  # Adagrad's sums of squares
    seen_weights = np.full(WIDTH, 0.1, dtype=np.float32)
    seen_bias = 1.0
    flat = vectors.reshape(-1)
    lengths = np.diff(places.starts)
    for epoch in range(EPOCHS):
        order = chance.permutation(chosen)
        slower = 1 - 0.7 * epoch / EPOCHS
        for first in range(0, len(order), _BATCH):
            texts = order[first : first + _BATCH]
            sizes = lengths[texts]
            starts = np.cumsum(sizes) - sizes
            owner = np.repeat(np.arange(len(texts)), sizes)
            cells = places.cells[
                np.repeat(places.starts[texts] - starts, sizes) + np.arange(len(owner))
            ]
            sums = vectors[cells[:, 0]]
            for column in range(1, cells.shape[1]):
                sums += vectors[cells[:, column]]
            best = np.maximum.reduceat(sums, starts, axis=0)
            kept = (chance.random(best.shape, dtype=np.float32) > DROPOUT) / np.float32(1 - DROPOUT)
            active = best * kept
            p = 1 / (1 + np.exp(-(active @ weights + bias)))
            error = (p - targets[texts]).astype(np.float32)

            slope = active.T @ error / len(texts) * 8
            back = error[:, None] * weights * kept * (best > 0)
            seen_weights += slope**2
            weights = weights - slower * _RATE_OUT * slope / np.sqrt(seen_weights)
            seen_bias += float(error.mean()) ** 2
            bias -= _RATE * float(error.mean()) / seen_bias**0.5

            # Only the places that were the maximum learn.
            place, column_ = np.nonzero(sums == best[owner])
            given = back[owner[place], column_]
            told = given != 0
            place, column_, given = place[told], column_[told], given[told]
            which = cells[place].astype(np.int64)
            targets_ = (which * WIDTH + column_[:, None]).ravel()
            amounts = np.repeat(given, which.shape[1])
            real = (which != NOTHING).ravel()
            targets_, amounts = targets_[real], amounts[real]
            np.add.at(seen, targets_, amounts * amounts)
            np.add.at(flat, targets_, -slower * _RATE * amounts / np.sqrt(seen[targets_]))
    return Pool(vectors, weights, bias)


def quantise(pool: Pool) -> tuple[NDArray[np.int8], Floats]:
    """Vectors as int8, each column with a scale of its own; gives also the scaled weights.

    The margin is pooled @ the weights given here, + the bias.
    """
    limit = 5 * pool.vectors.std(axis=0) + 1e-6
    scale = (limit / 127).astype(np.float32)
    cells = np.clip(np.rint(pool.vectors / scale), -127, 127).astype(np.int8)
    return cells, pool.weights * scale
