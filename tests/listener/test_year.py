"""A year of complaints of a small, a middle and a large brand: what is found, and what is not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from listener.detect.calendar import Calendar, holidays_of
from listener.detect.policy import policy_of
from listener.detect.spike import Detector
from listener.types import Bucket, Coverage, PlannedEvent, Sensitivity
from year import OUTAGE, SEOUL, SIZES, START, STEP, Year, local

pytestmark = pytest.mark.timeout(400)  # a year takes a while on a busy machine
LEARNING = timedelta(days=14)
MONTHS = (365 - 14) / 30
LATEST = {  # from the start of a crisis: a small brand has to wait for its complaints
    "small": {"courier": 60, "release": 15, "surcharge": 300, "hotline": 60},
    "middle": {"courier": 60, "release": 10, "surcharge": 300, "hotline": 30},
    "large": {"courier": 30, "release": 10, "surcharge": 240, "hotline": 45},
}


@dataclass(frozen=True)
class Alarm:
    """A spike that opened."""

    at: datetime
    onset_at: datetime
    observed: float
    expected: float


@pytest.fixture(scope="module")
def years() -> dict[str, tuple[Year, list[Alarm]]]:
    """By size the year, and the spikes that opened in it."""
    made = {size: Year(size) for size in SIZES}
    return {size: (year, alarms_of(year)) for size, year in made.items()}


@pytest.fixture(params=list(SIZES))
def year(
    request: pytest.FixtureRequest, years: dict[str, tuple[Year, list[Alarm]]]
) -> tuple[Year, list[Alarm]]:
    """A brand's year, and the spikes that opened in it."""
    return years[request.param]


def alarms_of(made: Year) -> list[Alarm]:
    """One pass over the year's complaints."""
    campaign = next(one for one in made.harmless if one.name == "campaign")
    planned = PlannedEvent(id=1, name="campaign", from_at=campaign.at, to_at=campaign.end)
    calendar = Calendar(holidays_of("KR", [2025, 2026]), [planned], SEOUL)
    detector = Detector(policy_of(Sensitivity.NORMAL), SEOUL, calendar)
    alarms = []
    was_on = False
    for place, count in enumerate(made.complaints().tolist()):
        at = START + place * STEP
        bucket = Bucket(at, count)
        if OUTAGE[0] <= at < OUTAGE[1]:
            bucket = Bucket(at, None, Coverage.UNKNOWN)
        verdict = detector.step(bucket)
        if verdict.is_spike and not was_on:
            assert verdict.onset_at is not None
            alarms.append(Alarm(at, verdict.onset_at, verdict.observed, verdict.window_expected))
        was_on = verdict.is_spike
    return alarms


def of(alarms: list[Alarm], since: datetime, until: datetime) -> list[Alarm]:
    return [alarm for alarm in alarms if since <= alarm.at < until]


@pytest.mark.parametrize("name", ["courier", "release", "surcharge", "hotline"])
def test_every_crisis_is_found_in_time(year: tuple[Year, list[Alarm]], name: str) -> None:
    made, alarms = year
    crisis = next(one for one in made.crises if one.name == name)
    latest = timedelta(minutes=LATEST[made.size][name])
    found = of(alarms, crisis.at - STEP, crisis.at + latest)
    assert found, f"{name} of the {made.size} brand was found by none of {alarms}"
    assert found[0].observed > 2 * found[0].expected


def test_the_onset_is_told_not_the_time_of_noticing(year: tuple[Year, list[Alarm]]) -> None:
    made, alarms = year
    for crisis in made.crises:
        if crisis.shape == "ramp":
            continue  # it has no moment of its own
        alarm = of(alarms, crisis.at - STEP, crisis.end)[0]
        off = abs(alarm.onset_at - made.times(crisis)[0])
        assert off <= timedelta(minutes=30), f"{crisis.name} of the {made.size} brand: {off}"


def test_few_alarms_are_in_vain(years: dict[str, tuple[Year, list[Alarm]]]) -> None:
    rates = {size: len(false_of(*year)) / MONTHS for size, year in years.items()}
    assert max(rates.values()) <= 1.0, rates
    assert sum(rates.values()) / len(rates) <= 0.5, rates


def false_of(made: Year, alarms: list[Alarm]) -> list[Alarm]:
    """Those after the first two weeks that no crisis explains."""
    return [
        alarm
        for alarm in alarms
        if alarm.at >= START + LEARNING
        and not any(c.at - STEP <= alarm.at < c.end + timedelta(hours=6) for c in made.crises)
    ]


@pytest.mark.parametrize(
    ("what", "since", "until"),
    [
        ("copies of one story", "2025-05-20 11:00", "2025-05-20 13:30"),
        ("an outage and the morning after", "2025-07-08 13:00", "2025-07-09 12:00"),
        ("a planned campaign", "2025-09-15 00:00", "2025-09-18 06:00"),
        ("Chuseok and the days after", "2025-10-06 00:00", "2025-10-12 00:00"),
    ],
)
def test_what_is_no_crisis_calls_nobody(
    year: tuple[Year, list[Alarm]], what: str, since: str, until: str
) -> None:
    _, alarms = year
    assert not of(alarms, local(since), local(until)), what
