"""The negative binomial tail against sums done the slow way."""

from __future__ import annotations

import math

import numpy as np
import pytest

from listener.detect.surprise import nb_band, nb_surprise


def slow(count: int, mean: float, dispersion: float) -> float:
    size = 1 / dispersion
    below = 0.0
    for k in range(count):
        below += math.exp(
            math.lgamma(k + size)
            - math.lgamma(size)
            - math.lgamma(k + 1)
            + size * math.log(size / (size + mean))
            + k * math.log(mean / (size + mean))
        )
    return -math.log10(1 - below)


@pytest.mark.parametrize(
    ("count", "mean", "dispersion"),
    [(1, 0.05, 0.1), (3, 0.5, 0.1), (12, 4.0, 0.2), (25, 9.0, 0.05)],
)
def test_small_counts_are_close(count: int, mean: float, dispersion: float) -> None:
    assert nb_surprise(count, mean, dispersion) == pytest.approx(
        slow(count, mean, dispersion), abs=0.04
    )


@pytest.mark.parametrize(("count", "mean"), [(40, 20.0), (90, 60.0), (260, 200.0)])
def test_large_counts_are_close(count: int, mean: float) -> None:
    assert nb_surprise(count, mean, 0.02) == pytest.approx(slow(count, mean, 0.02), rel=0.08)


def test_no_dispersion_is_poisson() -> None:
    tail = 1 - math.exp(-2) * sum(2**k / math.factorial(k) for k in range(6))
    assert nb_surprise(6, 2.0, 0.0) == pytest.approx(-math.log10(tail), abs=0.001)


def test_what_is_expected_does_not_surprise() -> None:
    assert nb_surprise(3, 3.0, 0.1) == 0
    assert nb_surprise(0, 0.0, 0.1) == 0


def test_huge_counts_stay_finite() -> None:
    assert 1000 < nb_surprise(10**9, 1.0, 0.003) < math.inf
    assert nb_surprise(10**12, 0.0, 0.0) < math.inf


@pytest.mark.parametrize(("mean", "dispersion"), [(2.0, 0.1), (30.0, 0.1), (500.0, 0.02)])
def test_most_counts_lie_in_the_band(mean: float, dispersion: float) -> None:
    rng = np.random.default_rng(5)
    counts = rng.poisson(rng.gamma(1 / dispersion, mean * dispersion, 20_000))
    low, high = nb_band(mean, dispersion)
    assert 0 <= low < mean < high
    assert 0.93 < ((counts >= np.floor(low)) & (counts <= np.ceil(high))).mean() < 0.99


def test_nothing_expected_has_no_band() -> None:
    assert nb_band(0.0, 0.1) == (0.0, 0.0)
