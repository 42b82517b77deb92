"""The expected line: what a stored state says of the hours around it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from listener.detect.calendar import Calendar
from listener.detect.expected import Expectation, Line, frame_of
from listener.detect.policy import policy_of
from listener.detect.spike import Detector
from listener.types import Bucket, Coverage, PlannedEvent, Sensitivity

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NORMAL = Sensitivity.NORMAL


@pytest.fixture
def detector(series: Callable[..., list[Bucket]]) -> Detector:
    made = Detector(policy_of(NORMAL), UTC)
    for bucket in series(9, 2.0):
        made.step(bucket)
    return made


def expectation(detector: Detector, calendar: Calendar | None = None) -> Expectation:
    found = Expectation.load(detector.dump(), NORMAL, UTC, calendar)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("hours", "step", "lead"),
    [(-1, 5, 4), (5, 15, 12), (48, 60, 51), (24 * 8, 360, 195)],
)
def test_bars_grow_with_the_spike(hours: int, step: int, lead: int) -> None:
    frame = frame_of(START, START + hours * HOUR)
    assert frame.step == timedelta(minutes=step)
    assert START - frame.start >= lead * HOUR
    assert frame.end >= START + (hours + 3) * HOUR
    assert (frame.end - (START + (hours + 3) * HOUR)) < frame.step
    assert frame.place(frame.start - DAY) == 0
    assert frame.place(frame.end + DAY) == frame.size - 1


def test_the_line_is_what_the_detector_expects(detector: Detector) -> None:
    upto = START + 9 * DAY
    found = expectation(detector)
    twin = detector.copy()
    ahead = [twin.judge(upto + n * HOUR / 12, 1, Coverage.COMPLETE)[0] for n in range(12)]
    assert found.span(upto, upto + HOUR).expected == pytest.approx(sum(ahead), rel=0.05)
    # Backwards too, in any order: the rhythm of the day is in it.
    night = found.span(upto - 22 * HOUR, upto - 21 * HOUR).expected
    day = found.span(upto - 10 * HOUR, upto - 9 * HOUR).expected
    assert day > 2 * night
    assert day == pytest.approx(24 * 1.7, rel=0.25)


def test_the_state_is_left_alone(detector: Detector) -> None:
    before = detector.dump()
    found = expectation(detector)
    found.line(frame_of(START + 8 * DAY, START + 9 * DAY))
    assert detector.dump() == before


def test_bars_sum_to_the_whole_and_lie_in_their_band(detector: Detector) -> None:
    found = expectation(detector)
    frame = frame_of(START + 8 * DAY, START + 8 * DAY + 5 * HOUR)
    line = found.line(frame)
    assert sum(line.expected) == pytest.approx(found.span(frame.start, frame.end).expected)
    for low, mean, high in zip(line.low, line.expected, line.high, strict=True):
        assert 0 <= low <= mean <= high
    whole = found.span(frame.start, frame.end)
    # A long sum scatters less than its parts.
    relative = (whole.high - whole.low) / whole.expected
    assert relative < (line.high[3] - line.low[3]) / line.expected[3]


def test_a_campaign_raises_the_line(detector: Detector) -> None:
    at = START + 8 * DAY + 10 * HOUR
    event = PlannedEvent(id=1, name="sale", from_at=at, to_at=at + HOUR, factor=3.0)
    calendar = Calendar({}, [event], UTC)
    plain = expectation(detector).span(at, at + HOUR).expected
    assert expectation(detector, calendar).span(at, at + HOUR).expected == pytest.approx(3 * plain)


def test_a_line_survives_being_kept(detector: Detector) -> None:
    line = expectation(detector).line(frame_of(START + 8 * DAY, START + 8 * DAY + HOUR))
    again = Line.from_json(line.to_json())
    assert again.frame == line.frame
    assert again.expected == pytest.approx(line.expected, abs=0.001)


def test_another_state_gives_none(detector: Detector) -> None:
    assert Expectation.load(detector.dump(), Sensitivity.HIGH, UTC) is None
    assert Expectation.load({}, NORMAL, UTC) is None
