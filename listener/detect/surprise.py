"""How surprising a count is: the upper tail of a negative binomial, as -log10 of a probability."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

LN10 = math.log(10.0)
LEAST_MEAN = 1e-6
LEAST_DISPERSION = 1e-6  # smaller is Poisson
HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)

BAND = 1.96  # normal deviates: nineteen counts of twenty lie in the band

Floats = NDArray[np.float64]


def nb_surprise(count: float, mean: float, dispersion: float) -> float:
    """-log10 P(X >= count) for X with this mean and variance ``mean + dispersion * mean**2``.

    0 unless count > mean. The Lugannani-Rice saddlepoint approximation with the first continuity
    correction for lattices (Daniels 1987, "Tail probability approximations", section 6), whose
    parts are closed forms for the negative binomial. It is within a few percent of the exact tail
    from a count of 1 on and finite for any size. The ratio of the normal tail to its density is
    taken as 4 / (3w + sqrt(w^2 + 8)) (Sampford 1953).
    """
    if count <= mean or count <= 0:
        return 0.0
    mean = max(mean, LEAST_MEAN)
    dispersion = max(dispersion, LEAST_DISPERSION)
    size = 1.0 / dispersion
    by_mean = math.log(count / mean)
    by_size = math.log((count + size) / (mean + size))
    saddle = by_mean - by_size
    root = math.sqrt(max(2.0 * (count * by_mean - (count + size) * by_size), 1e-12))
    width = -math.expm1(-saddle) * math.sqrt(count + count * count * dispersion)
    ratio = 4.0 / (3.0 * root + math.sqrt(root * root + 8.0)) + 1.0 / max(width, 1e-9) - 1.0 / root
    found = (root * root / 2.0 + HALF_LOG_2PI - math.log(max(ratio, 1e-300))) / LN10
    return found if found > 0.0 else 0.0


def nb_surprises(count: Floats, mean: Floats, dispersion: Floats) -> Floats:
    """``nb_surprise`` of arrays of one shape."""
    judged = (count > mean) & (count > 0)
    mean = np.maximum(mean, LEAST_MEAN)
    count = np.where(judged, count, 2.0 * mean)
    size = 1.0 / np.maximum(dispersion, LEAST_DISPERSION)
    by_mean = np.log(count / mean)
    by_size = np.log((count + size) / (mean + size))
    root = np.sqrt(np.maximum(2.0 * (count * by_mean - (count + size) * by_size), 1e-12))
    width = -np.expm1(by_size - by_mean) * np.sqrt(count + count * count / size)
    ratio = 4.0 / (3.0 * root + np.sqrt(root * root + 8.0)) + 1.0 / np.maximum(width, 1e-9)
    ratio -= 1.0 / root
    found = (root * root / 2.0 + HALF_LOG_2PI - np.log(np.maximum(ratio, 1e-300))) / LN10
    result: Floats = np.where(judged, np.maximum(found, 0.0), 0.0)
    return result


def nb_band(mean: float, dispersion: float) -> tuple[float, float]:
    """Between what counts of this mean and variance ``mean + dispersion * mean**2`` usually lie:
    about one in forty is below, one in forty above.

    Wilson and Hilferty's cube root of the gamma distribution with the same two moments.
    """
    if mean <= 0:
        return 0.0, 0.0
    per_count = (1.0 + dispersion * mean) / mean  # variance / mean^2
    middle, width = 1.0 - per_count / 9.0, BAND * math.sqrt(per_count) / 3.0
    low, high = max(middle - width, 0.0), max(middle + width, 0.0)
    return mean * low**3, max(mean, mean * high**3)
