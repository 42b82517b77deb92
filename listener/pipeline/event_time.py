"""When detection counts a mention whose source tells only the day of it, or nothing at all.

Such mentions must not pile up: not at the moment of the poll that brought them, which after an
outage would look like a spike, nor at midnight. They are spread evenly over the time they can come
from.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from listener.types import Mention, Precision

Interval = tuple[datetime, datetime]


def event_times(
    mentions: Sequence[Mention], *, covered_to: datetime | None, now: datetime, zone: ZoneInfo
) -> list[datetime]:
    """One time for each mention, in UTC, never later than now.

    An exact date is the time. Without a date it is spread over (covered_to, now], the time since
    the watch last saw everything. With a day only, over the part of that day (in ``zone``) that
    lies in that interval, or over the whole day if none does. On a watch's first run
    (``covered_to`` None) the interval is unknown: a day is spread over itself, and without a date
    it is now.
    """
    times = [m.event_at or now for m in mentions]
    groups: dict[date | None, list[int]] = {}
    for at, mention in enumerate(mentions):
        if mention.published_precision is Precision.DAY and mention.published_at is not None:
            groups.setdefault(mention.published_at.astimezone(zone).date(), []).append(at)
        elif mention.event_at is None:
            groups.setdefault(None, []).append(at)
    since = None if covered_to is None else (min(covered_to, now), now)
    for day, members in groups.items():
        interval = (since or (now, now)) if day is None else _within(_day(day, zone), since, now)
        for member, moment in zip(members, spread(interval, len(members)), strict=True):
            times[member] = moment
    return times


def spread(interval: Interval, count: int) -> list[datetime]:
    """``count`` moments in the middle of equal parts of the interval."""
    start, end = interval
    part = (end - start) / max(count, 1)
    return [start + part * at + part / 2 for at in range(count)]


def _day(day: date, zone: ZoneInfo) -> Interval:
    start = datetime.combine(day, time(), zone).astimezone(UTC)
    end = datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)
    return start, end - timedelta(microseconds=1)


def _within(day: Interval, since: Interval | None, now: datetime) -> Interval:
    """The part of a day that mentions first seen now can come from."""
    start, end = min(day[0], now), min(day[1], now)
    if since is not None and max(start, since[0]) < end:
        return max(start, since[0]), end
    return start, end
