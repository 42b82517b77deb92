"""Intervals and error rates: how sure a share, a difference or one of many findings is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

Z95: Final = 1.959963984540054  # of the normal distribution, two-sided

Interval = tuple[float, float]


def wilson(count: int, total: int, z: float = Z95) -> Interval:
    """The interval of a share ``count / total``, within 0..1 (Wilson 1927). (0, 1) without any."""
    if total <= 0:
        return 0.0, 1.0
    share = count / total
    middle = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def share_change(now: int, total: int, before: int, total_before: int) -> Interval:
    """The interval of the difference of two shares, now minus before.

    Newcombe 1998, method 10: from the Wilson intervals of both.
    """
    share, usual = now / total, before / total_before
    low, high = wilson(now, total)
    usual_low, usual_high = wilson(before, total_before)
    change = share - usual
    return (
        change - math.hypot(share - low, usual_high - usual),
        change + math.hypot(high - share, usual - usual_low),
    )


def two_sided(t: float, freedom: float) -> float:
    """The chance of a |t| at least this large, Student's t with ``freedom`` degrees.

    By the normal approximation 26.7.8 of Abramowitz & Stegun, good to 0.002 from 10 degrees on.
    """
    z = t * (1 - 1 / (4 * freedom)) / math.sqrt(1 + t * t / (2 * freedom))
    return math.erfc(abs(z) / math.sqrt(2))


def t95(freedom: float) -> float:
    """The two-sided 95 % quantile of Student's t (Abramowitz & Stegun 26.7.5)."""
    z = Z95
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )


def benjamini_hochberg(chances: Sequence[float]) -> list[float]:
    """The false discovery rate at which each finding would be believed, in the given order.

    Benjamini & Hochberg 1995: with p sorted, q(i) = min over j >= i of p(j) * m / j.
    """
    order = sorted(range(len(chances)), key=lambda place: chances[place], reverse=True)
    rates = [1.0] * len(chances)
    least = 1.0
    for rank, place in zip(range(len(chances), 0, -1), order, strict=True):
        least = min(least, chances[place] * len(chances) / rank)
        rates[place] = least
    return rates


def binomial_tail(count: int, total: int, share: float) -> float:
    """The chance of ``count`` or more out of ``total`` with a chance of ``share`` each.

    Summed in logarithms, so that no term under- or overflows.
    """
    if count <= 0:
        return 1.0
    if share <= 0:
        return 0.0
    if share >= 1:
        return 1.0
    log_in, log_out = math.log(share), math.log1p(-share)
    chance = 0.0
    for hits in range(count, total + 1):
        term = (
            math.lgamma(total + 1)
            - math.lgamma(hits + 1)
            - math.lgamma(total - hits + 1)
            + hits * log_in
            + (total - hits) * log_out
        )
        chance += math.exp(term)
        if hits > total * share and term < -745:
            break
    return min(chance, 1.0)
