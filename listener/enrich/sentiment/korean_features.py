"""What the Korean model sees of a batch of texts: hashed n-grams and hits of the lexicon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from listener.enrich.sentiment.korean_lexicon import CLASSES, Lexicon, classes, summary
from listener.enrich.sentiment.ngrams import ORDERS, Grams, fold, hash_codes

BUCKETS: Final = 1 << 20  # of the linear model
CELLS: Final = 1 << 16  # of the pooled model and of the opinion model: the same hashes, cut
CUT: Final = 4  # bits between the two
NOTHING: Final = CELLS  # the cell of an n-gram that would reach over the end of its text
CELL_ROWS: Final = CELLS + 1 + CLASSES  # the classes of hits have cells of their own

# The sum of a text's weights is divided by its number of n-grams to this power: 0 would let every
# long text be certain, 0.5 leaves short ones undecided.
LENGTH_POWER: Final = 0.3


@dataclass(frozen=True, slots=True)
class View:
    """A batch of texts as the model sees it."""

    grams: Grams  # of BUCKETS buckets
    cells: NDArray[np.intp]  # (places, ORDERS + 1): n-grams that begin at a place, class of its hit
    summary: NDArray[np.float32]  # (texts, DENSE): what the hits of the lexicon come to
    norms: NDArray[np.float64]  # of each text


def view(texts: Sequence[str], lexicon: Lexicon) -> View:
    """Look at texts, at least one."""
    codes = fold(texts)
    grams = hash_codes(codes, BUCKETS)
    hits = lexicon.find(codes)
    cells = np.full((len(codes), ORDERS + 1), NOTHING, dtype=np.intp)
    for order, buckets in enumerate(grams.buckets):
        np.right_shift(buckets, CUT, out=cells[: len(buckets), order])
    cells[hits.places, ORDERS] = NOTHING + 1 + classes(hits)
    return View(grams, cells, summary(hits, len(texts)), grams.counts**LENGTH_POWER)


def linear_sums(table: NDArray[np.int32], seen: View, shift: int = 0) -> NDArray[np.float64]:
    """The sum of the weights of each text's n-grams over its norm.

    ``table`` has one entry more than buckets, 0, for n-grams that reach over the end; ``shift`` is
    how many bits its buckets are cut by.
    """
    buckets = seen.grams.buckets
    sums = table.take(buckets[0] >> shift)  # take: a third cheaper than [], same numbers
    for order in range(1, ORDERS):
        sums[: len(buckets[order])] += table.take(buckets[order] >> shift)
    totals: NDArray[np.float64] = np.add.reduceat(sums, seen.grams.starts) / seen.norms
    return totals


def pooled(cells: NDArray[np.int8], seen: View) -> NDArray[np.int16]:
    """(texts, width): the largest sum of cells at one place, for each column; never below 0."""
    sums = cells.take(seen.cells[:, 0], axis=0).astype(np.int16)
    for order in range(1, ORDERS):
        sums += cells.take(seen.cells[:, order], axis=0)
    hits = seen.cells[:, ORDERS]
    places = np.flatnonzero(hits != NOTHING)
    sums[places] += cells[hits[places]]
    found: NDArray[np.int16] = np.maximum.reduceat(sums, seen.grams.starts, axis=0)
    return found
