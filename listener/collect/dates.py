"""Dates as sources write them, with how exactly they tell. Pure.

A date without a zone is taken for UTC unless the caller knows the zone of the place: guessing a
publisher's would be wrong as often as right, and always by hours.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
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
_ZONE_TOLD = re.compile(r"(?:[+-]\d{4}|[A-Za-z]{1,5})\s*(?:\(.*\))?\Z")
_HALF = re.compile(r"\b[ap]\.?m\b", re.IGNORECASE)
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

# --- as pages show them --------------------------------------------------------------------------

_AROUND = re.compile(
    r"(?:작성일시?|작성\s?날짜|등록일시?|게시일|입력|수정|날짜|일시|올린\s?날|기사입력|최종수정"
    r"|posted(?:\s+on)?|published(?:\s+on)?|reviewed(?:\s+on|\s+in .{2,40} on)?|written(?:\s+on)?"
    r"|updated|edited|joined|date|on)\s*[:：]?(?=\s|\d|\Z)",
    re.IGNORECASE,
)
_COUNT = r"(?P<count>\d{1,4}|an?|one|two|three|a few|few|한|두|몇)"
_UNITS: dict[str, timedelta] = {
    "초": timedelta(seconds=1), "sec": timedelta(seconds=1), "s": timedelta(seconds=1),
    "분": timedelta(minutes=1), "min": timedelta(minutes=1), "m": timedelta(minutes=1),
    "시간": timedelta(hours=1), "hour": timedelta(hours=1), "hr": timedelta(hours=1),
    "h": timedelta(hours=1),
    "일": timedelta(days=1), "day": timedelta(days=1), "d": timedelta(days=1),
    "주": timedelta(days=7), "주일": timedelta(days=7), "week": timedelta(days=7),
    "w": timedelta(days=7), "wk": timedelta(days=7),
    "개월": timedelta(days=30), "달": timedelta(days=30), "month": timedelta(days=30),
    "mo": timedelta(days=30),
    "년": timedelta(days=365), "year": timedelta(days=365), "yr": timedelta(days=365),
    "y": timedelta(days=365),
}  # fmt: skip
_COUNTS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "한": 1, "두": 2}  # "a few": 3
_AGO = re.compile(
    rf"(?:about |약 |over |almost )?{_COUNT}\s*(?P<unit>주일|시간|개월|초|분|일|주|달|년)\s*전"
    rf"|(?:about |over |almost )?{_COUNT.replace('count', 'n')}\s*(?P<u>sec|second|min|minute|hour"
    r"|hr|day|week|wk|month|mo|year|yr|[smhdwy])s?\.?\s*ago",
    re.IGNORECASE,
)
_NOW_WORDS = re.compile(
    r"(?:방금|지금|조금|잠시)(?:\s?전)?|just now|now|moments? ago", re.IGNORECASE
)
_NAMED = re.compile(
    r"(?P<name>오늘|어제|그저께|그제|엊그제|today|yesterday)\s*(?:at|,)?\s*(?P<clock>.*)",
    re.IGNORECASE,
)
_DAYS_BACK = {"오늘": 0, "today": 0, "어제": 1, "yesterday": 1, "그저께": 2, "그제": 2, "엊그제": 2}
_TIME = r"""(?P<half>오전|오후|AM|PM)?\s*(?P<hour>\d{1,2})\s*(?::|시)\s*(?P<minute>\d{1,2})?\s*분?
    (?::(?P<second>\d{1,2}))?\s*(?P<late>AM|PM|a\.m\.|p\.m\.)?"""
_TIME_ONLY = re.compile(_TIME + r"\Z", re.VERBOSE | re.IGNORECASE)
_MONTHS = {
    name: number
    for number, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)
}
_MONTH = r"(?P<month>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_ENGLISH = re.compile(
    rf"(?:\b{_MONTH}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?|\b(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\s+"
    rf"{_MONTH.replace('month', 'mon')})(?:,?\s+'?(?P<year>\d{{4}}))?(?![\d:])"
    rf"(?:\s*(?:,|at|-|·|@)?\s*(?P<clock>\d{{1,2}}:\d{{2}}(?::\d{{2}})?\s*(?:AM|PM)?))?",
    re.IGNORECASE,
)
# 25.03.09 · 25-03-09 15:20 · 03-09 · 03.09 15:20 · 3월 9일
_SHORT = re.compile(
    r"""(?<![A-Za-z\d.])(?:(?P<year>\d{2})\s*[-./]\s*(?=\d{1,2}\s*[-./]))?
    (?P<month>\d{1,2})\s*(?:[-./]|월)\s*(?P<day>\d{1,2})(?:\s*일)?\.?(?![\d])
    (?:\s*\(?[월화수목금토일]?\)?\s*(?P<clock>(?:오전|오후)?\s*\d{1,2}:\d{2}(?::\d{2})?\s*(?:AM|PM)?))?""",
    re.VERBOSE | re.IGNORECASE,
)
# A full date somewhere in a line: "김하늘 · 2025-03-09 15:20 · 조회 31"
_INSIDE = re.compile(
    r"\d{4}-\d{2}-\d{2}T[\d:.]+(?:Z|[+-]\d{2}:?\d{2})?"
    r"|\d{4}\s*(?:[-./]|년)\s*\d{1,2}\s*(?:[-./]|월)\s*\d{1,2}(?:\s*[일.])?"
    r"(?:\s*\(?[월화수목금토일](?:요일)?\)?(?=[\s,]))?"
    r"(?:[\s,]*(?:오전|오후|AM|PM)?\s*\d{1,2}\s*(?::|시)\s*\d{1,2}\s*분?(?::\d{1,2})?(?:\s*(?:AM|PM))?)?",
    re.IGNORECASE,
)


def read_date(text: str | None, zone: tzinfo = UTC) -> Dated:
    """Read a date: (UTC, EXACT), (midnight UTC of the day, DAY) or (None, NONE).

    Knows ISO 8601, RFC 822 with two-digit years and zone names, and Korean ways of writing, with
    오전 and 오후. A time without a zone is one of ``zone``. What is no date, or lies before 1990 or
    after 2200, is none.
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
    return _told(moment, zone, is_exact=bool(_CLOCK.search(text)))


def read_shown_date(text: str | None, now: datetime, zone: tzinfo = UTC) -> tuple[Dated, bool]:
    """Read a date as web pages show it to people, and whether it stands still.

    Beyond ``read_date``: "3시간 전", "어제 15:20", "2 days ago", "yesterday at 3:05 pm"; a time
    alone (boards show it for today); a day without its year, which is the last such day; two-digit
    years ("25.03.09"); English months before or after the day. Words around it ("작성일",
    "Posted on") are passed over. A date counted from ``now`` moves with it: (date, False); an id
    must not be made of that. Hours and minutes ago are EXACT within that unit, longer spans tell
    the DAY.
    """
    text = " ".join((text or "").split())[:200]
    text = _AROUND.sub("", text).strip(" :·|,-")
    if not text:
        return NOTHING, False
    local = now.astimezone(zone)
    for read in (_ago, _named_day):
        dated = read(text, local)
        if dated is not None:
            return dated, False
    for candidate in (text, *(found.group().strip() for found in _INSIDE.finditer(text))):
        told = read_date(candidate, zone)
        if told[0] is not None:
            return told, True
    for look in (_english, _short, _clock_alone):
        found = look(text, local)
        if found is not None:
            return found, look is not _clock_alone
    return NOTHING, False


def _told(moment: datetime, zone: tzinfo, *, is_exact: bool) -> Dated:
    """The moment in UTC; for a day its own date, whatever the zone makes of its midnight."""
    if not is_exact:
        moment = moment.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC)
    try:
        moment = moment.replace(tzinfo=zone) if moment.tzinfo is None else moment
        moment = moment.astimezone(UTC)
    except (OverflowError, ValueError):
        return NOTHING
    if not OLDEST <= moment <= NEWEST:
        return NOTHING
    return moment, Precision.EXACT if is_exact else Precision.DAY


def _iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _numbers(text: str) -> datetime | None:
    found = _NUMBERS.match(text)
    if not found:
        return None
    hour = _hour(int(found["hour"] or 0), found["half"] or found["late"])
    try:
        return datetime(
            int(found["year"]),
            int(found["month"]),
            int(found["day"]),
            hour,
            int(found["minute"] or 0),
            int(found["second"] or 0),
            tzinfo=_zone(found["zone"]) if found["zone"] else None,
        )
    except ValueError:
        return None


def _hour(hour: int, half: str | None) -> int:
    """An hour of 24, of one that may be written with its half of the day."""
    half = (half or "").upper()
    if half in ("PM", "오후") and hour < 12:
        return hour + 12
    return 0 if half in ("AM", "오전") and hour == 12 else hour


def _zone(text: str | None) -> timezone:
    text = (text or "").upper().replace(":", "")
    if text[:1] in ("+", "-"):
        offset = timedelta(hours=int(text[1:3]), minutes=int(text[3:5]))
        return timezone(offset if text[0] == "+" else -offset)
    return timezone(timedelta(hours=_ZONES.get(text, 0)))


def _mail(text: str) -> datetime | None:
    """RFC 822, as mail and RSS write it."""
    if _HALF.search(text):  # mail counts to 24; its reader takes "PM" for a zone
        return None
    name = _ZONE_NAME.search(text)
    if name and name[1] in _ZONES:
        text = f"{text[: name.start()]}{_ZONES[name[1]]:+03d}00"
    if not _CLOCK.search(text):
        text += " 00:00"
    try:
        parts = parsedate_tz(text)
        if parts is None:
            return None
        zone = timezone(timedelta(seconds=parts[9] or 0)) if _ZONE_TOLD.search(text) else None
        return datetime(*parts[:6], tzinfo=zone)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _ago(text: str, now: datetime) -> Dated | None:
    if _NOW_WORDS.fullmatch(text):
        return now.astimezone(UTC), Precision.EXACT
    found = _AGO.search(text)
    if found is None:
        return None
    word = (found["count"] or found["n"]).lower()
    unit = (found["unit"] or found["u"]).lower()
    unit = {"second": "sec", "minute": "min"}.get(unit, unit)
    count = int(word) if word.isdecimal() else _COUNTS.get(word, 3)
    span = _UNITS[unit]
    moment = now - count * span
    return _told(moment, UTC, is_exact=span < timedelta(days=1))


def _named_day(text: str, now: datetime) -> Dated | None:
    found = _NAMED.search(text)
    if found is None:
        return None
    day = now - timedelta(days=_DAYS_BACK[found["name"].lower()])
    return _at(day, found["clock"])


def _clock_alone(text: str, now: datetime) -> Dated | None:
    """A time of today; one that is still to come was yesterday's."""
    if not _TIME_ONLY.match(text):
        return None
    dated = _at(now, text)
    if dated is not None and dated[0] is not None and dated[0] > now + timedelta(minutes=10):
        return dated[0] - timedelta(days=1), dated[1]
    return dated


def _english(text: str, now: datetime) -> Dated | None:
    found = _ENGLISH.search(text)
    if found is None:
        return None
    month = _MONTHS[(found["month"] or found["mon"]).lower()]
    day = int(found["day"] or found["d"])
    return _on(now, found["year"], month, day, found["clock"])


def _short(text: str, now: datetime) -> Dated | None:
    found = _SHORT.search(text)
    if found is None:
        return None
    year = f"20{found['year']}" if found["year"] else None
    return _on(now, year, int(found["month"]), int(found["day"]), found["clock"])


def _on(now: datetime, year: str | None, month: int, day: int, clock: str | None) -> Dated | None:
    """A day, of the last year in which it lies behind us where none is told."""
    years = [int(year)] if year else [now.year, now.year - 1]
    for one in years:
        try:
            start = now.replace(year=one, month=month, day=day)
        except ValueError:
            continue
        if year or start.date() <= now.date() + timedelta(days=1):
            return _at(start, clock)
    return None


def _at(day: datetime, clock: str | None) -> Dated | None:
    """A day of a place with a time of day, if there is one."""
    found = _TIME_ONLY.match((clock or "").strip())
    if found is None:
        return _told(day, UTC, is_exact=False)
    late = (found["late"] or "").replace(".", "")
    hour = _hour(int(found["hour"]), found["half"] or late)
    try:
        moment = day.replace(
            hour=hour,
            minute=int(found["minute"] or 0),
            second=int(found["second"] or 0),
            microsecond=0,
        )
    except ValueError:
        return None
    return _told(moment, UTC, is_exact=True)
