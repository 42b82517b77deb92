"""What an install adds to the Korean model from its own corrections: a small table of n-grams."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from listener.enrich.sentiment.korean_features import BUCKETS as FEATURES
from listener.enrich.sentiment.korean_features import View, linear_sums
from listener.enrich.sentiment.korean_linear import sigmoid
from listener.enrich.sentiment.lbfgs import minimise

BUCKETS: Final = 1 << 15
_CUT: Final = 5  # bits from the buckets of the features to these
PENALTY: Final = 1.0
ITERATIONS: Final = 100


@dataclass(frozen=True, slots=True)
class Overlay:
    """Weights that are added to the log odds of one version of the model."""

    base: str  # version of the model it was made for
    table: NDArray[np.int8]  # (BUCKETS,)
    scale: float
    version: str  # "o1-" and a hash

    def shift(self, seen: View) -> NDArray[np.float64]:
        """What is added to the log odds of each text."""
        table = np.append(self.table, np.int8(0)).astype(np.int32)
        return linear_sums(table, seen, _CUT) * self.scale


def make(base: str, table: NDArray[np.int8], scale: float) -> Overlay:
    """An overlay, with the version that follows from its numbers."""
    digest = hashlib.sha256(f"{base} {scale}".encode() + table.tobytes()).hexdigest()
    return Overlay(base, table, scale, f"o1-{digest[:10]}")


def fit(
    base: str,
    seen: View,
    odds: NDArray[np.float64],
    targets: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> Overlay:
    """Learn from corrected texts what to add to the log odds that the model gives them.

    ``targets`` are chances of "positive": 1, 0, or 0.5 for what is neither; ``weights`` how much
    each text counts. Logistic regression with the model's odds as given offsets.
    """
    grams = seen.grams
    inside = np.stack(
        [
            np.pad(buckets, (0, len(grams.buckets[0]) - len(buckets)), constant_values=FEATURES)
            for buckets in grams.buckets
        ],
        axis=1,
    )
    known = inside < FEATURES
    sizes = np.add.reduceat(known.sum(axis=1), grams.starts)
    rows = np.repeat(np.arange(len(targets)), sizes)
    buckets = inside[known] >> _CUT

    def loss(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        sums = np.bincount(rows, weights=point[buckets], minlength=len(targets))
        margin = odds + sums / seen.norms
        entropy = weights * (np.logaddexp(0.0, margin) - targets * margin)
        slope = weights * (sigmoid(margin) - targets) / seen.norms
        gradient = np.bincount(buckets, weights=slope[rows], minlength=BUCKETS) + PENALTY * point
        return float(entropy.sum() + 0.5 * PENALTY * point @ point), gradient

    point = minimise(loss, np.zeros(BUCKETS), ITERATIONS)
    scale = max(float(np.abs(point).max()), 1e-9) / 127
    return make(base, np.rint(point / scale).astype(np.int8), scale)


def save(overlay: Overlay, path: Path) -> None:
    """Write an overlay; equal ones give equal bytes."""
    np.savez_compressed(
        path,
        base=np.array(overlay.base),
        table=overlay.table,
        scale=np.array(overlay.scale),
        allow_pickle=False,
    )


def load(path: Path) -> Overlay:
    """Read an overlay that was saved."""
    with np.load(path, allow_pickle=False) as data:
        return make(str(data["base"]), data["table"], float(data["scale"]))
