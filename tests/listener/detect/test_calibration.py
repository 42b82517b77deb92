"""How unusual a surprise is: rates and heights that a series shows, and what does not hide what."""

from __future__ import annotations

from copy import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.detect.calibration import HOT, Calibration

QUIET = 12
DAY = 288


def after(peaks: list[float], days: int = 20) -> Calibration:
    """One that has seen these peaks, evenly spread over so many days."""
    calibration = Calibration(0.4, QUIET)
    total = days * DAY
    at = {round((n + 0.5) * total / len(peaks)): peak for n, peak in enumerate(peaks)}
    for bucket in range(1, total + 1):
        calibration.learn(at.get(bucket, 0.0))
        if bucket % DAY == 0:
            calibration.end_day()
    return calibration


def test_a_quiet_series_finds_the_same_surprise_more_unusual() -> None:
    assert after([2.3] * 2).score(4.0) > after([2.3] * 20).score(4.0) + 0.5


def test_what_happens_every_other_day_is_no_alarm() -> None:
    """Ten posts that went viral in twenty days: an eleventh like them is nothing new, though no
    tail of chance goes there; one ten times as high is."""
    viral = after([10.0, 30.0, 14.0, 22.0, 17.0, 12.0, 40.0, 19.0, 16.0, 25.0])
    assert viral.score(20.0) < 0.0
    assert viral.score(200.0) > 0.456


def test_incidents_do_not_hide_the_next_one() -> None:
    """Three large ones in twenty days, among the small peaks of chance."""
    small = [2.2, 2.6, 2.4]
    calm = after(small * 4)
    shaken = after([*small, 25.0, *small, 20.0, *small, 30.0, *small])
    assert shaken.score(20.0) > 0.456
    assert shaken.score(20.0) < calm.score(20.0)


def test_peaks_close_together_are_one() -> None:
    apart, together = Calibration(0.4, QUIET), Calibration(0.4, QUIET)
    for n in range(100):
        apart.learn(5.0 if n % 25 == 0 else 0.0)
        together.learn(5.0 if n < 4 * QUIET and n % 12 == 0 else 0.0)
    assert apart.score(5.0) < together.score(5.0)


def test_what_was_seen_is_forgotten() -> None:
    calibration = after([20.0] * 8)
    before = calibration.score(20.0)
    for _ in range(60):
        calibration.end_day()
    assert calibration.score(20.0) > before + 1.0


@given(
    peaks=st.lists(st.floats(0.0, 60.0), min_size=1, max_size=40),
    low=st.floats(0.0, 100.0),
    more=st.floats(0.0, 100.0),
)
def test_more_surprise_is_never_less_unusual(peaks: list[float], low: float, more: float) -> None:
    calibration = Calibration(0.3, 1)
    for n, peak in enumerate(peaks):
        calibration.learn(peak)
        calibration.learn(0.0)
        if n % 4 == 3:
            calibration.end_day()
    assert calibration.score(low) <= calibration.score(low + more) + 1e-9


def test_nothing_hot_is_as_cold_as_can_be() -> None:
    calibration = after([3.0] * 5)
    assert calibration.score(0.0) == pytest.approx(calibration.cold)
    assert calibration.score(HOT) == pytest.approx(calibration.cold + HOT)


def test_dumped_and_copied_it_goes_on_the_same() -> None:
    calibration = after([10.0, 4.0, 30.0, 12.0, 9.0, 11.0])
    loaded = Calibration(0.4, QUIET)
    loaded.restore(calibration.dump())
    twin = copy(calibration)
    for peak in (15.0, *[0.0] * QUIET, 3.0, *[0.0] * QUIET):
        twin.learn(peak)
    assert loaded.dump() == calibration.dump()
    assert loaded.score(17.0) == calibration.score(17.0)
    assert twin.score(17.0) != calibration.score(17.0)
