"""When people may be told: quiet hours, days off, storms, reminders. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from listener.types import Rule, Severity

STORM_ALERTS = 5  # that many in an hour are told to a channel one by one …
STORM_HOUR = timedelta(hours=1)
STORM_DIGEST = timedelta(minutes=10)  # … the others together, so often
EAGER = 3  # reminders at the pace of the rule; then each takes twice as long
SLOWEST = timedelta(days=1)
_SATURDAY = 5
_LOOK_AHEAD = 60  # days; nowhere are so many off in a row


def no_holiday(day: date) -> bool:
    """Where no country is set, no day is a holiday."""
    return False


@dataclass(frozen=True, slots=True)
class Hours:
    """Where times of day are meant, and which days are public holidays there."""

    tz: tzinfo = UTC
    is_holiday: Callable[[date], bool] = no_holiday

    def quiet_until(self, rule: Rule, now: datetime) -> datetime | None:
        """When the rule may tell again, in UTC; None = now.

        Quiet hours are read on the clock on the wall: where it is put back, the hour that comes
        twice is quiet twice, and an end that is skipped is the moment of the jump.
        """
        at = now
        for _ in range(_LOOK_AHEAD):
            later = self._end_of_day_off(rule, at) or self._end_of_quiet(rule, at)
            if later is None:
                return None if at == now else at
            at = later
        return at

    def _end_of_day_off(self, rule: Rule, at: datetime) -> datetime | None:
        if not rule.working_days:
            return None
        day = at.astimezone(self.tz).date()
        if day.weekday() < _SATURDAY and not self.is_holiday(day):
            return None
        return self._moment(day + timedelta(days=1), 0, after=at)

    def _end_of_quiet(self, rule: Rule, at: datetime) -> datetime | None:
        begin, end = rule.quiet_from, rule.quiet_to
        if begin is None or end is None or begin == end:
            return None
        local = at.astimezone(self.tz)
        minute = local.hour * 60 + local.minute
        if begin < end:
            return self._moment(local.date(), end, after=at) if begin <= minute < end else None
        if minute >= begin:
            return self._moment(local.date() + timedelta(days=1), end, after=at)
        return self._moment(local.date(), end, after=at) if minute < end else None

    def _moment(self, day: date, minute: int, *, after: datetime) -> datetime:
        """That time of day in UTC; of one that comes twice the first that is not past."""
        wall = datetime.combine(day, time(minute // 60, minute % 60), tzinfo=self.tz)
        first = wall.astimezone(UTC)
        return first if first > after else wall.replace(fold=1).astimezone(UTC)


def hold_until(
    rules: Collection[Rule], severity: Severity, now: datetime, hours: Hours
) -> datetime | None:
    """Until when a message that these rules send to a channel has to wait; None = it goes out.

    One rule that may tell now is enough. High severity never waits, and neither does a message that
    no rule sends any more.
    """
    if severity is Severity.HIGH or not rules:
        return None
    ends = [hours.quiet_until(rule, now) for rule in rules]
    waiting = [end for end in ends if end is not None]
    return min(waiting) if len(waiting) == len(ends) else None


def storm_until(
    alert_id: int, told: Collection[int], next_due: datetime | None, now: datetime
) -> datetime | None:
    """Until when a message to a channel waits for others to make a digest with; None = no storm.

    ``told`` are the alerts of which the channel got messages of their own within ``STORM_HOUR``:
    those go on one by one. ``next_due`` is when something else is held for it.
    """
    if alert_id in told or len(told) < STORM_ALERTS:
        return None
    latest = now + STORM_DIGEST
    return next_due if next_due is not None and now < next_due <= latest else latest


def reminder_at(
    every: timedelta | None,
    *,
    reminders: int,
    told_at: datetime | None,
    waiting_since: datetime | None,
    snoozed_until: datetime | None,
) -> datetime | None:
    """When to remind of an alert next; None = never.

    ``every`` is the pace of its most eager rule, ``reminders`` how many were sent since somebody
    was asked for. The first three keep the pace, then each pause is twice the one before, up to
    a day. A snooze ends with a reminder, whoever has acknowledged the alert.
    """
    if told_at is None:
        return None
    if snoozed_until is not None and snoozed_until > told_at:
        return snoozed_until
    if every is None or waiting_since is None:
        return None
    doublings = min(max(0, reminders - EAGER + 1), 20)
    pause = min(every * (1 << doublings), max(SLOWEST, every))
    return max(told_at, waiting_since) + pause
