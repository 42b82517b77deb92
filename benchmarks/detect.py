"""The spike detector on made-up series, beside two plain rules on the same ones.

A rolling 24-hour z-score is shown at the usual limit of 3, and at the first one that is about as
quiet as ours; the other rule is twice the previous hour.

Run: ``.venv/bin/python benchmarks/detect.py [--seed N] [--series N]``. Prints CPU time per bucket,
the share of planted waves that were noticed, how late, and false alarms per series and 30 days.
"floor" is a loop over the same buckets that only makes verdicts: what no detector can go below.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from listener.detect.batch import DetectorBatch
from listener.detect.csvfile import detect_rows
from listener.detect.policy import Policy
from listener.detect.spike import Detector
from listener.types import Bucket, Coverage, Verdict

STEP = timedelta(minutes=5)
PER_DAY = timedelta(days=1) // STEP
PER_HOUR = PER_DAY // 24
DAYS = 35
TRAINING_DAYS = 10  # not scored
ZONE = ZoneInfo("Asia/Seoul")
START = datetime(2026, 1, 4, 15, tzinfo=UTC)  # Monday 00:00 in Seoul
MEANS = (0.1, 0.6, 3.0, 15.0, 100.0)  # mentions in five minutes

# How busy each hour of the day is, a working day with peaks at noon and in the evening.
HOURS = (4, 2, 2, 1, 1, 2, 4, 7, 9, 10, 10, 11, 13, 11, 10, 10, 10, 11, 12, 13, 14, 13, 10, 7)
USUAL = statistics.fmean(HOURS)

# A wave: hours it lasts, and times the usual rate at its height.
SHAPES = {"jolt x2": (3, 2.0), "jolt x4": (3, 4.0), "swell x2": (12, 2.0), "swell x4": (12, 4.0)}
LEAST_EXTRA = 8.0  # mentions in all, or nobody would call it a wave
GRACE = PER_HOUR  # an alarm may come this much after the end
SHADOW = 6 * PER_HOUR  # and belongs to the wave for as long


Step = Callable[[Bucket], bool]


@dataclass
class Wave:
    """Buckets [first, last] carry it."""

    shape: str
    first: int
    last: int


@dataclass
class Series:
    """Buckets, and the waves in them."""

    buckets: list[Bucket] = field(default_factory=list)
    waves: list[Wave] = field(default_factory=list)


def poisson(rng: random.Random, mean: float) -> int:
    """Knuth's product for small means, the rounded normal for large ones."""
    if mean > 60:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def make(mean: float, rng: random.Random, *, with_waves: bool) -> Series:
    """Hour and weekday rhythm, a mood that wanders from hour to hour, copies, one outage."""
    series = Series()
    length = DAYS * PER_DAY
    weekend = rng.uniform(0.5, 0.9)
    rates = []
    mood = 0.0
    for i in range(length):
        if i % PER_HOUR == 0:
            mood = 0.7 * mood + rng.gauss(0, 0.12)
        rate = mean * HOURS[i // PER_HOUR % 24] / USUAL * math.exp(mood)
        rates.append(rate * (weekend if i // PER_DAY % 7 >= 5 else 1.0))
    extra = [0.0] * length
    if with_waves:
        shapes = rng.sample(sorted(SHAPES), len(SHAPES))
        for n, day in enumerate(range(TRAINING_DAYS + 1, DAYS - 3, 4)):
            _plant(series, rates, extra, shapes[n % len(shapes)], day * PER_DAY, rng)
    out = rng.randrange(3 * PER_DAY, TRAINING_DAYS * PER_DAY)
    for i in range(length):
        at = START + i * STEP
        if out <= i < out + 5 * PER_HOUR:
            series.buckets.append(Bucket(at, None, Coverage.UNKNOWN))
            continue
        count = poisson(rng, rates[i] + extra[i])
        # One post in ten is repeated at once by somebody.
        count += sum(rng.random() < 0.1 for _ in range(min(count, 200)))
        series.buckets.append(Bucket(at, count))
    return series


def _plant(
    series: Series, rates: list[float], extra: list[float], shape: str, day: int, rng: random.Random
) -> None:
    hours, times = SHAPES[shape]
    first = day + rng.randrange(PER_DAY)
    buckets = range(first, first + hours * PER_HOUR)
    swell = [
        1.0 if shape.startswith("jolt") else (i + 1) / len(buckets) for i in range(len(buckets))
    ]
    added = [rates[i] * (times - 1) * s for i, s in zip(buckets, swell, strict=True)]
    lift = max(1.0, LEAST_EXTRA / max(sum(added), 1e-9))
    for i, amount in zip(buckets, added, strict=True):
        extra[i] += amount * lift
    series.waves.append(Wave(shape, buckets.start, buckets.stop - 1))


class RollingZ:
    """The named baseline: standard deviations above the mean of the last 24 hours."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._counts: deque[int] = deque()
        self._sum = self._squares = 0.0

    def step(self, bucket: Bucket) -> bool:
        """Whether the bucket stands out."""
        count = bucket.count
        if count is None:
            return False
        n = len(self._counts)
        hit = False
        if n == PER_DAY:
            mean = self._sum / n
            sd = math.sqrt(max(self._squares / n - mean * mean, 0.0))
            hit = count > mean + self._limit * sd
            old = self._counts.popleft()
            self._sum -= old
            self._squares -= old * old
        self._counts.append(count)
        self._sum += count
        self._squares += count * count
        return hit


class TwiceTheHour:
    """The other plain rule: at least 5 in the last hour, and more than twice the hour before."""

    def __init__(self) -> None:
        self._counts: deque[int] = deque(maxlen=2 * PER_HOUR)

    def step(self, bucket: Bucket) -> bool:
        """Whether the last hour stands out."""
        self._counts.append(bucket.count or 0)
        counts = list(self._counts)
        now, before = sum(counts[-PER_HOUR:]), sum(counts[:-PER_HOUR])
        return len(counts) == 2 * PER_HOUR and now >= 5 and now > 2 * before


def floor(bucket: Bucket) -> Verdict:
    """A verdict that says nothing."""
    return Verdict(
        at=bucket.at,
        count=bucket.count,
        expected=0.0,
        score=0.0,
        is_spike=False,
        window=STEP,
        observed=0.0,
        window_expected=0.0,
    )


def our_detector() -> Step:
    """What is measured."""
    kept = Detector(Policy(step=STEP), ZONE)
    return lambda bucket: kept.step(bucket).is_spike


def rolling_z(limit: float) -> Callable[[], Step]:
    """The z-score with a limit."""
    return lambda: RollingZ(limit).step


def twice_the_hour() -> Step:
    """The ratio rule."""
    return TwiceTheHour().step


def nothing() -> Step:
    """The floor."""
    return lambda bucket: floor(bucket).is_spike


def alarms(flags: list[bool]) -> Iterator[int]:
    """Where an alarm begins; flags less than an hour apart are one."""
    last = -PER_DAY
    for i, flag in enumerate(flags):
        if flag:
            if i - last > PER_HOUR and i >= TRAINING_DAYS * PER_DAY:
                yield i
            last = i


def measure(name: str, new: Callable[[], Step], data: list[Series]) -> tuple[float, str]:
    """False alarms per series and 30 days, and one line of the table."""
    found: dict[str, list[bool]] = {shape: [] for shape in SHAPES}
    delays: list[int] = []
    false = 0
    seconds = 0.0
    for series in data:
        step = new()
        before = time.process_time()
        flags = [step(bucket) for bucket in series.buckets]
        seconds += time.process_time() - before
        starts = list(alarms(flags))
        for wave in series.waves:
            hits = [i for i in starts if wave.first <= i <= wave.last + GRACE]
            found[wave.shape].append(bool(hits))
            delays += [hits[0] - wave.first] if hits else []
        false += sum(not any(w.first <= i <= w.last + SHADOW for w in series.waves) for i in starts)
    rate = 30 * false / len(data) / (DAYS - TRAINING_DAYS)
    per_bucket = 1e6 * seconds / sum(len(series.buckets) for series in data)
    every = [hit for hits in found.values() for hit in hits]
    cells = [f"{name:17}", f"{per_bucket:5.1f} µs/bucket", f"false alarms {rate:6.2f}"]
    cells.append(f"recall {statistics.fmean(every):4.0%}")
    cells += [f"{shape} {statistics.fmean(hits):4.0%}" for shape, hits in found.items()]
    cells.append(f"delay {5 * statistics.median(delays):.0f} min" if delays else "delay -")
    return rate, " | ".join(cells)


def together(data: list[Series], copies: int = 50, buckets: int = PER_DAY) -> float:
    """Microseconds of CPU per series and bucket where many are stepped together."""
    counts = np.array(
        [
            [math.nan if b.count is None else b.count for b in series.buckets[:buckets]]
            for series in data
            for _ in range(copies)
        ]
    )
    batch = DetectorBatch(Policy(step=STEP), len(counts), ZONE)
    before = time.process_time()
    for i in range(buckets):
        batch.step(START + i * STEP, counts[:, i])
    return 1e6 * (time.process_time() - before) / counts.size


def csv_rate(series: Series) -> float:
    """Rows per CPU second through the CSV edge."""
    lines = ["timestamp,count"]
    lines += [
        f"{b.at:%Y-%m-%d %H:%M:%S},{'' if b.count is None else b.count}" for b in series.buckets
    ]
    before = time.process_time()
    rows = sum(1 for _ in detect_rows(lines))
    return rows / (time.process_time() - before)


def main() -> None:
    """Make the series and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--series", type=int, default=3, help="series per volume; every third has no wave"
    )
    options = parser.parse_args()
    rng = random.Random(options.seed)
    data = [make(mean, rng, with_waves=n % 3 != 2) for mean in MEANS for n in range(options.series)]
    waves = sum(len(series.waves) for series in data)
    print(f"seed {options.seed}: {len(data)} series of {DAYS} days, {waves} waves")
    ours, line = measure("detector", our_detector, data)
    print(line)
    for limit in (3, 4, 6, 8, 12, 16, 24):
        theirs, line = measure(f"z-score 24 h > {limit}", rolling_z(limit), data)
        if limit == 3 or theirs <= max(ours, 0.5):
            print(line)
        if theirs <= max(ours, 0.5):
            break
    print(measure("twice the hour", twice_the_hour, data)[1])
    print(f"{together(data):.1f} µs per series and bucket, many stepped together")
    print(measure("floor", nothing, data)[1])
    print(f"CSV: {csv_rate(data[0]):,.0f} rows per CPU second")
    detector = Detector(Policy(step=STEP), ZONE)
    for bucket in data[-1].buckets[: 5 * PER_DAY]:
        detector.step(bucket)
    before = time.process_time()
    for _ in range(200):
        detector.copy()
    print(f"copy of a state: {1e6 * (time.process_time() - before) / 200:.0f} µs")


if __name__ == "__main__":
    main()
