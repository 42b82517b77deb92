from __future__ import annotations

import pytest

from listener.analyze.intervals import (
    benjamini_hochberg,
    binomial_tail,
    share_change,
    t95,
    two_sided,
    wilson,
)


def test_wilson_of_published_examples() -> None:
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


def test_change_of_a_share_as_newcombe_has_it() -> None:
    # Newcombe 1998, table II, contrast (a), method 10.
    assert share_change(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    low, high = share_change(10, 100, 10, 100)
    assert low < 0 < high


def test_t_as_in_the_tables() -> None:
    assert t95(10) == pytest.approx(2.228, abs=2e-3)
    assert t95(1_000) == pytest.approx(1.962, abs=1e-3)
    assert two_sided(2.228, 10) == pytest.approx(0.05, abs=2e-3)


def test_rates_of_false_discoveries() -> None:
    assert benjamini_hochberg([0.01, 0.04, 0.03, 0.2]) == pytest.approx(
        [0.04, 0.04 * 4 / 3, 0.04 * 4 / 3, 0.2]
    )
    assert benjamini_hochberg([]) == []


def test_binomial_tail() -> None:
    assert binomial_tail(8, 10, 0.5) == pytest.approx(56 / 1024)
    assert binomial_tail(0, 10, 0.5) == 1.0
    assert binomial_tail(3, 10, 0.0) == 0.0
    assert binomial_tail(400, 10_000, 0.01) < 1e-100
