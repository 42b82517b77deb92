"""The detector of shares and means on made-up series of several kinds.

Run: ``.venv/bin/python benchmarks/shares.py [--series N] [--days N] [--quick]``. Prints, for each
size of a brand and kind of series, false alarms per series and 30 days, the share of planted
changes for the worse that were noticed while they lasted and how late, and CPU time per bucket.

Kinds: negatives (each mention is either or not), stars (1 to 5, mostly at the ends), scores
(-1 to 1). "Steady" ones have one share all the time; "moody" ones have a rhythm of the day and
moods that last for hours, so that mentions of one hour are alike.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np

from listener.detect.policy import Policy
from listener.detect.shares import ShareBucket, ShareDetector

STEP = timedelta(minutes=5)
PER_DAY = 288
START = datetime(2026, 1, 4, 15, tzinfo=UTC)  # Monday 00:00 in Seoul
TRAINING_DAYS = 21  # before a planted change
USUAL = 0.2  # how bad things usually are, of 1
MOOD = 0.3  # standard deviation of the logit
MOOD_LASTS = 100  # buckets
RHYTHM = 0.4  # of the logit, over the day


class Change(NamedTuple):
    """For ``hours`` everything is as bad as ``worse``; ``more`` times as much is said."""

    worse: float
    hours: float
    more: float = 1.0


# Mentions a day, and what is planted.
SIZES = {
    1: Change(1.0, 72, 2.0),  # six bad ones in three days
    5: Change(1.0, 4, 12.0),  # ten bad ones in an afternoon
    20: Change(0.7, 24),
    100: Change(0.5, 12),
    1_000: Change(0.4, 6),
    24_000: Change(0.35, 6),
}
KINDS = ("negatives", "stars", "scores")


def make(
    a_day: int, kind: str, moody: bool, days: int, seed: int, change: Change | None = None
) -> Iterator[ShareBucket]:
    """A series; the change begins at 13:00 of the day after training."""
    chance = np.random.default_rng([seed, a_day, KINDS.index(kind), moody])
    first = TRAINING_DAYS * PER_DAY + 13 * 12
    mood, pull = 0.0, 1.0 - 1.0 / MOOD_LASTS
    for place in range(days * PER_DAY):
        hour = place % PER_DAY / 12
        rate = a_day / PER_DAY * (1 + 0.8 * math.sin((hour - 9) / 24 * 2 * math.pi))
        logit = math.log(USUAL / (1 - USUAL))
        if moody:
            mood = mood * pull + chance.normal() * MOOD * math.sqrt(1 - pull * pull)
            logit += mood + RHYTHM * math.sin(hour / 24 * 2 * math.pi)
        bad = 1 / (1 + math.exp(-logit))
        if change is not None and first <= place < first + change.hours * 12:
            bad, rate = change.worse, a_day / PER_DAY * change.more
        n = int(chance.poisson(rate))
        yield ShareBucket(START + place * STEP, badness(chance, kind, n, bad), float(n))


def badness(chance: np.random.Generator, kind: str, n: int, bad: float) -> float:
    """How bad ``n`` mentions are together, that are ``bad`` on average."""
    if not n:
        return 0.0
    if kind == "negatives":
        return float(chance.binomial(n, bad))
    if kind == "stars":  # five and four stars, or one and two
        share = min(max((bad - 0.075) / 0.85, 0.0), 1.0)
        low = chance.binomial(n, share)
        return float(low - 0.25 * chance.binomial(low, 0.3) + 0.25 * chance.binomial(n - low, 0.3))
    return float(np.clip(chance.normal(n * bad, 0.2 * math.sqrt(n)), 0.0, n))


def false_alarms(a_day: int, kind: str, moody: bool, days: int, series: int) -> tuple[float, float]:
    """Per series and 30 days; and seconds of CPU time per bucket."""
    alarms, took, was = 0, 0.0, False
    for seed in range(series):
        detector = ShareDetector(Policy())
        buckets = list(make(a_day, kind, moody, days, seed))
        began = time.process_time()
        for bucket in buckets:
            now = detector.step(bucket).is_spike
            alarms += now and not was
            was = now
        took += time.process_time() - began
    return alarms / series / days * 30, took / series / days / PER_DAY


def delays(a_day: int, kind: str, moody: bool, series: int) -> list[float]:
    """Hours until each planted change was noticed; infinite where it was not."""
    change = SIZES[a_day]
    first = TRAINING_DAYS * PER_DAY + 13 * 12
    days = TRAINING_DAYS + 1 + math.ceil(change.hours / 24)
    found = []
    for seed in range(100, 100 + series):
        detector = ShareDetector(Policy())
        delay, was = math.inf, False
        for place, bucket in enumerate(make(a_day, kind, moody, days, seed, change)):
            now = detector.step(bucket).is_spike
            if first <= place < first + change.hours * 12 and now and not was:
                delay = min(delay, (place - first + 1) / 12)
            was = now
        found.append(delay)
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=6)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--quick", action="store_true", help="two series of each, of 30 days")
    given = parser.parse_args()
    if given.quick:
        given.series, given.days = 2, 30
    print("a day  series            alarms/30d  noticed  median h   us/bucket")
    for moody in (False, True):
        for kind in KINDS:
            for a_day in SIZES:
                alarms, seconds = false_alarms(a_day, kind, moody, given.days, given.series)
                late = delays(a_day, kind, moody, given.series)
                noticed = sum(math.isfinite(one) for one in late) / len(late)
                name = f"{kind}, {'moody' if moody else 'steady'}"
                print(
                    f"{a_day:6}  {name:18}{alarms:9.2f}{noticed:9.0%}"
                    f"{statistics.median(late):10.1f}{seconds * 1e6:12.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
