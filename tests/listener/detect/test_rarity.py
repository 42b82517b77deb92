from __future__ import annotations

import random
from datetime import timedelta

import pytest

from listener.detect.rarity import Rarity

MONTH = timedelta(days=30)


def test_it_tells_how_often_a_size_comes() -> None:
    """Sizes of a known tail: twice the size is half as frequent."""
    chance = random.Random(3)
    sizes = [10 * chance.paretovariate(1.0) for _ in range(3000)]
    rarity = Rarity(sizes, length=MONTH, floor=20.0)
    for size in (1000.0, 10_000.0, 100_000.0):
        assert rarity.expected(size) == pytest.approx(3000 * 10 / size, rel=0.35)
    assert rarity.score(300_000.0) == pytest.approx(1.0, abs=0.3)
    assert rarity.quantile(0.5) == pytest.approx(20, rel=0.1)


def test_without_a_past_a_size_has_to_be_far_above_what_is_of_interest() -> None:
    nothing = Rarity((), length=MONTH, floor=20.0)
    assert nothing.expected(20.0) == 0.5
    assert nothing.score(2000.0) == pytest.approx(2.3, abs=0.01)


def test_half_the_time_is_twice_as_often() -> None:
    sizes = [float(n) for n in range(1, 200)]
    whole = Rarity(sizes, length=MONTH, floor=20.0)
    half = Rarity(sizes, length=MONTH / 2, floor=20.0)
    sampled = Rarity(sizes, length=MONTH, floor=20.0, sampled=2.0)
    assert half.expected(500.0) == pytest.approx(2 * whole.expected(500.0))
    assert sampled.expected(500.0) == pytest.approx(2 * whole.expected(500.0), rel=0.05)


def test_one_event_hides_no_other() -> None:
    usual = [float(n) for n in range(1, 200)]
    after = Rarity([*usual, 10_000_000.0], length=MONTH, floor=20.0)
    assert after.score(20_000.0) > 2.0, "once in eight years"
