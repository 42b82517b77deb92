"""Draws the pictures of docs/spikes.md from the detector itself, on a made-up series.

Run: ``.venv/bin/python tools/spike_pictures.py``. Writes docs/images/spike-*.svg, always the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from listener.detect.policy import Policy
from listener.detect.spike import Detector
from listener.detect.surprise import nb_band, nb_surprise
from listener.types import Bucket, Verdict

OUT = Path(__file__).parent.parent / "docs" / "images"
START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
STEP = timedelta(minutes=5)
DAY, HOUR = 288, 12
DAYS = 24
BURST = 21 * DAY + 14 * HOUR + 1  # Monday of the fourth week, 14:05
SLOW = 22 * DAY + 9 * HOUR  # Tuesday 09:00, for 36 hours
SLOW_LENGTH = 36 * HOUR
LEVEL = 1.2  # mentions in five minutes

INK, GRID, BAR, BAND, LINE, ALARM = (
    "#333333", "#dddddd", "#9aa5b1", "#cfe3f7", "#1f6fb5", "#c2352b",
)  # fmt: skip
WIDTH, LEFT, RIGHT = 860, 52, 14


@dataclass
class Picture:
    """An SVG in the making; y grows downwards."""

    height: int
    parts: list[str] = field(default_factory=list)

    def text(
        self, x: float, y: float, words: str, *, colour: str = INK, anchor: str = "start"
    ) -> None:
        """A line of text."""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}">{words}</text>'
        )

    def line(self, points: Sequence[tuple[float, float]], colour: str, width: float = 1.5) -> None:
        """A polyline."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
        )

    def area(self, points: Sequence[tuple[float, float]], colour: str, opacity: float = 1) -> None:
        """A filled polygon."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polygon points="{path}" fill="{colour}" fill-opacity="{opacity}"/>')

    def box(
        self, x: float, y: float, width: float, height: float, colour: str, opacity: float = 1
    ) -> None:
        """A rectangle."""
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'fill="{colour}" fill-opacity="{opacity}"/>'
        )

    def save(self, name: str, title: str) -> None:
        """Write it."""
        body = "\n".join(self.parts)
        (OUT / f"{name}.svg").write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height}" '
            f'width="{WIDTH}" height="{self.height}" font-family="sans-serif" font-size="12" '
            f'role="img"><title>{title}</title>\n<rect width="100%" height="100%" fill="#ffffff"/>'
            f"\n{body}\n</svg>\n",
            "utf-8",
        )


@dataclass(frozen=True)
class Panel:
    """A part of a picture with its scales: buckets [first, last) and values up to ``most``."""

    picture: Picture
    top: float
    height: float
    first: int
    last: int
    most: float

    def x(self, bucket: float) -> float:
        """Where a bucket begins."""
        share = (bucket - self.first) / (self.last - self.first)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Where a value is."""
        return self.top + self.height * (1 - min(value, self.most) / self.most)

    def axes(self, every: int | None, label: str) -> None:
        """Lines across at round values, and the time below."""
        rough = self.most / (self.height / 30)
        unit = 10.0 ** math.floor(math.log10(rough))
        unit *= next(n for n in (1, 2, 5, 10) if n * unit >= rough)
        value = 0.0
        while value <= self.most:
            y = self.y(value)
            self.picture.line([(LEFT, y), (WIDTH - RIGHT, y)], GRID, 1)
            self.picture.text(LEFT - 6, y + 4, f"{value:g}", anchor="end")
            value += unit
        for bucket in range(self.first, self.last, every) if every else ():
            at = START + bucket * STEP
            words = f"{at:%a}" if bucket % DAY == 0 else f"{at:%H:%M}"
            self.picture.text(self.x(bucket), self.top + self.height + 16, words)
        self.picture.text(LEFT, self.top - 6, label)


def made() -> list[Bucket]:
    """Three weeks of a middle brand, then a burst and a slow burn."""
    rng = np.random.default_rng(4)
    at = np.arange(DAYS * DAY)
    hour, day = at % DAY / HOUR, at // DAY % 7
    rate = LEVEL * (1 + 0.8 * np.sin(2 * np.pi * (hour - 8) / 24)) * np.where(day >= 5, 0.6, 1.0)
    rate[BURST : BURST + HOUR] += 9.0 * np.exp(-np.arange(HOUR) / 6)
    rate[SLOW : SLOW + SLOW_LENGTH] *= 1.8
    rate *= rng.gamma(15, 1 / 15, len(at))
    return [Bucket(START + i * STEP, int(count)) for i, count in enumerate(rng.poisson(rate))]


def draw_usual(verdicts: Sequence[Verdict], dispersion: float) -> None:
    """The third week by hour: counts, expectation and band."""
    first, last = 14 * DAY, 21 * DAY
    picture = Picture(250)
    hours = [verdicts[i : i + HOUR] for i in range(first, last, HOUR)]
    seen = [sum(v.count or 0 for v in hour) for hour in hours]
    expected = [sum(v.expected for v in hour) for hour in hours]
    bands = [nb_band(mean, dispersion) for mean in expected]
    panel = Panel(picture, 26, 190, first, last, max(*seen, *(high for _, high in bands)))
    panel.axes(
        DAY, "Mentions an hour: seen (bars), expected (line), where 19 of 20 hours lie (band)"
    )
    middle = [panel.x(first + (n + 0.5) * HOUR) for n in range(len(hours))]
    low = [(x, panel.y(b[0])) for x, b in zip(middle, bands, strict=True)]
    high = [(x, panel.y(b[1])) for x, b in zip(middle, bands, strict=True)]
    picture.area(high + low[::-1], BAND)
    for n, count in enumerate(seen):
        x = panel.x(first + n * HOUR)
        picture.box(x, panel.y(count), 3.2, panel.y(0) - panel.y(count), BAR)
    picture.line([(x, panel.y(e)) for x, e in zip(middle, expected, strict=True)], LINE, 2)
    picture.save("spike-usual", "A usual week against what was expected")


def draw_noticed(verdicts: Sequence[Verdict]) -> None:
    """The burst by five minutes: when it began, when it was noticed, and the score."""
    first, last = BURST - 3 * HOUR, BURST + 6 * HOUR
    picture = Picture(380)
    shown = verdicts[first:last]
    counts = Panel(picture, 26, 180, first, last, 1.15 * max(v.count or 0 for v in shown))
    noticed, onset_at = next(
        (i, verdicts[i].onset_at or START) for i in range(BURST, last) if verdicts[i].is_spike
    )
    onset = (onset_at - START) // STEP
    end = next((i for i in range(noticed, last) if not verdicts[i].is_spike), last)
    width = counts.x(1) - counts.x(0)
    picture.box(counts.x(onset), 26, (end - onset) * width, 180, ALARM, 0.08)
    counts.axes(HOUR, "Mentions in five minutes, and what was expected")
    bands = [v.band for v in shown]
    xs = [counts.x(first + n + 0.5) for n in range(len(shown))]
    high = [(x, counts.y(b[1])) for x, b in zip(xs, bands, strict=True)]
    low = [(x, counts.y(b[0])) for x, b in zip(xs, bands, strict=True)]
    picture.area(high + low[::-1], BAND)
    for n, verdict in enumerate(shown):
        y = counts.y(verdict.count or 0)
        picture.box(counts.x(first + n) + 0.8, y, width - 1.6, counts.y(0) - y, BAR)
    picture.line([(x, counts.y(v.expected)) for x, v in zip(xs, shown, strict=True)], LINE, 2)
    for bucket, words, y in ((onset, "began", 40), (noticed, "noticed", 56)):
        x = counts.x(bucket)
        picture.line([(x, 26), (x, 206)], ALARM)
        picture.text(x + 4, y, f"{words} {START + bucket * STEP:%H:%M}", colour=ALARM)
    scores = Panel(picture, 262, 84, first, last, 3.0)
    scores.axes(HOUR, "Score: 0 = once in 30 days of chance, 1 = once in 300, 2 = once in 3,000")
    threshold = Policy().threshold
    picture.line([(LEFT, scores.y(threshold)), (WIDTH - RIGHT, scores.y(threshold))], ALARM, 1)
    line = [(x, scores.y(max(v.score, 0.0))) for x, v in zip(xs, shown, strict=True)]
    picture.line(line, INK)
    picture.save("spike-noticed", "A burst: since when, noticed when, how unusual")


def draw_windows(buckets: Sequence[Bucket], verdicts: Sequence[Verdict]) -> None:
    """Surprise by window length over both incidents."""
    first, last = 21 * DAY, 24 * DAY
    lengths = ((1, "5 minutes"), (HOUR, "1 hour"), (4 * HOUR, "4 hours"), (DAY, "24 hours"))
    picture = Picture(60 + 96 * len(lengths))
    policy = Policy()
    detector = Detector(policy)
    spreads: list[list[float]] = []
    for i, bucket in enumerate(buckets[:last]):
        detector.judge(bucket.at, bucket.count, bucket.coverage)
        if i >= first:
            spreads.append(detector.dispersions)
    order = sorted(policy.buckets(window) for window in policy.windows)
    picture.text(
        LEFT, 16,
        "How surprising the last 5 minutes, hour, 4 hours and 24 hours are "
        "(-log10 of the chance; hot from 2 on)",
    )  # fmt: skip
    for row, (length, name) in enumerate(lengths):
        panel = Panel(picture, 44 + 96 * row, 64, first, last, 8.0)
        panel.axes(6 * HOUR if row == len(lengths) - 1 else None, name)
        width = panel.x(1) - panel.x(0)
        for begin, size in ((BURST, HOUR), (SLOW, SLOW_LENGTH)):
            picture.box(panel.x(begin), panel.top, size * width, panel.height, ALARM, 0.1)
        points = []
        for i in range(first, last):
            past = verdicts[i - length + 1 : i + 1]
            seen, mean = sum(v.count or 0 for v in past), sum(v.expected for v in past)
            found = nb_surprise(seen, mean, spreads[i - first][order.index(length)])
            points.append((panel.x(i + 1), panel.y(found)))
        picture.line([(LEFT, panel.y(2)), (WIDTH - RIGHT, panel.y(2))], ALARM, 0.8)
        picture.line(points, INK, 1.2)
    picture.save("spike-windows", "Which window notices what")


def main() -> None:
    """Draw all three."""
    OUT.mkdir(exist_ok=True)
    buckets = made()
    detector = Detector(Policy())
    verdicts = [detector.step(bucket) for bucket in buckets]
    hour = sorted(Policy().buckets(window) for window in Policy().windows).index(HOUR)
    draw_usual(verdicts, detector.dispersions[hour])
    draw_noticed(verdicts)
    draw_windows(buckets, verdicts)


if __name__ == "__main__":
    main()
