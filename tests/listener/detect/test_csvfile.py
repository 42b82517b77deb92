"""``listener detect``: rows echoed in order, streaming, and errors that name the line."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listener.detect.csvfile import OUTPUT_HEADER, detect_rows
from listener.errors import InvalidInput
from listener.types import Bucket

Make = Callable[..., list[Bucket]]


def as_csv(buckets: list[Bucket]) -> list[str]:
    counts = ["" if b.count is None else str(b.count) for b in buckets]
    stamps = [f"{b.at:%Y-%m-%d %H:%M:%S}" for b in buckets]
    return ["timestamp,count\n", *(f"{t},{c}\n" for t, c in zip(stamps, counts, strict=True))]


def judged(lines: list[str], **options: timedelta) -> list[list[str]]:
    out = list(csv.reader(detect_rows(lines, **options)))  # type: ignore[arg-type]
    assert ",".join(out[0]) == OUTPUT_HEADER
    return out[1:]


def test_a_wave_is_flagged_in_the_file(series: Make) -> None:
    lines = as_csv(series(5, 2.0, waves=[(4 * 288, 36, 10.0)]))
    rows = judged(lines)
    assert len(rows) == len(lines) - 1
    flags = [row[4] for row in rows]
    assert set(flags) == {"0", "1"}
    assert 4 * 288 <= flags.index("1") < 4 * 288 + 12
    float(rows[-1][2])
    float(rows[-1][3])


def test_text_is_echoed_as_given() -> None:
    rows = judged(
        [
            "\ufeffTimestamp, Count\r\n",
            '"2026-01-05T00:00:00+09:00","3"\r\n',
            "2026-01-05T00:05:00+09:00,3.0\r\n",
            "\r\n",
            "2026-01-05 00:10+09:00,\r\n",
            "20260105T001500+0900,007\r\n",
        ]
    )
    assert [row[:2] for row in rows] == [
        ["2026-01-05T00:00:00+09:00", "3"],
        ["2026-01-05T00:05:00+09:00", "3.0"],
        ["2026-01-05 00:10+09:00", ""],
        ["20260105T001500+0900", "007"],
    ]


def test_a_field_that_needs_quotes_keeps_them() -> None:
    lines = list(detect_rows(["timestamp,count", '"2026-01-05 00:00:00,000",1']))
    assert lines[1].startswith('"2026-01-05 00:00:00,000",1,')


def test_only_a_header_gives_only_a_header() -> None:
    assert list(detect_rows(["timestamp,count\n"])) == [OUTPUT_HEADER]


@settings(max_examples=30, deadline=None)
@given(
    counts=st.lists(st.none() | st.integers(0, 50), min_size=1, max_size=80),
    cut=st.integers(1, 80),
    minutes=st.sampled_from([1, 5, 60, 1440]),
)
def test_a_longer_file_never_changes_earlier_rows(
    counts: list[int | None], cut: int, minutes: int
) -> None:
    start = datetime(2026, 1, 5)  # noqa: DTZ001 - stamps without an offset are the case at hand
    lines = ["timestamp,count"] + [
        f"{start + timedelta(minutes=minutes * i)},{'' if c is None else c}"
        for i, c in enumerate(counts)
    ]
    whole = list(detect_rows(lines))
    assert list(detect_rows(lines[: cut + 1])) == whole[: cut + 1]


def test_rows_come_out_as_they_go_in() -> None:
    """Row n is out before row n + 2 is read, so a pipe can be followed live."""
    read = 0

    def lines() -> object:
        nonlocal read
        yield "timestamp,count"
        for i in range(50):
            read = i + 1
            yield f"2026-01-05 {i // 12:02}:{i % 12 * 5:02}:00,1"

    for out, _ in enumerate(detect_rows(lines())):  # type: ignore[arg-type]
        assert read <= out + 1


def test_missing_rows_are_not_collected(series: Make) -> None:
    buckets = series(4, 3.0)
    gap = range(3 * 288, 3 * 288 + 40)
    blank = as_csv([Bucket(b.at, None) if i in gap else b for i, b in enumerate(buckets)])
    short = as_csv([b for i, b in enumerate(buckets) if i not in gap])
    assert judged(short)[3 * 288 :] == judged(blank)[3 * 288 + 40 :]


def test_bucket_is_given_where_the_second_row_is_missing() -> None:
    lines = ["timestamp,count", "2026-01-05 00:00,1", "2026-01-05 00:10,2", "2026-01-05 00:15,2"]
    assert len(judged(lines, bucket=timedelta(minutes=5))) == 3
    with pytest.raises(InvalidInput, match=r"Line 4: .* no multiple of 0:10:00"):
        judged(lines)


def test_stamps_with_offset_may_be_seen_in_a_zone() -> None:
    """An hourly series with a weekend in Seoul: expectations differ from those as they stand."""
    start = datetime.fromisoformat("2026-01-05T00:00:00+00:00")
    zone = ZoneInfo("Asia/Seoul")
    lines = ["timestamp,count"]
    for i in range(24 * 28):
        at = start + timedelta(hours=i)
        lines.append(f"{at.isoformat()},{5 if at.astimezone(zone).weekday() >= 5 else 50}")
    in_zone, as_is = (list(detect_rows(lines, tz=tz))[-1].split(",") for tz in (zone, None))
    # Sunday 23:00 UTC is Monday 08:00 in Seoul.
    assert float(in_zone[2]) > float(as_is[2]) + 10


def test_holidays_are_like_sundays() -> None:
    """Half on Sundays: a Monday that is a holiday is expected to be quiet."""
    start = datetime.fromisoformat("2026-07-13T00:00:00+09:00")
    lines = ["timestamp,count"]
    for i in range(24 * 36):
        at = start + timedelta(hours=i)
        lines.append(f"{at.isoformat()},{20 if at.weekday() == 6 else 60}")
    monday = 24 * 35 + 12  # 17 August 2026, the substitute of Liberation Day
    assert lines[monday + 1].startswith("2026-08-17T12")
    usual, off = (
        float(list(detect_rows(lines, holidays=holidays))[monday + 1].split(",")[2])
        for holidays in (None, "KR")
    )
    assert off < 0.6 * usual
    with pytest.raises(InvalidInput, match="holidays of 'ZZ'"):
        list(detect_rows(lines, holidays="ZZ"))


def test_fast_enough(series: Make) -> None:
    lines = as_csv(series(20, 3.0))
    before = time.process_time()
    rows = sum(1 for _ in detect_rows(lines))
    assert rows / (time.process_time() - before) > 8_000  # about 40,000 on an idle machine


STAMP = "2026-01-05 00:00:00"
NEXT = "2026-01-05 00:05:00"


@pytest.mark.parametrize(
    ("lines", "message", "field"),
    [
        ([], "file is empty", "file"),
        (
            ["date,n", f"{STAMP},1"],
            r"Line 1: the header must be 'timestamp,count', not 'date,n'",
            "file",
        ),
        ([f"{STAMP},1", f"{NEXT},1"], "Line 1: the header must be", "file"),
        (["timestamp;count", f"{STAMP};1"], "Line 1: the header must be", "file"),
        (["timestamp,count", "yesterday,1"], "Line 2: 'yesterday' is not a date", "timestamp"),
        (["timestamp,count", "2026-02-30,1"], "Line 2: '2026-02-30' is not a date", "timestamp"),
        (
            ["timestamp,count", f"{STAMP},1", f"{NEXT},-1"],
            "Line 3: the count -1 is negative",
            "count",
        ),
        (["timestamp,count", f"{STAMP},many"], "Line 2: the count 'many' is not a whole", "count"),
        (["timestamp,count", f"{STAMP},3.5"], "Line 2: the count '3.5' is not a whole", "count"),
        (["timestamp,count", f"{STAMP},nan"], "Line 2: the count 'nan' is not a whole", "count"),
        (["timestamp,count", f"{STAMP},inf"], "Line 2: the count 'inf' is not a whole", "count"),
        (["timestamp,count", f"{STAMP},1e15"], "Line 2: the count 1e15 is too large", "count"),
        (["timestamp,count", f"{STAMP},1,2"], "Line 2: 3 fields instead of 2", "file"),
        (["timestamp,count", STAMP], "Line 2: 1 fields instead of 2", "file"),
        (
            ["timestamp,count", f"{NEXT},1", f"{STAMP},1"],
            "Line 3: .* does not come after",
            "timestamp",
        ),
        (
            ["timestamp,count", f"{STAMP},1", f"{STAMP},1"],
            "Line 3: .* does not come after",
            "timestamp",
        ),
        (
            ["timestamp,count", f"{STAMP},1", f"{NEXT},1", f"{STAMP},1"],
            "Line 4: .* does not come after .* of line 3",
            "timestamp",
        ),
        (
            ["timestamp,count", "2026-01-05,1", "2026-01-12,1"],
            "Line 3: .* from 1 minute to 1 day",
            "bucket",
        ),
        (
            ["timestamp,count", f"{STAMP},1", f"{NEXT},1", "2026-01-05 00:07:00,1"],
            "Line 4: .* no multiple of 0:05:00",
            "timestamp",
        ),
        (
            ["timestamp,count", f"{STAMP},1", f"{NEXT}+09:00,1"],
            "Line 3: some timestamps have a time zone offset",
            "timestamp",
        ),
        (["timestamp,count", f'"{STAMP},1' + "x" * 140_000], "Line 2: field larger", "file"),
    ],
)
def test_nonsense_is_refused_by_line(lines: list[str], message: str, field: str) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        list(detect_rows(lines))
    assert caught.value.field == field


def test_rows_before_the_bad_line_are_out() -> None:
    rows = detect_rows(["timestamp,count", f"{STAMP},1", f"{NEXT},1", "x,1"])
    assert [next(rows)[:19] for _ in range(3)] == [OUTPUT_HEADER[:19], STAMP, NEXT]
    with pytest.raises(InvalidInput, match="Line 4"):
        next(rows)


def test_bucket_option_is_checked() -> None:
    with pytest.raises(InvalidInput, match="--bucket is 7 days"):
        list(detect_rows(["timestamp,count"], bucket=timedelta(days=7)))
