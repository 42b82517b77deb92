"""``listener detect FILE.csv``: a CSV of counts in, the same rows with verdicts out."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import chain
from typing import NamedTuple

from listener.detect.calendar import Calendar, holidays_of
from listener.detect.policy import LONGEST_STEP, SHORTEST_STEP, Policy
from listener.detect.spike import Detector
from listener.errors import InvalidInput
from listener.types import Coverage

HEADER = ("timestamp", "count")
OUTPUT_HEADER = "timestamp,count,expected,score,is_spike"
MAX_DIGITS = 12
MAX_COUNT = 10**MAX_DIGITS
ONE_ROW_STEP = timedelta(minutes=5)  # a single row tells no step; its verdict is the same for any
ON_GRID = 0.1  # buckets that a row may be off: days of 23 and 25 hours, seconds of delay
EXAMPLE = "Example: 2026-01-05 00:05:00,3"


NEEDS_QUOTES = re.compile(r"[,\"\r\n]").search


class _Row(NamedTuple):
    line: int
    stamp: str
    text: str
    at: datetime  # aware: stamps without an offset are taken as if in UTC, and never converted
    value: int | None
    naive: bool  # the stamp had no offset


def detect_rows(
    lines: Iterable[str],
    bucket: timedelta | None = None,
    *,
    tz: tzinfo | None = None,
    policy: Policy | None = None,
    holidays: str | None = None,
) -> Iterator[str]:
    """Judge a CSV row by row; yields lines without line ends, the header first.

    Input: a header ``timestamp,count``, then buckets of fixed length in ascending order; an empty
    count was not collected, and so are rows left out. ``bucket`` is the length of a bucket; by
    default the distance of the first two rows. ``expected`` is of the bucket, ``score`` is -log10
    of how many such surprises 30 days bring (-9 = not judged: warm-up or not collected),
    ``is_spike`` is 0 or 1. Streaming: what is yielded for a row depends on the rows up to it alone
    (and, for the first, on the step). Stamps without an offset are local time as they stand; those
    with one are seen in ``tz``, or as they stand where that is None. ``holidays`` is a country
    whose public holidays are expected to be like Sundays. Raises InvalidInput that names the line.
    """
    if bucket is not None:
        _check_step(bucket, "--bucket")
    rows = _rows(lines)
    yield OUTPUT_HEADER
    first = next(rows, None)
    if first is None:
        return
    waiting = [first]
    if bucket is None:
        second = next(rows, None)
        if second is not None:
            waiting.append(second)
            _check_ascending(second, first)
            bucket = second.at - first.at
            _check_step(bucket, f"Line {second.line}: the distance of the first two rows")
    step = bucket or ONE_ROW_STEP
    zone = None if first.naive else tz
    calendar = Calendar(holidays_of(holidays), tz=zone) if holidays else None
    detector = Detector(replace(policy or Policy(), step=step), zone, calendar)
    last: _Row | None = None
    for row in chain(waiting, rows):
        if last is not None and row.at - last.at != step:
            _check_place(row, last, step)
        yield _judge(detector, row)
        last = row


def _judge(detector: Detector, row: _Row) -> str:
    _, stamp, text, at, count, _ = row
    coverage = Coverage.UNKNOWN if count is None else Coverage.COMPLETE
    expected, score, _ = detector.judge(at, count, coverage)
    return f"{stamp},{text},{expected:.4f},{score:.4f},{'1' if detector.is_spike else '0'}"


def _rows(lines: Iterable[str]) -> Iterator[_Row]:
    """Parse and check each line for itself."""
    reader = csv.reader(lines)
    _check_header(reader)
    naive: bool | None = None
    try:
        for fields in reader:
            if not fields:
                continue
            line = reader.line_num
            if len(fields) != len(HEADER):
                raise InvalidInput(
                    f"Line {line}: {len(fields)} fields instead of 2.", field="file", hint=EXAMPLE
                )
            stamp, text = fields
            at, is_naive = _moment(stamp, line, naive)
            if naive is None:
                naive = is_naive
            elif naive is not is_naive:
                raise InvalidInput(
                    f"Line {line}: some timestamps have a time zone offset and some have none.",
                    field="timestamp",
                )
            if text.isdecimal() and len(text) <= MAX_DIGITS:
                count: int | None = int(text)
            else:
                count = _count(text, line)
                text = _quoted(text)
            yield _Row(line, _quoted(stamp), text, at, count, naive)
    except csv.Error as error:
        raise InvalidInput(f"Line {reader.line_num}: {error}.", field="file") from None


def _check_header(reader: Iterator[list[str]]) -> None:
    try:
        fields = next(reader)
    except StopIteration:
        raise InvalidInput(
            "The file is empty.", field="file", hint=f"It starts with: {','.join(HEADER)}"
        ) from None
    except csv.Error as error:
        raise InvalidInput(f"Line 1: {error}.", field="file") from None
    names = [name.strip().strip('\ufeff"').lower() for name in fields]
    if names != list(HEADER):
        raise InvalidInput(
            f"Line 1: the header must be {','.join(HEADER)!r}, not {','.join(fields)[:80]!r}.",
            field="file",
            hint="Put that line first, separated by a comma; then one bucket a line. " + EXAMPLE,
        )


def _moment(stamp: str, line: int, naive: bool | None) -> tuple[datetime, bool]:
    """The aware time of a stamp, and whether it had no offset. ``naive`` is what the last one had:
    the zone is then parsed along, which takes half as long as setting it."""
    if naive:
        try:
            at = datetime.fromisoformat(stamp + "+00:00")
        except ValueError:  # it has an offset, or blanks around it, or is none
            at = _stamp(stamp, line)
        if at.tzinfo is UTC:  # a date alone takes the offset for a time of day
            return at, True
    at = _stamp(stamp, line)
    return (at.replace(tzinfo=UTC), True) if at.tzinfo is None else (at, False)


def _stamp(text: str, line: int) -> datetime:
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        raise InvalidInput(
            f"Line {line}: {text[:40]!r} is not a date and time.", field="timestamp", hint=EXAMPLE
        ) from None


def _count(text: str, line: int) -> int | None:
    if not text.strip():
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number != int(number):
        raise InvalidInput(
            f"Line {line}: the count {text[:40]!r} is not a whole number.",
            field="count",
            hint="Leave it empty where nothing was collected.",
        )
    if not 0 <= number <= MAX_COUNT:
        what = "negative" if number < 0 else "too large"
        raise InvalidInput(f"Line {line}: the count {text[:40]} is {what}.", field="count")
    return int(number)


def _quoted(text: str) -> str:
    """The field as it was, quoted again where it has to be."""
    if not NEEDS_QUOTES(text):
        return text
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow([text])
    return out.getvalue()


def _check_ascending(row: _Row, last: _Row) -> None:
    if row.at <= last.at:
        raise InvalidInput(
            f"Line {row.line}: {row.stamp} does not come after {last.stamp} of line {last.line}.",
            field="timestamp",
            hint="Sort the rows, one row a bucket. Where clocks go back, add an offset (+09:00).",
        )


def _check_place(row: _Row, last: _Row, step: timedelta) -> None:
    """Rows ascend and stand on the grid of the step."""
    _check_ascending(row, last)
    passed = row.at - last.at
    buckets = passed / step
    if abs(buckets - round(buckets)) > ON_GRID or round(buckets) < 1:
        raise InvalidInput(
            f"Line {row.line}: {row.stamp} is {passed} after the last row, no multiple of {step}.",
            field="timestamp",
            hint="Buckets have a fixed length: the distance of the first two rows, or --bucket.",
        )


def _check_step(step: timedelta, what: str) -> None:
    if not SHORTEST_STEP <= step <= LONGEST_STEP:
        raise InvalidInput(
            f"{what} is {step}; buckets last from 1 minute to 1 day.",
            field="bucket",
            hint="Give it with --bucket.",
        )
