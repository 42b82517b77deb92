"""What was to be expected around a spike: the line and its band that screens draw. Pure.

The detector judges each bucket once and keeps no line. Its stored state can be asked what it would
expect of any time nearby, which costs milliseconds, where replaying six weeks takes half a second.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from listener.detect.calendar import Calendar
from listener.detect.policy import policy_of
from listener.detect.series import STEP, floor_to_step
from listener.detect.spike import Detector, Plan
from listener.detect.surprise import nb_band
from listener.types import Coverage, Sensitivity

HOUR = timedelta(hours=1)
AFTER = 3 * HOUR  # shown of the time after a spike
DISPERSION = 0.1  # where none was learnt

# Up to this length of a spike: the bars of its chart, and how much before it is shown.
_SCALES = (
    (timedelta(hours=2), STEP, timedelta(hours=4)),
    (timedelta(hours=10), timedelta(minutes=15), timedelta(hours=12)),
    (timedelta(days=4), timedelta(hours=1), timedelta(days=1)),
    (timedelta.max, timedelta(hours=6), timedelta(days=4)),
)


@dataclass(frozen=True, slots=True)
class Frame:
    """The bars of a chart: ``size`` of them, each ``step`` long, from ``start`` on."""

    start: datetime
    step: timedelta
    size: int

    @property
    def end(self) -> datetime:
        """Where the last bar ends."""
        return self.start + self.size * self.step

    def place(self, at: datetime) -> int:
        """The bar of a time; those outside are in the first or the last one."""
        return max(0, min((at - self.start) // self.step, self.size - 1))


def frame_of(onset_at: datetime, end: datetime) -> Frame:
    """How a spike of [onset_at, end) is drawn, with what was before and a little after it."""
    shown = end + AFTER
    length = shown - onset_at
    step, lead = next((step, lead) for upto, step, lead in _SCALES if length <= upto)
    start = floor_to_step(onset_at - max(lead, length), step)
    return Frame(start, step, max(1, math.ceil((shown - start) / step)))


@dataclass(frozen=True, slots=True)
class Line:
    """Expected counts by bar, and where nineteen of twenty counts of a bar lie."""

    frame: Frame
    expected: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]

    def to_json(self) -> dict[str, Any]:
        """Plain values, for ``from_json``."""
        return {
            "start": self.frame.start.isoformat(),
            "step_s": int(self.frame.step.total_seconds()),
            "expected": [round(value, 3) for value in self.expected],
            "low": [round(value, 3) for value in self.low],
            "high": [round(value, 3) for value in self.high],
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Line:
        """The line that was kept."""
        start, step = datetime.fromisoformat(told["start"]), timedelta(seconds=told["step_s"])
        expected = told["expected"]
        return cls(Frame(start, step, len(expected)), expected, told["low"], told["high"])


@dataclass(frozen=True, slots=True)
class Span:
    """What was to be expected of a stretch as a whole, and its band."""

    expected: float
    low: float
    high: float


class Expectation:
    """What a detector in a stored state expects of times around it."""

    def __init__(self, detector: Detector, dispersions: Mapping[timedelta, float]) -> None:
        self._detector = detector
        self._dispersions = dispersions
        self._known: dict[datetime, float] = {}

    @classmethod
    def load(
        cls,
        state: Mapping[str, Any],
        sensitivity: Sensitivity,
        tz: tzinfo,
        calendar: Calendar | None = None,
    ) -> Expectation | None:
        """Of a stored state; None where it is of another version, policy or zone."""
        policy = policy_of(sensitivity)
        args = (state, policy, tz) if calendar is None else (state, policy, tz, calendar)
        detector = Detector.load(*args)
        if detector is None:
            return None
        plan = Plan(policy)
        windows = state.get("windows")
        spreads = windows[-1] if isinstance(windows, list) and windows else ()
        if len(spreads) != len(plan.spans):
            spreads = plan.dispersions
        return cls(detector, dict(zip(plan.spans, spreads, strict=True)))

    def line(self, frame: Frame) -> Line:
        """By bar."""
        found = [
            self.span(frame.start + n * frame.step, frame.start + (n + 1) * frame.step)
            for n in range(frame.size)
        ]
        return Line(
            frame,
            [one.expected for one in found],
            [one.low for one in found],
            [one.high for one in found],
        )

    def span(self, start: datetime, end: datetime) -> Span:
        """Of the buckets that begin in [start, end)."""
        at = floor_to_step(start)
        if at < start:
            at += STEP
        mean = 0.0
        while at < end:
            mean += self._at(at)
            at += STEP
        low, high = nb_band(mean, self._dispersion(end - start))
        return Span(mean, min(low, mean), high)  # the band is rough where hardly any are expected

    def _at(self, at: datetime) -> float:
        found = self._known.get(at)
        if found is None:
            if not self._known:
                self._detector = self._detector.copy()
            # Told that nothing came before, the detector takes any bucket for the next one; of one
            # that was not collected it only says what it would have expected.
            self._detector.last_at = None
            found, _, _ = self._detector.judge(at, None, Coverage.UNKNOWN)
            self._known[at] = found
        return found

    def _dispersion(self, length: timedelta) -> float:
        """That of the window nearest in length, on a scale of ratios."""
        if not self._dispersions:
            return DISPERSION
        nearest = min(self._dispersions, key=lambda span: abs(math.log(span / max(length, STEP))))
        return self._dispersions[nearest]
