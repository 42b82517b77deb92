"""The calendar: Korean holidays with their substitutes, planned events, and days in a zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from listener.detect.calendar import USUAL, Calendar, Day, holidays_of
from listener.errors import InvalidInput
from listener.types import PlannedEvent

SEOUL = ZoneInfo("Asia/Seoul")
NOON = datetime(2026, 6, 10, 3, tzinfo=UTC)  # in Seoul


def event(hours: float, length: float, factor: float | None) -> PlannedEvent:
    begin = NOON + timedelta(hours=hours)
    return PlannedEvent(
        id=1,
        name="여름 세일",
        from_at=begin,
        to_at=begin + timedelta(hours=length),
        factor=factor,
    )


@pytest.mark.parametrize(
    ("day", "name"),
    [
        (date(2026, 2, 17), "설날"),
        (date(2026, 3, 2), "삼일절 대체 휴일"),
        (date(2026, 5, 25), "부처님오신날 대체 휴일"),
        (date(2026, 8, 17), "광복절 대체 휴일"),
        (date(2027, 2, 9), "설날 대체 휴일"),
        (date(2026, 8, 18), None),
    ],
)
def test_korean_holidays_and_their_substitutes(day: date, name: str | None) -> None:
    assert holidays_of("KR", [2026, 2027]).get(day) == name
    assert holidays_of("kr").get(day) == name


def test_holidays_have_names_in_both_languages_where_the_country_has() -> None:
    day = date(2026, 3, 1)
    assert holidays_of("KR", language="ko").get(day) == "삼일절"
    assert holidays_of("KR", language="en").get(day) == "Independence Movement Day"
    assert holidays_of("US", language="ko").get(date(2026, 7, 3)) == "Independence Day (observed)"


def test_an_unknown_country_is_refused() -> None:
    with pytest.raises(InvalidInput, match="holidays of 'ZZ'") as caught:
        holidays_of("ZZ")
    assert caught.value.field == "holidays"


def test_a_holiday_is_one_of_the_zone() -> None:
    calendar = Calendar(holidays_of("KR", [2026]), tz=SEOUL)
    begins = datetime(2026, 2, 15, 15, tzinfo=UTC)
    assert calendar.at(begins) == Day(True, "설날 전날", 1.0)
    assert calendar.at(begins - timedelta(minutes=5)) == USUAL
    assert calendar.at(begins + timedelta(days=3, minutes=-5)).name == "설날 다음날"
    assert calendar.at(begins + timedelta(days=3)) == USUAL
    as_it_stands = Calendar(holidays_of("KR", [2026]))
    assert as_it_stands.at(begins) == USUAL


def test_an_event_multiplies_from_its_begin_to_before_its_end() -> None:
    calendar = Calendar({}, [event(0, 2, 3.0)], SEOUL)
    at = [calendar.at(NOON + timedelta(minutes=m)).factor for m in (-5, 0, 115, 120)]
    assert at == [1.0, 3.0, 3.0, 1.0]


def test_overlapping_events_multiply_and_a_planned_one_wins() -> None:
    calendar = Calendar({}, [event(0, 4, 3.0), event(1, 2, 2.0), event(2, 4, None)], SEOUL)
    at = [calendar.at(NOON + timedelta(hours=h)).factor for h in (0, 1, 2, 3, 5, 6)]
    assert at == [3.0, 6.0, None, None, None, 1.0]


def test_an_event_on_a_holiday_keeps_the_name() -> None:
    calendar = Calendar({date(2026, 6, 10): "창립일"}, [event(0, 1, None)], SEOUL)
    assert calendar.at(NOON) == Day(True, "창립일", None)


def test_nothing_known_is_a_usual_day() -> None:
    assert Calendar().at(NOON) == USUAL
