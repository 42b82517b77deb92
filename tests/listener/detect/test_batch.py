"""Many series stepped together give what each gives for itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from listener.detect.batch import DetectorBatch
from listener.detect.calendar import Calendar
from listener.detect.policy import Policy
from listener.detect.spike import Detector
from listener.types import Bucket, Coverage, PlannedEvent

START = datetime(2026, 1, 5, tzinfo=UTC)
Make = Callable[..., list[Bucket]]


@pytest.mark.parametrize(
    ("minutes", "days", "means"), [(5, 5, (0.2, 4.0, 40.0)), (60, 40, (0.5, 3.0, 60.0))]
)
def test_together_is_as_alone(
    series: Make, minutes: int, days: int, means: tuple[float, ...]
) -> None:
    step = timedelta(minutes=minutes)
    policy = Policy(step=step)
    per_day = timedelta(days=1) // step
    waves = [((days - 2) * per_day, 3 * 60 // minutes + 1, 30.0 * max(1, minutes // 5))]
    made = [series(days, mean, seed=3, step=step, waves=waves) for mean in means]
    made.append([Bucket(b.at, 2) for b in made[0]])
    counts = np.array([[float(b.count or 0) for b in one] for one in made])
    partial = np.zeros(counts.shape, bool)
    counts[0, 3 * per_day : 3 * per_day + 40] = np.nan
    counts[1, 4 * per_day : 4 * per_day + 20] = 0.0
    partial[2, 4 * per_day : 4 * per_day + 9] = True
    planned = [
        PlannedEvent(
            id=n,
            name="sale",
            from_at=START + timedelta(days=n),
            to_at=START + timedelta(days=n, hours=9),
            factor=factor,
        )
        for n, factor in ((3, 2.0), (4, None))
    ]
    calendar = Calendar({(START + timedelta(days=2)).date(): "holiday"}, planned)
    batch = DetectorBatch(policy, len(made), None, calendar)
    alone = [Detector(policy, None, calendar) for _ in made]
    spikes = 0
    for i in range(counts.shape[1]):
        at = START + i * step
        together = batch.step(at, counts[:, i], partial[:, i])
        for k, detector in enumerate(alone):
            missing = bool(np.isnan(counts[k, i]))
            coverage = Coverage.PARTIAL if partial[k, i] else Coverage.COMPLETE
            count = None if missing else int(counts[k, i])
            expected, score, _ = detector.judge(
                at, count, Coverage.UNKNOWN if missing else coverage
            )
            assert together.expected[k] == pytest.approx(expected, rel=1e-6, abs=1e-9)
            assert together.score[k] == pytest.approx(score, rel=1e-6, abs=1e-6)
            assert together.is_spike[k] == detector.is_spike
            spikes += detector.is_spike
    assert spikes


def test_together_is_fast() -> None:
    rng = np.random.default_rng(1)
    size, buckets = 2000, 40
    batch = DetectorBatch(Policy(), size)
    counts = rng.poisson(3.0, (buckets, size)).astype(float)
    before = time.process_time()
    for i in range(buckets):
        batch.step(START + i * timedelta(minutes=5), counts[i])
    each = (time.process_time() - before) / size / buckets
    assert each < 20e-6  # about 3 on an idle machine


def test_small_series_are_heard_and_keep_quiet() -> None:
    """0.6 complaints an hour: 10 are noticed within 30 minutes; 100 a week: 60 within 3 hours; and
    neither brings more than one false alarm in 30 days."""
    rng = np.random.default_rng(11)
    size, learning, first = 50, 4, 7 * 288 + 40
    hours = np.arange(first + 36) % 288 / 12
    rhythm = 1.0 + 0.6 * np.sin(2 * np.pi * (hours - 8) / 24)
    cases = ((0.6 / 12, 10, 6), (100 / 7 / 288, 60, 36))
    counts = np.empty((len(hours), 2 * size))
    for n, (mean, extra, buckets) in enumerate(cases):
        some = slice(n * size, (n + 1) * size)
        counts[:, some] = rng.poisson(np.repeat(mean * rhythm[:, None], size, axis=1))
        at = np.linspace(first, first + buckets - 1, extra).round().astype(int)
        for bucket in at:
            counts[bucket, some] += 1.0
    batch = DetectorBatch(Policy(), 2 * size)
    flags = np.array(
        [batch.step(START + i * timedelta(minutes=5), row).is_spike for i, row in enumerate(counts)]
    )
    rises = flags[1:] & ~flags[:-1]
    days = size * (first / 288 - learning)
    for n, (_, _, buckets) in enumerate(cases):
        some = slice(n * size, (n + 1) * size)
        assert flags[first : first + buckets, some].any(axis=0).all()
        assert rises[learning * 288 : first - 1, some].sum() <= days / 30
