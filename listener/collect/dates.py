"""Dates as sources write them, with how exactly they tell. Pure.

A date without a zone is taken for UTC: guessing a publisher's zone would be wrong as often as
right, and always by hours.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_tz

from listener.types import Precision

Dated = tuple[datetime | None, Precision]

NOTHING: Dated = (None, Precision.NONE)
OLDEST = datetime(1990, 1, 1, tzinfo=UTC)  # before that it is an epoch of 0 or a form left empty
NEWEST = datetime(2200, 1, 1, tzinfo=UTC)

# Zone names that mail never knew but feeds use; the American ones are in the standard library.
_ZONES = {
    "KST": 9, "JST": 9, "HKT": 8, "SGT": 8, "PHT": 8, "WIB": 7, "ICT": 7, "AEST": 10, "AEDT": 11,
    "CET": 1, "CEST": 2, "EET": 2, "EEST": 3, "MSK": 3, "BST": 1, "WET": 0, "WEST": 1,
}  # fmt: skip
_ZONE_NAME = re.compile(r"\b([A-Z]{3,4})\s*\Z")
_CLOCK = re.compile(r"\d{1,2}\s*:\s*\d{2}|\d[T ]\d{4,6}(?!\d)|\d시")
# 2026년 11월 21일 오후 3시 5분 · 2026. 11. 21. 15:05 · 2026/11/21 15:05:30 +0900
_NUMBERS = re.compile(
    r"""(?P<year>\d{4})\s*(?:[-./]|년)\s*(?P<month>\d{1,2})\s*(?:[-./]|월)\s*
    (?P<day>\d{1,2})\s*[일.]?\s*
    (?:\(?[월화수목금토일](?:요일)?\)?\s*)?
    (?:[T,]?\s*(?P<half>오전|오후|AM|PM)?\s*
       (?P<hour>\d{1,2})\s*(?::|시)\s*(?:(?P<minute>\d{1,2})\s*분?)?
       (?:\s*:?\s*(?P<second>\d{1,2})(?:[.,]\d+)?\s*초?)?
       \s*(?P<late>AM|PM)?\s*(?P<zone>Z|UTC|GMT|KST|[+-]\d{2}:?\d{2})?)?\s*\Z""",
    re.VERBOSE | re.IGNORECASE,
)


def read_date(text: str | None) -> Dated:
    """Read a date: (UTC, EXACT), (midnight UTC of the day, DAY) or (None, NONE).

    Knows ISO 8601, RFC 822 with two-digit years and zone names, and Korean ways of writing, with
    오전 and 오후. What is no date, or lies before 1990 or after 2200, is none.
    """
    text = (text or "").strip()
    if not text or len(text) > 100:
        return NOTHING
    for read in (_iso, _numbers, _mail):
        moment = read(text)
        if moment is not None:
            break
    else:
        return NOTHING
    try:
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        return NOTHING
    if not OLDEST <= moment <= NEWEST:
        return NOTHING
    if _CLOCK.search(text):
        return moment, Precision.EXACT
    return moment.replace(hour=0, minute=0, second=0, microsecond=0), Precision.DAY


def _iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _numbers(text: str) -> datetime | None:
    found = _NUMBERS.match(text)
    if not found:
        return None
    hour = int(found["hour"] or 0)
    half = (found["half"] or found["late"] or "").upper()
    if half in ("PM", "오후") and hour < 12:
        hour += 12
    elif half in ("AM", "오전") and hour == 12:
        hour = 0
    try:
        return datetime(
            int(found["year"]),
            int(found["month"]),
            int(found["day"]),
            hour,
            int(found["minute"] or 0),
            int(found["second"] or 0),
            tzinfo=_zone(found["zone"]),
        )
    except ValueError:
        return None


def _zone(text: str | None) -> timezone:
    text = (text or "").upper().replace(":", "")
    if text[:1] in ("+", "-"):
        offset = timedelta(hours=int(text[1:3]), minutes=int(text[3:5]))
        return timezone(offset if text[0] == "+" else -offset)
    return timezone(timedelta(hours=_ZONES.get(text, 0)))


def _mail(text: str) -> datetime | None:
    """RFC 822, as mail and RSS write it."""
    name = _ZONE_NAME.search(text)
    if name and name[1] in _ZONES:
        text = f"{text[: name.start()]}{_ZONES[name[1]]:+03d}00"
    if not _CLOCK.search(text):
        text += " 00:00"
    try:
        parts = parsedate_tz(text)
        if parts is None:
            return None
        offset = timedelta(seconds=parts[9] or 0)
        return datetime(*parts[:6], tzinfo=timezone(offset))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
