from __future__ import annotations

import math

import pytest

from listener.analyze.intervals import binomial_tail
from listener.detect.binomial import binomial_surprise


@pytest.mark.parametrize(
    ("hits", "trials", "share"),
    [(1, 1, 0.2), (3, 3, 0.2), (10, 10, 0.2), (7, 20, 0.2), (300, 1000, 0.2), (4, 4000, 0.0001)],
)
def test_it_is_the_exact_tail(hits: int, trials: int, share: float) -> None:
    exact = -math.log10(binomial_tail(hits, trials, share))
    assert binomial_surprise(hits, trials, share) == pytest.approx(exact, rel=1e-6)


def test_parts_of_a_hit_lie_between_whole_ones() -> None:
    low, middle, high = (binomial_surprise(hits, 20, 0.2) for hits in (8, 8.5, 9))
    assert low < middle < high


def test_no_more_than_expected_is_no_surprise() -> None:
    assert binomial_surprise(4, 20, 0.2) == 0
    assert binomial_surprise(0, 0, 0.2) == 0
    assert binomial_surprise(0.5, 1, 0.0) == 0
    assert binomial_surprise(1, 1, 1.0) == 0


def test_nothing_underflows() -> None:
    found = binomial_surprise(40_000, 40_000, 0.2)
    assert found == pytest.approx(-40_000 * math.log10(0.2))
