"""The spike detector on made-up series, beside two plain rules on the same ones.

The rules: a bucket above mean + 3 standard deviations of the last 24 hours; and twice as many in
the last hour as in the one before, at least 5. Alarms less than an hour apart are one. An incident
is noticed by an alarm from its begin to an hour after its end; an alarm up to six hours after the
end belongs to it, any other is a false one. Delays count what was missed as infinite.

Run: ``python -m benchmarks detect`` or ``.venv/bin/python -m benchmarks.detect [--seed N]
[--series N] [--quick]``. Prints false alarms per series and 30 days, what share of incidents was
noticed, and how late; then CPU time. What the series are is told in ``_series.py``.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from benchmarks._series import PER_DAY, PER_HOUR, TRAINING, Floats, Incident, Series, make
from listener.detect.batch import DetectorBatch
from listener.detect.csvfile import detect_rows
from listener.detect.policy import Policy
from listener.detect.spike import Detector
from listener.types import Bucket, Coverage

STEP = timedelta(minutes=5)
START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
AFTER = PER_HOUR  # an alarm may come so much after the end
SHADOW = 6 * PER_HOUR  # and belongs to the incident for as long

Flags = NDArray[np.bool_]
Rule = Callable[[Sequence[Series]], Flags]


def ours(data: Sequence[Series]) -> Flags:
    """The detector, all series together; flags of shape (series, bucket)."""
    counts = np.array([series.counts for series in data]).T.copy()
    batch = DetectorBatch(Policy(step=STEP), len(data))
    flags = [batch.step(START + i * STEP, row).is_spike for i, row in enumerate(counts)]
    return np.array(flags).T


def above_the_day(data: Sequence[Series]) -> Flags:
    """Mean + 3 standard deviations of the 24 hours before."""
    return np.array([_above_the_day(series.counts) for series in data])


def _above_the_day(counts: Floats) -> Flags:
    known = np.nan_to_num(counts)
    seen = np.maximum(_sums(~np.isnan(counts), PER_DAY), 1.0)
    mean = _sums(known, PER_DAY) / seen
    deviation = np.sqrt(np.maximum(_sums(known * known, PER_DAY) / seen - mean * mean, 0.0))
    flags = np.zeros(len(counts), bool)
    flags[PER_DAY:] = counts[PER_DAY:] > (mean + 3.0 * deviation)[:-1]
    return flags


def twice_the_hour(data: Sequence[Series]) -> Flags:
    """Twice the previous hour, at least 5."""
    counts = np.nan_to_num(np.array([series.counts for series in data]))
    hours = np.array([_sums(row, PER_HOUR) for row in counts])
    flags = np.zeros(counts.shape, bool)
    now, before = hours[:, PER_HOUR:], hours[:, :-PER_HOUR]
    flags[:, -now.shape[1] :] = (now >= 5) & (now > 2 * before)
    return flags


def _sums(values: Floats | Flags, length: int) -> Floats:
    """Of ``length`` neighbours, for each place where there are so many."""
    total: Floats = np.append(0.0, np.cumsum(values, dtype=float))
    return total[length:] - total[:-length]


class Score:
    """What a rule did on some series."""

    def __init__(self) -> None:
        self.false = 0
        self.days = 0.0
        self.delays: dict[tuple[str, str], list[float]] = {}  # by shape and size, in buckets

    def add(self, series: Series, flags: Flags) -> None:
        """Count one series."""
        flagged = np.nonzero(flags)[0]
        begins = flagged[np.append(True, np.diff(flagged) > PER_HOUR)] if len(flagged) else flagged
        begins = begins[begins >= TRAINING]
        taken = np.zeros(len(flags), bool)
        for incident in series.incidents:
            taken[incident.first : incident.last + SHADOW + 1] = True
            delays = self.delays.setdefault((incident.shape, incident.size), [])
            delays.append(_delay(incident, begins, flags))
        self.false += int((~taken[begins]).sum())
        self.days += float((~taken[TRAINING:]).sum()) / PER_DAY

    @property
    def rate(self) -> float:
        """False alarms per series and 30 days."""
        return 30 * self.false / max(self.days, 1e-9)

    def some(self, sizes: str = "SML", shapes: Iterable[str] = ()) -> list[float]:
        """Delays of incidents."""
        wanted = set(shapes)
        return [
            delay
            for (shape, size), delays in self.delays.items()
            for delay in delays
            if size in sizes and (not wanted or shape in wanted)
        ]

    def cells(self) -> str:
        """One line of the table."""
        shares = "  ".join(f"{size} {_share(self.some(size))}" for size in "SML")
        return f"false alarms {self.rate:6.2f} | {shares}"


def _delay(incident: Incident, begins: NDArray[np.int64], flags: Flags) -> float:
    hits = begins[(begins >= incident.first) & (begins <= incident.last + AFTER)]
    if len(hits):
        return float(hits[0] - incident.first)
    # It may have been on for up to an hour, by chance or because the outage before was one.
    stands = flags[max(0, incident.first - PER_HOUR) : incident.first].any()
    long = flags[max(0, incident.first - 2 * PER_HOUR) : incident.first - PER_HOUR].any()
    return 0.0 if stands and not long else math.inf


def _share(delays: Sequence[float]) -> str:
    if not delays:
        return "   -"
    return f"{sum(delay < math.inf for delay in delays) / len(delays):4.0%}"


def _quantile(delays: Sequence[float], share: float) -> str:
    if not delays:
        return "-"
    delay = sorted(delays)[min(len(delays) - 1, int(share * len(delays)))]
    return "missed" if delay == math.inf else f"{5 * delay:.0f} min"


RULES: Sequence[tuple[str, Rule]] = (
    ("detector", ours),
    ("mean + 3 sd, 24 h", above_the_day),
    ("twice the hour", twice_the_hour),
)


def compare(data: Sequence[Series]) -> None:
    """All rules on the same series: by kind, then the usual kind by level and by shape."""
    for name, rule in RULES:
        flags = rule(data)
        by_kind: dict[str, Score] = {}
        by_level: dict[float, Score] = {}
        for series, row in zip(data, flags, strict=True):
            by_kind.setdefault(series.kind, Score()).add(series, row)
            if series.kind == "usual":
                by_level.setdefault(series.level, Score()).add(series, row)
        print(f"\n{name}")
        for kind, score in by_kind.items():
            print(f"  {kind:8} {score.cells()}")
        for level, score in by_level.items():
            print(f"  usual, {level:6g} in 5 min: {score.cells()}")
        print_shapes(by_kind["usual"])


def print_shapes(score: Score) -> None:
    """Recall by shape and size, and delays."""
    for shape in ("step", "ramp", "burst", "slow"):
        shares = "  ".join(f"{size} {_share(score.some(size, [shape]))}" for size in "SML")
        print(f"  usual, {shape:5}: {shares}")
    sharp = ("step", "burst")
    for what, sizes in (("large", "L"), ("medium", "M")):
        delays = score.some(sizes, sharp)
        half, most = _quantile(delays, 0.5), _quantile(delays, 0.9)
        print(f"  usual, delay of {what} steps and bursts: median {half}, p90 {most}")


def cpu(data: Sequence[Series]) -> None:
    """Microseconds of CPU per series and bucket: alone, from a file, and many together."""
    chosen = [series for series in data if series.kind == "usual"][:: max(1, len(data) // 40)]
    alone = from_file = 0.0
    for series in chosen:
        buckets = [
            Bucket(START + i * STEP, None, Coverage.UNKNOWN)
            if math.isnan(count)
            else Bucket(START + i * STEP, int(count))
            for i, count in enumerate(series.counts)
        ]
        detector = Detector(Policy(step=STEP))
        before = time.process_time()
        for bucket in buckets:
            detector.judge(bucket.at, bucket.count, bucket.coverage)
        alone += time.process_time() - before
        lines = ["timestamp,count"]
        lines += [f"{b.at:%Y-%m-%d %H:%M:%S},{'' if b.count is None else b.count}" for b in buckets]
        before = time.process_time()
        for _ in detect_rows(lines):
            pass
        from_file += time.process_time() - before
    each = 1e6 / (len(chosen) * len(chosen[0].counts))
    print("\nCPU per series and bucket")
    print(f"  alone {alone * each:.1f} µs, by `listener detect` {from_file * each:.1f} µs")
    for size in (300, 3000):
        print(f"  {size} together {_together(data, size):.1f} µs")
    before = time.process_time()
    for _ in range(200):
        detector.copy()
    print(f"copy of a state: {1e6 * (time.process_time() - before) / 200:.0f} µs")


def _together(data: Sequence[Series], size: int, buckets: int = PER_DAY) -> float:
    """The third day: learning, fitted once, judged."""
    counts = np.array([data[n % len(data)].counts[: 3 * buckets] for n in range(size)]).T.copy()
    batch = DetectorBatch(Policy(step=STEP), size)
    for i in range(2 * buckets):
        batch.step(START + i * STEP, counts[i])
    before = time.process_time()
    for i in range(2 * buckets, 3 * buckets):
        batch.step(START + i * STEP, counts[i])
    return 1e6 * (time.process_time() - before) / size / buckets


def main() -> None:
    """Make the series and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--series", type=int, default=9, help="series of each kind and volume")
    parser.add_argument("--quick", action="store_true", help="three of each")
    options = parser.parse_args()
    data = make(options.seed, 3 if options.quick else options.series)
    planted = sum(len(series.incidents) for series in data)
    days = len(data[0].counts) / PER_DAY
    print(f"seed {options.seed}: {len(data)} series of {days:.0f} days, {planted} incidents")
    compare(data)
    cpu(data)


if __name__ == "__main__":
    main()
