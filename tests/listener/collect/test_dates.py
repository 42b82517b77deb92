"""Dates as they are really written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.collect.dates import NOTHING, read_date, read_shown_date
from listener.types import Precision

SEOUL = ZoneInfo("Asia/Seoul")
NOW = datetime(2025, 3, 10, 12, 0, tzinfo=UTC)  # 21:00 in Seoul


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2025-03-10T21:00:00+09:00", "2025-03-10T12:00:00"),
        ("2025-03-10T12:00:00Z", "2025-03-10T12:00:00"),
        ("2025-03-10T12:00:00.123456Z", "2025-03-10T12:00:00.123456"),
        ("2025-03-10 12:00:00", "2025-03-10T12:00:00"),  # no zone: UTC
        ("20250310T120000Z", "2025-03-10T12:00:00"),
        ("Mon, 10 Mar 2025 21:00:00 +0900", "2025-03-10T12:00:00"),
        ("Mon, 10 Mar 2025 21:00:00 KST", "2025-03-10T12:00:00"),
        ("Mon, 10 Mar 2025 12:00:00 GMT", "2025-03-10T12:00:00"),
        ("Mon, 10 Mar 2025 07:00:00 EST", "2025-03-10T12:00:00"),
        ("10 Mar 25 12:00 UT", "2025-03-10T12:00:00"),
        ("Fri, 10 Mar 2025 12:00:00 GMT", "2025-03-10T12:00:00"),  # the wrong weekday
        ("2025/03/10 12:00:00", "2025-03-10T12:00:00"),
        ("2025.03.10 12:00", "2025-03-10T12:00:00"),
        ("2025년 3월 10일 오후 3시 5분", "2025-03-10T15:05:00"),
        ("2025년 3월 10일 오전 12:05", "2025-03-10T00:05:00"),
        ("2025. 3. 10. (월) 15:05:30 +0900", "2025-03-10T06:05:30"),
    ],
)
def test_points_in_time(text: str, told: str) -> None:
    assert read_date(text) == (datetime.fromisoformat(told).replace(tzinfo=UTC), Precision.EXACT)


@pytest.mark.parametrize(
    "text",
    [
        "2025-03-10",
        "20250310",
        "2025.03.10",
        "2025. 3. 10.",
        "2025/3/10",
        "2025년 3월 10일",
        "10 Mar 2025",
    ],
)
def test_days(text: str) -> None:
    assert read_date(text) == (datetime(2025, 3, 10, tzinfo=UTC), Precision.DAY)


@pytest.mark.parametrize(
    "text",
    [None, "", "yesterday", "방금 전", "1970-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 GMT",
     "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2025-13-45", "2025-02-30T10:00:00Z",
     "0000-00-00 00:00:00", "x" * 5_000, "12:00"],
)  # fmt: skip
def test_what_is_no_date(text: str | None) -> None:
    assert read_date(text) == NOTHING


@given(st.text(max_size=60))
def test_any_text_is_read_or_not(text: str) -> None:
    moment, precision = read_date(text)
    assert (moment is None) == (precision is Precision.NONE)
    assert moment is None or moment.utcoffset() == timedelta()


@given(st.datetimes(datetime(1991, 1, 1), datetime(2199, 1, 1)), st.integers(-12, 14))  # noqa: DTZ001
def test_iso_times_come_back(naive: datetime, hours: int) -> None:
    moment = naive.replace(tzinfo=timezone(timedelta(hours=hours)))
    assert read_date(moment.isoformat()) == (moment.astimezone(UTC), Precision.EXACT)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("방금 전", "2025-03-10T12:00:00"),
        ("just now", "2025-03-10T12:00:00"),
        ("3시간 전", "2025-03-10T09:00:00"),
        ("25분전", "2025-03-10T11:35:00"),
        ("an hour ago", "2025-03-10T11:00:00"),
        ("about 2 hours ago", "2025-03-10T10:00:00"),
        ("5 mins ago", "2025-03-10T11:55:00"),
        ("30s ago", "2025-03-10T11:59:30"),
        ("어제 15:20", "2025-03-09T06:20:00"),
        ("어제 오후 3:20", "2025-03-09T06:20:00"),
        ("오늘 09:00", "2025-03-10T00:00:00"),
        ("Yesterday at 3:05 PM", "2025-03-09T06:05:00"),
        ("Today, 8:15 am", "2025-03-09T23:15:00"),
        ("15:20", "2025-03-10T06:20:00"),
        ("15:20:31", "2025-03-10T06:20:31"),
        ("오후 3:05", "2025-03-10T06:05:00"),
        ("23:30", "2025-03-09T14:30:00"),  # still to come today, so it was yesterday
        ("2025-03-09 15:20", "2025-03-09T06:20:00"),  # of Seoul, where the board is
        ("2025-03-09T15:20:00Z", "2025-03-09T15:20:00"),
        ("Mon, 10 Mar 2025 09:00:00 +0000", "2025-03-10T09:00:00"),
        ("작성일 2025.03.09 15:20", "2025-03-09T06:20:00"),
        ("작성일시: 25-03-09 15:20", "2025-03-09T06:20:00"),
        ("김하늘 · 2025-03-09 15:20:11 · 조회 31", "2025-03-09T06:20:11"),
        ("2025년 3월 9일 오후 3시 20분", "2025-03-09T06:20:00"),
        ("03-09 15:20", "2025-03-09T06:20:00"),
        ("Sun Mar 09, 2025 3:20 pm", "2025-03-09T06:20:00"),
        ("Posted on March 9, 2025 at 3:20 PM", "2025-03-09T06:20:00"),
        ("9 Mar 2025, 15:20", "2025-03-09T06:20:00"),
    ],
)
def test_moments_as_pages_show_them(text: str, told: str) -> None:
    expected = datetime.fromisoformat(told).replace(tzinfo=UTC)
    assert read_shown_date(text, NOW, SEOUL)[0] == (expected, Precision.EXACT)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("어제", "2025-03-09"),
        ("그저께", "2025-03-08"),
        ("2일 전", "2025-03-08"),
        ("2 days ago", "2025-03-08"),
        ("a week ago", "2025-03-03"),
        ("1주 전", "2025-03-03"),
        ("2개월 전", "2025-01-09"),
        ("1y ago", "2024-03-10"),
        ("2025.03.09", "2025-03-09"),
        ("2025.03.09.", "2025-03-09"),
        ("25.03.09", "2025-03-09"),
        ("25/03/09", "2025-03-09"),
        ("03-09", "2025-03-09"),
        ("12.25", "2024-12-25"),
        ("3월 9일", "2025-03-09"),
        ("Mar 9", "2025-03-09"),
        ("Dec 25", "2024-12-25"),
        ("March 9th, 2025", "2025-03-09"),
        ("9 March 2025", "2025-03-09"),
        ("Reviewed in the Netherlands on March 9, 2025", "2025-03-09"),
    ],
)
def test_days_as_pages_show_them(text: str, day: str) -> None:
    expected = datetime.fromisoformat(day).replace(tzinfo=UTC)
    assert read_shown_date(text, NOW, SEOUL)[0] == (expected, Precision.DAY)


@pytest.mark.parametrize(
    ("text", "stands"),
    [("3시간 전", False), ("어제 15:20", False), ("15:20", False), ("03-09", True),
     ("2025-03-09", True), ("Mar 9, 2025", True)],
)  # fmt: skip
def test_dates_that_move_with_the_clock_are_told_from_those_that_stand(
    text: str, stands: bool
) -> None:
    assert read_shown_date(text, NOW, SEOUL)[1] is stands


@pytest.mark.parametrize(
    "text",
    [None, "", "조회 31", "답글 쓰기", "99-99", "45:99", "x" * 5_000, "13월 40일", "v1.2.3.4"],
)
def test_what_pages_show_and_is_no_date(text: str | None) -> None:
    assert read_shown_date(text, NOW, SEOUL) == (NOTHING, False)


@given(st.text(max_size=60))
def test_any_shown_text_is_read_or_not(text: str) -> None:
    (moment, precision), _ = read_shown_date(text, NOW, SEOUL)
    assert (moment is None) == (precision is Precision.NONE)
    assert moment is None or moment.utcoffset() == timedelta()
