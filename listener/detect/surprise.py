"""How surprising a count is: the upper tail of a negative binomial, as -log10 of a probability."""

from __future__ import annotations

import math

LN10 = math.log(10.0)
EXACT_UP_TO = 25  # larger counts use the normal approximation of the signed root of the deviance
POISSON_BELOW = 1e-6  # a dispersion this small is none


def nb_surprise(count: int, mean: float, dispersion: float) -> float:
    """-log10 P(X >= count) for X with this mean and variance ``mean + dispersion * mean**2``.

    0 unless count > mean. Exact by summing the tail up to 25; above, the signed-root-deviance
    approximation with continuity correction (McCullagh & Nelder 1989, section 2.4), which stays
    finite for any size.
    """
    if count <= mean or count <= 0:
        return 0.0
    mean = max(mean, 1e-6)
    size = 1.0 / dispersion if dispersion >= POISSON_BELOW else 0.0  # 0 = Poisson
    if count <= EXACT_UP_TO:
        return _exact(count, mean, size)
    return _approximate(count - 0.5, mean, size)


def _exact(count: int, mean: float, size: float) -> float:
    if size:
        first = (
            math.lgamma(count + size)
            - math.lgamma(size)
            - math.lgamma(count + 1)
            + size * math.log(size / (size + mean))
            + count * math.log(mean / (size + mean))
        )
        step = mean / (size + mean)
    else:
        first = count * math.log(mean) - mean - math.lgamma(count + 1)
        step = mean
    total = term = 1.0
    k = count
    while term > 1e-4 * total and k < count + 400:
        term *= step * (k + size) / (k + 1) if size else step / (k + 1)
        total += term
        k += 1
    return max(0.0, -(first + math.log(total)) / LN10)


def _approximate(x: float, mean: float, size: float) -> float:
    if x <= mean:
        return 0.3  # P = 1/2
    deviance = x * math.log(x / mean)
    deviance -= (x + size) * math.log((x + size) / (mean + size)) if size else x - mean
    return _normal_tail(math.sqrt(max(0.0, 2.0 * deviance)))


def _normal_tail(z: float) -> float:
    """-log10 of the upper tail of the normal distribution, also where it underflows."""
    if z < 30:
        return -math.log10(0.5 * math.erfc(z / math.sqrt(2.0)))
    return (z * z / 2 + math.log(z * math.sqrt(2 * math.pi))) / LN10
