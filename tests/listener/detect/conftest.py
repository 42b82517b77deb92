"""Series made by hand and by a seeded generator, and the detector run over them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import pytest

from listener.detect.policy import Policy
from listener.detect.spike import Detector
from listener.types import Bucket, Coverage, Verdict

START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
STEP = timedelta(minutes=5)
DAY = 288


def poisson(rng: random.Random, mean: float) -> int:
    if mean > 50:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, k, p = math.exp(-mean), 0, rng.random()
    while p > limit:
        k += 1
        p *= rng.random()
    return k


def make_series(
    days: float,
    mean: float = 2.0,
    *,
    seed: int = 1,
    waves: Iterable[tuple[int, int, float]] = (),
    step: timedelta = STEP,
) -> list[Bucket]:
    """Poisson counts with a daily rhythm. A wave is (first bucket, buckets, extra mean)."""
    rng = random.Random(seed)
    buckets = []
    waves = list(waves)
    for i in range(round(days * timedelta(days=1) / step)):
        at = START + i * step
        rate = mean
        if step < timedelta(days=1):
            rate *= 1 + 0.7 * math.sin(2 * math.pi * (at.hour - 8) / 24)
        rate += sum(extra for first, length, extra in waves if first <= i < first + length)
        buckets.append(Bucket(at, poisson(rng, rate)))
    return buckets


def as_coverage(bucket: Bucket, coverage: Coverage) -> Bucket:
    count = None if coverage is Coverage.UNKNOWN else bucket.count
    return Bucket(bucket.at, count, coverage)


def run(buckets: Iterable[Bucket], policy: Policy | None = None) -> list[Verdict]:
    detector = Detector(policy or Policy())
    return [detector.step(bucket) for bucket in buckets]


@pytest.fixture
def series() -> Callable[..., list[Bucket]]:
    return make_series


@pytest.fixture
def verdicts() -> Callable[..., list[Verdict]]:
    return run


@pytest.fixture
def covered() -> Callable[[Bucket, Coverage], Bucket]:
    return as_coverage
