"""Dates as they are really written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.collect.dates import NOTHING, read_date
from listener.types import Precision


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
