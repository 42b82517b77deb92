"""The life of alerts: from what happened to spikes to what is told, one alert an event. Pure.

The watchdog and backtests take the same way, so that they tell the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from listener.types import Rule, Severity

GROUP = timedelta(hours=6)  # a spike this soon after an alert's end belongs to the same event
ESCALATE = timedelta(hours=1)  # people read the first message, not the tenth
FRESH = timedelta(minutes=10)  # what comes right after the opening is the rest of the same wave

SEVERITIES = tuple(Severity)


class What(StrEnum):
    """What happened to a spike in a look."""

    OPENED = "opened"
    ONGOING = "ongoing"
    ESCALATED = "escalated"  # its excess doubled since that was last said
    REOPENED = "reopened"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpikeNews:
    """A spike as it stands after a look, and what happened to it.

    ``key`` tells spikes apart (a row, or a number in a backtest). ``rules`` are those that want it
    told as it stands; none = it is shown, and calls nobody. ``score`` is its highest so far.
    """

    key: int
    dimension: str
    onset_at: datetime
    score: float
    observed: float
    expected: float
    severity: Severity
    what: What
    trend: bool = False
    is_open: bool = True
    resolved_at: datetime | None = None
    rules: tuple[Rule, ...] = ()

    @property
    def calls(self) -> bool:
        """Whether some rule would tell somebody of it."""
        return any(calls_somebody(rule) for rule in self.rules)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A spike in an alert. ``wanted`` = a rule that tells somebody wanted it once."""

    key: int
    dimension: str
    onset_at: datetime
    noticed_at: datetime
    resolved_at: datetime | None = None
    trend: bool = False
    wanted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertState:
    """An alert as it stands. ``scores`` are the highest at which each rule wanted it.

    ``grown_at`` = it grew, and that has not been told yet. ``closed`` = people said that it is
    false or planned: only what is more severe is told of it any more.
    """

    key: int
    opened_at: datetime
    severity: Severity
    members: tuple[Member, ...] = ()
    scores: Mapping[int, float] = field(default_factory=dict)
    resolved_at: datetime | None = None
    escalated_at: datetime | None = None  # the last time that growth was told
    grown_at: datetime | None = None
    snoozed_until: datetime | None = None
    closed: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return self.resolved_at is None

    def holds(self, key: int) -> bool:
        """Whether a spike is in it."""
        return any(member.key == key for member in self.members)

    def has(self, dimension: str) -> bool:
        """Whether a spike of that series is in it."""
        return any(member.dimension == dimension for member in self.members)

    def reaches(self, dimension: str, onset_at: datetime) -> bool:
        """Whether a spike of that series and onset belongs to the same event.

        It does when it began before the last spike of the alert was over for ``GROUP``. A slow
        burn, which may go on for days, is no roof for other series: it reaches ``GROUP`` from when
        it was noticed.
        """
        return any(_reach(member, dimension) >= onset_at for member in self.members)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Something to tell of an alert: that it opened, that it grew (escalated), that it is over."""

    event: str  # alert.opened, alert.escalated or alert.resolved
    key: int
    at: datetime
    severity: Severity


def advance_alerts(
    alerts: Sequence[AlertState], news: Sequence[SpikeNews], *, now: datetime
) -> tuple[list[AlertState], list[Told]]:
    """Take what happened to the spikes of one brand into its alerts.

    ``alerts`` are those that are open or may reopen, in any order; all are given back, new ones
    last, with keys above all others. What is to be told of each comes at most once:

    - a spike that calls somebody joins the alert of the event going on, or opens one; one that
      calls nobody joins, but opens none;
    - growth (the excess of a spike doubled, it rose again, another one joined after ``FRESH``, the
      severity rose) is told at most once in ``ESCALATE``, not within ``FRESH`` of the opening and
      not while the alert is snoozed. What may not be told yet is told later, by a call without
      news as well. A rise to high severity waits for nothing but ``FRESH``;
    - it ends when none of the spikes that called somebody is open any more; a spike that rises
      again, or joins, reopens it.
    """
    book = _Book(alerts, now)
    for one in sorted(news, key=lambda one: not one.calls):  # so that the others find the event
        book.take(one)
    return book.settle()


def calls_somebody(rule: Rule) -> bool:
    """Whether any step of a rule's chain tells anybody."""
    return any(step.channel_ids is None or step.channel_ids for step in rule.steps)


def worst(severities: Iterable[Severity]) -> Severity:
    """The most severe; low when there is none."""
    return max(severities, key=SEVERITIES.index, default=Severity.LOW)


class _Book:
    """The alerts of a brand, while news are taken in."""

    def __init__(self, alerts: Sequence[AlertState], now: datetime) -> None:
        self._now = now
        self._alerts = {alert.key: alert for alert in alerts}
        self._before = dict(self._alerts)

    def take(self, news: SpikeNews) -> None:
        """Put a spike into its alert, as it stands."""
        alert = next((a for a in self._alerts.values() if a.holds(news.key)), None)
        joined = alert is None
        if alert is None and news.is_open:
            alert = self._find(news)
        if alert is None:
            return
        if alert.closed and news.is_open and news.calls and _is_worse(news.severity, alert):
            alert = replace(alert, closed=False)
        alert = _with(alert, news, self._now)
        if news.calls and news.is_open and not alert.closed:
            alert = self._called(alert, news, joined=joined)
        self._alerts[alert.key] = alert

    def _find(self, news: SpikeNews) -> AlertState | None:
        """The alert that a new spike belongs to: of those that reach it one that has its series,
        else the latest; or a new one.
        """
        fitting = [
            alert
            for alert in self._alerts.values()
            if (alert.is_open or news.calls) and alert.reaches(news.dimension, news.onset_at)
        ]
        if fitting:
            return max(fitting, key=lambda a: (a.has(news.dimension), a.opened_at, a.key))
        if not news.calls:
            return None
        key = max(self._alerts, default=0) + 1
        return AlertState(key=key, opened_at=self._now, severity=news.severity)

    def _called(self, alert: AlertState, news: SpikeNews, *, joined: bool) -> AlertState:
        """The alert after a spike in it that some rule wants told."""
        scores = dict(alert.scores)
        for rule in news.rules:
            scores[rule.id] = max(news.score, scores.get(rule.id, news.score))
        before = self._before.get(alert.key)
        grew = news.what in (What.ESCALATED, What.REOPENED) or (
            joined and self._now - alert.opened_at >= FRESH
        )
        grew = grew or not alert.is_open
        rose = before is not None and _is_worse(news.severity, alert)
        return replace(
            alert,
            scores=scores,
            severity=worst((alert.severity, news.severity)),
            resolved_at=None,
            grown_at=(alert.grown_at or self._now) if before and (grew or rose) else alert.grown_at,
        )

    def settle(self) -> tuple[list[AlertState], list[Told]]:
        """The alerts, and what is to be told, once all news are in."""
        told: list[Told] = []
        for alert in list(self._alerts.values()):
            if alert.key not in self._before:
                told.append(self._telling("alert.opened", alert))
            if alert.is_open and not any(m.wanted and not m.resolved_at for m in alert.members):
                alert = replace(alert, resolved_at=self._now, grown_at=None, snoozed_until=None)
                told.append(self._telling("alert.resolved", alert))
            elif alert.is_open and alert.grown_at is not None and self._may_escalate(alert):
                alert = replace(alert, escalated_at=self._now, grown_at=None, snoozed_until=None)
                told.append(self._telling("alert.escalated", alert))
            self._alerts[alert.key] = alert
        return list(self._alerts.values()), told

    def _may_escalate(self, alert: AlertState) -> bool:
        if self._now - alert.opened_at < FRESH:
            return False
        if alert.severity is Severity.HIGH and _is_worse(Severity.HIGH, self._before[alert.key]):
            return True
        if alert.snoozed_until is not None and self._now < alert.snoozed_until:
            return False
        return alert.escalated_at is None or self._now - alert.escalated_at >= ESCALATE

    def _telling(self, event: str, alert: AlertState) -> Told:
        return Told(event=event, key=alert.key, at=self._now, severity=alert.severity)


def _with(alert: AlertState, news: SpikeNews, now: datetime) -> AlertState:
    """The alert with the spike in it as it stands."""
    had = next((member for member in alert.members if member.key == news.key), None)
    member = Member(
        key=news.key,
        dimension=news.dimension,
        onset_at=news.onset_at,
        noticed_at=had.noticed_at if had else now,
        resolved_at=None if news.is_open else news.resolved_at or now,
        trend=news.trend,
        wanted=news.calls or (had is not None and had.wanted),
    )
    others = tuple(one for one in alert.members if one.key != news.key)
    return replace(alert, members=(*others, member))


def _is_worse(severity: Severity, alert: AlertState) -> bool:
    return SEVERITIES.index(severity) > SEVERITIES.index(alert.severity)


def _reach(member: Member, dimension: str) -> datetime:
    """Until when a spike of that series may begin to belong to the same event."""
    if member.trend and member.dimension != dimension:
        return member.noticed_at + GROUP
    if member.resolved_at is None:
        return datetime.max.replace(tzinfo=UTC)
    return member.resolved_at + GROUP
