"""When people may be told: on the clock on the wall, on working days, and not too often."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from listener.alert.timing import Hours, hold_until, reminder_at, storm_until
from listener.detect.calendar import holidays_of
from listener.types import Rule, Severity, Signal

SEOUL = ZoneInfo("Asia/Seoul")
NEW_YORK = ZoneInfo("America/New_York")
HOUR = timedelta(hours=1)


def a_rule(**fields: Any) -> Rule:
    return Rule(id=1, brand_id=1, name="rule", signal=Signal.COMPLAINTS, **fields)


def at(text: str, tz: ZoneInfo = SEOUL) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=tz)


def korean() -> Hours:
    days = holidays_of("KR")
    return Hours(SEOUL, lambda day: days.get(day) is not None)


NIGHT = a_rule(quiet_from=22 * 60, quiet_to=8 * 60)
NOON = a_rule(quiet_from=12 * 60, quiet_to=13 * 60)
WORK = a_rule(working_days=True)
BOTH = a_rule(quiet_from=19 * 60, quiet_to=9 * 60, working_days=True)


@pytest.mark.parametrize(
    ("rule", "now", "until"),
    [
        (a_rule(), "2025-03-10T03:00", None),
        (NIGHT, "2025-03-10T21:59", None),
        (NIGHT, "2025-03-10T22:00", "2025-03-11T08:00"),  # over midnight
        (NIGHT, "2025-03-11T07:59", "2025-03-11T08:00"),
        (NIGHT, "2025-03-11T08:00", None),
        (NOON, "2025-03-10T12:30", "2025-03-10T13:00"),
        (NOON, "2025-03-10T13:00", None),
        (a_rule(quiet_from=0, quiet_to=0), "2025-03-10T00:00", None),  # no time at all
        (WORK, "2025-03-14T23:59", None),  # a Friday
        (WORK, "2025-03-15T00:00", "2025-03-17T00:00"),
        (WORK, "2025-03-17T00:00", None),
        (BOTH, "2025-03-14T20:00", "2025-03-17T09:00"),
        # Chuseok 2025: from Friday the 3rd (Gaecheonjeol) to Thursday the 9th (Hangeul Day), with a
        # substitute on the 8th.
        (WORK, "2025-10-02T23:00", None),
        (WORK, "2025-10-03T00:00", "2025-10-10T00:00"),
        (BOTH, "2025-10-02T22:00", "2025-10-10T09:00"),
        (WORK, "2025-10-08T12:00", "2025-10-10T00:00"),
    ],
)
def test_quiet_hours_and_days_off(rule: Rule, now: str, until: str | None) -> None:
    found = korean().quiet_until(rule, at(now).astimezone(UTC))
    assert found == (None if until is None else at(until))


def test_quiet_hours_follow_the_clock_on_the_wall() -> None:
    hours = Hours(NEW_YORK)
    # The night of 9 March 2025 is an hour short, that of 2 November an hour long.
    short = hours.quiet_until(NIGHT, at("2025-03-08T22:00", NEW_YORK))
    assert short == at("2025-03-09T08:00", NEW_YORK) == datetime(2025, 3, 9, 12, tzinfo=UTC)
    long = hours.quiet_until(NIGHT, at("2025-11-01T22:00", NEW_YORK))
    assert long == datetime(2025, 11, 2, 13, tzinfo=UTC)

    small = a_rule(quiet_from=60, quiet_to=150)  # 01:00 to 02:30
    skipped = hours.quiet_until(small, datetime(2025, 3, 9, 6, 30, tzinfo=UTC))  # 01:30
    assert skipped == datetime(2025, 3, 9, 7, 30, tzinfo=UTC)  # 02:30 is 03:30 that day

    again = a_rule(quiet_from=60, quiet_to=90)  # 01:00 to 01:30, which comes twice
    first = hours.quiet_until(again, datetime(2025, 11, 2, 5, 10, tzinfo=UTC))
    assert first == datetime(2025, 11, 2, 5, 30, tzinfo=UTC)
    second = hours.quiet_until(again, datetime(2025, 11, 2, 6, 10, tzinfo=UTC))
    assert second == datetime(2025, 11, 2, 6, 30, tzinfo=UTC)


def test_days_off_for_ever_are_given_up() -> None:
    always = Hours(SEOUL, lambda day: day >= date(2000, 1, 1))
    now = at("2025-03-10T12:00")
    found = always.quiet_until(WORK, now)
    assert found is not None
    assert found - now < timedelta(days=61)


def test_one_rule_that_may_tell_is_enough() -> None:
    hours, now = korean(), at("2025-03-10T23:00")
    assert hold_until([NIGHT], Severity.MEDIUM, now, hours) == at("2025-03-11T08:00")
    assert hold_until([NIGHT], Severity.HIGH, now, hours) is None
    assert hold_until([NIGHT, WORK], Severity.LOW, now, hours) is None
    late = a_rule(quiet_from=22 * 60, quiet_to=10 * 60)
    assert hold_until([late, NIGHT], Severity.LOW, now, hours) == at("2025-03-11T08:00")
    assert hold_until([], Severity.LOW, now, hours) is None


def test_a_storm_is_gathered() -> None:
    now = at("2025-03-10T12:00")
    assert storm_until(9, {1, 2, 3, 4}, None, now) is None
    assert storm_until(5, {1, 2, 3, 4, 5}, None, now) is None  # it goes on one by one
    assert storm_until(9, {1, 2, 3, 4, 5}, None, now) == now + timedelta(minutes=10)
    due = now + timedelta(minutes=4)
    assert storm_until(9, {1, 2, 3, 4, 5}, due, now) == due  # with the others
    morning = now + 8 * HOUR
    assert storm_until(9, {1, 2, 3, 4, 5}, morning, now) == now + timedelta(minutes=10)


def test_reminders_become_rarer() -> None:
    told = at("2025-03-10T12:00")
    pauses = []
    for reminders in range(12):
        due = reminder_at(
            timedelta(minutes=30),
            reminders=reminders,
            told_at=told,
            waiting_since=told,
            snoozed_until=None,
        )
        assert due is not None
        pauses.append((due - told) / timedelta(minutes=1))
    assert pauses == [30, 30, 30, 60, 120, 240, 480, 960, 1440, 1440, 1440, 1440]


def test_nobody_is_reminded_of_what_was_seen_or_never_told() -> None:
    told = at("2025-03-10T12:00")
    every = timedelta(minutes=30)

    def due(
        pace: timedelta | None = every, waiting: datetime | None = told, **fields: Any
    ) -> datetime | None:
        given: dict[str, Any] = {"told_at": told, "snoozed_until": None}
        return reminder_at(pace, reminders=0, waiting_since=waiting, **(given | fields))

    assert due() == told + every
    assert due(waiting=None) is None  # somebody has acknowledged it
    assert due(pace=None) is None
    assert due(told_at=None) is None
    # A snooze ends with a reminder, also for who has acknowledged.
    snooze = told + 3 * HOUR
    assert due(snoozed_until=snooze) == snooze
    assert due(waiting=None, snoozed_until=snooze) == snooze
    assert due(told_at=snooze, snoozed_until=snooze) == snooze + every
