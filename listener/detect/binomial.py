"""How surprising a share is: the upper tail of a binomial, as -log10 of a probability."""

from __future__ import annotations

import math
from typing import Final

LN10: Final = math.log(10.0)
_TINY: Final = 1e-300
_PRECISE: Final = 1e-9
_MOST_TERMS: Final = 500


def binomial_surprise(hits: float, trials: float, share: float) -> float:
    """-log10 P(X >= hits) for X of ``trials`` that hit with chance ``share`` each.

    The numbers need not be whole: the tail is the regularised incomplete beta function
    I_share(hits, trials - hits + 1), here by its continued fraction (Abramowitz & Stegun 26.5.24
    and 26.5.8, evaluated after Lentz 1976), in logarithms, so that nothing underflows. 0 unless
    hits > trials * share.
    """
    if hits <= trials * share or hits <= 0 or share <= 0:
        return 0.0
    if share >= 1:
        return 0.0
    hits = min(hits, trials)
    a, b = hits, trials - hits + 1.0
    front = (
        math.lgamma(a + b)
        - math.lgamma(a)
        - math.lgamma(b)
        + a * math.log(share)
        + b * math.log1p(-share)
        - math.log(a)
    )
    # hits > trials * share keeps share below the mean of the beta, where the fraction is quick.
    return max(0.0, -(front + math.log(_fraction(a, b, share))) / LN10)


def _fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > _TINY else _TINY)
    value = d
    for m in range(1, _MOST_TERMS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 + term * d
            d = 1.0 / (d if abs(d) > _TINY else _TINY)
            c = 1.0 + term / c
            c = c if abs(c) > _TINY else _TINY
            value *= c * d
        if abs(c * d - 1.0) < _PRECISE:
            break
    return max(value, _TINY)
