"""From what happened to spikes to alerts and messages: one alert an event, told once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from listener.alert.life import GROUP, AlertState, Member, SpikeNews, What, advance_alerts
from listener.alert.timing import Hours
from listener.detect import catalogue
from listener.detect.lifecycle import Event, Opened, Resolved, SpikeLife
from listener.pipeline.calling import Caller
from listener.store import alerts, rules, spikes
from listener.store.tables import AlertRow, AlertRuleRow, SpikeRow
from listener.store.upsert import insert_update
from listener.types import Brand, By, Rule, Sensitivity, Severity

Explained: TypeAlias = tuple[dict[str, Any], list[int]]  # the explanation, and the mentions


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A series in which something happened; ``row_id`` is the row of its last spike.

    ``rules`` are all that watch it: which of them want the spike is decided here. ``scope`` is the
    filter that selects its mentions. ``severity`` is for single things that say it themselves;
    None = by the size of the spike.
    """

    dimension: str
    by: str = By.POSTS
    sensitivity: str = Sensitivity.NORMAL
    row_id: int | None = None
    rules: tuple[Rule, ...] = ()
    scope: Mapping[str, Any] = field(default_factory=dict)
    severity: Severity | None = None


def news_of(key: int, series: Series, event: Event, *, now: datetime) -> SpikeNews:
    """What happened to a spike as alerts take it, with the rules that want it as it stands."""
    spike = event.spike
    found = {"score": spike.peak_score, "observed": spike.total_observed}
    wanting = tuple(rule for rule in series.rules if catalogue.wants(rule, **found, now=now))
    severity = series.severity
    if severity is None or any(rule.severity for rule in wanting):
        severity = catalogue.severity_of(
            **found, expected=spike.total_expected, trend=spike.trend, rules=wanting
        )
    return SpikeNews(
        key=key,
        dimension=series.dimension,
        onset_at=spike.onset_at,
        expected=spike.total_expected,
        severity=severity,
        what=_what(event),
        trend=spike.trend,
        is_open=spike.is_open and not isinstance(event, Resolved),
        resolved_at=spike.resolved_at,
        rules=wanting,
        **found,
    )


class Teller:
    """Writes what happened to the spikes of a brand, and tells it in one alert an event.

    Call it in the transaction that holds ``spikes.lock`` on the brand.
    """

    def __init__(self, session: Session, brand: Brand, now: datetime, hours: Hours) -> None:
        self._session = session
        self._brand = brand
        self._now = now
        self._caller = Caller(session, now, hours)
        self._news: list[SpikeNews] = []

    def tell(self, series: Series, events: Sequence[Event], explained: Explained) -> None:
        """Store the spike as it stands after the look; ``settle`` takes it to its alert."""
        row_id = series.row_id
        for event in events:
            row = None
            if row_id is not None and not isinstance(event, Opened):
                row = self._session.get(SpikeRow, row_id)
            if row is None:
                row = SpikeRow(
                    brand_id=self._brand.id,
                    dimension=series.dimension,
                    by=series.by,
                    sensitivity=series.sensitivity,
                    opened_at=self._now,
                    wanted=False,
                )
                self._session.add(row)
            row.trend, row.scope = event.spike.trend, dict(series.scope)
            _write(row, event.spike, explained, now=self._now)
            self._session.flush()
            row_id = row.id
            self._news.append(news_of(row.id, series, event, now=self._now))

    def settle(self) -> None:
        """Take all that happened in this look to the alerts of the brand, and tell it."""
        rows = self._alert_rows()
        before = {row.id: row for row in rows}
        states = states_of(self._session, rows)
        known = {state.key: state for state in states}
        after, told = advance_alerts(states, self._news, now=self._now)
        for state in after:
            had = known.get(state.key)
            if state == had:
                continue
            row = before.get(state.key) if had is not None else self._new(state)
            if row is None:
                continue
            happened = [one.event for one in told if one.key == state.key]
            self._take(row, had, state, happened)
        self._news.clear()
        self._session.flush()

    def _alert_rows(self) -> Sequence[AlertRow]:
        """The alerts that the news may belong to, and those that still have growth to tell."""
        concerned = [AlertRow.state == "open"]
        if self._news:
            earliest = min(one.onset_at for one in self._news)
            keys = [one.key for one in self._news]
            concerned += [
                AlertRow.resolved_at >= earliest - GROUP,
                AlertRow.id.in_(select(SpikeRow.alert_id).where(SpikeRow.id.in_(keys))),
            ]
        return self._session.scalars(
            select(AlertRow)
            .where(AlertRow.brand_id == self._brand.id, or_(*concerned))
            .order_by(AlertRow.id)
        ).all()

    def _new(self, state: AlertState) -> AlertRow:
        row = AlertRow(
            brand_id=self._brand.id,
            state="open",
            severity=state.severity,
            opened_at=self._now,
            updated_at=self._now,
            reminders=0,
            step=0,
        )
        self._session.add(row)
        self._session.flush()
        return row

    def _take(
        self, row: AlertRow, had: AlertState | None, state: AlertState, told: Sequence[str]
    ) -> None:
        """Write an alert as it stands now, and tell what is to be told."""
        reopened = had is not None and not had.is_open and (state.is_open or bool(told))
        rose = had is not None and state.severity != had.severity
        row.state = "open" if state.is_open else "resolved"
        row.resolved_at = state.resolved_at
        row.severity = state.severity
        row.escalated_at, row.grown_at = state.escalated_at, state.grown_at
        row.snoozed_until = state.snoozed_until
        row.updated_at = self._now
        self._join(row, state)
        self._want(row, state)
        if reopened or rose:
            self._ask_anew(row, reopened=reopened, was=had.severity if had else None)
        new: Mapping[str, Any] = {}
        if had is None or (state.is_open and (reopened or state.scores.keys() - had.scores.keys())):
            new = self._caller.opened(row)
            if had is None:
                self._write(row, "opened", new)
            elif new:
                alerts.write(self._session, row.id, "told", now=self._now, **new)
        fresh = list(new.get("channels", ()))
        if rose and state.severity is Severity.HIGH and (channels := self._caller.hurry(row)):
            alerts.write(self._session, row.id, "told", now=self._now, channels=channels)
            fresh += channels
        if "alert.escalated" in told:
            facts = self._caller.tell(row, "alert.escalated", but=fresh)
            self._write(row, "escalated", facts)
        if "alert.resolved" in told:
            row.summary = alerts.summary_of(row, spikes.of_alert(self._session, row.id))
            row.waiting_since = None
            self._write(row, "resolved", self._caller.tell(row, "alert.resolved"))

    def _write(self, row: AlertRow, kind: str, facts: Mapping[str, Any]) -> None:
        ids = [spike.id for spike in spikes.of_alert(self._session, row.id)]
        more = {"severity": row.severity, "spike_ids": ids, **facts}
        alerts.write(self._session, row.id, kind, now=self._now, **more)

    def _ask_anew(self, row: AlertRow, *, reopened: bool, was: str | None) -> None:
        """It is more than what people saw: whoever saw to it has to be asked again."""
        row.summary = None
        if row.verdict in ("false", "planned"):
            row.verdict = row.verdict_at = None  # what was judged is in the history
        row.acknowledged_at = row.acknowledged_by = None
        row.waiting_since, row.reminders = None, 0
        if row.told_at is not None:
            row.waiting_since = self._now
        kind = "reopened" if reopened else "raised"
        alerts.write(self._session, row.id, kind, now=self._now, was=was, severity=row.severity)

    def _join(self, row: AlertRow, state: AlertState) -> None:
        for member in state.members:
            spike = self._session.get(SpikeRow, member.key)
            if spike is not None:
                spike.alert_id, spike.wanted = row.id, member.wanted
        self._session.flush()

    def _want(self, row: AlertRow, state: AlertState) -> None:
        """Keep which rules want it; one that was deleted during the look is left out."""
        there = rules.by_ids(self._session, state.scores)
        values = [
            {"alert_id": row.id, "rule_id": rule_id, "score": score, "at": self._now}
            for rule_id, score in sorted(state.scores.items())
            if rule_id in there
        ]
        key = ["alert_id", "rule_id"]
        insert_update(self._session, AlertRuleRow, values, key=key, update=["score"])


def states_of(session: Session, rows: Iterable[AlertRow]) -> list[AlertState]:
    """Stored alerts as the decisions take them."""
    by_id = {row.id: row for row in rows}
    scores = alerts.rules_of(session, list(by_id))
    members: dict[int, list[Member]] = {id_: [] for id_ in by_id}
    held = session.scalars(
        select(SpikeRow).where(SpikeRow.alert_id.in_(list(by_id))).order_by(SpikeRow.id)
    )
    for spike in held:
        if spike.alert_id is not None:
            members[spike.alert_id].append(_member(spike))
    return [
        AlertState(
            key=row.id,
            opened_at=row.opened_at,
            severity=Severity(row.severity),
            members=tuple(members[row.id]),
            scores=scores[row.id],
            resolved_at=row.resolved_at,
            escalated_at=row.escalated_at,
            grown_at=row.grown_at,
            snoozed_until=row.snoozed_until,
            closed=row.verdict in ("false", "planned"),
        )
        for row in by_id.values()
    ]


def _what(event: Event) -> What:
    if isinstance(event, Opened):
        return What.OPENED
    if isinstance(event, Resolved):
        return What.RESOLVED
    if event.reopened:
        return What.REOPENED
    return What.ESCALATED if event.escalated else What.ONGOING


def _member(row: SpikeRow) -> Member:
    return Member(
        key=row.id,
        dimension=row.dimension,
        onset_at=row.onset_at,
        noticed_at=row.opened_at,
        resolved_at=None if row.state == "open" else row.resolved_at or row.updated_at,
        trend=row.trend,
        wanted=row.wanted,
    )


def _write(row: SpikeRow, spike: SpikeLife, explained: Explained, *, now: datetime) -> None:
    explanation, mention_ids = explained
    row.state = "open" if spike.is_open else "resolved"
    row.onset_at = spike.onset_at
    row.updated_at = now
    row.resolved_at = spike.resolved_at
    row.expected = spike.total_expected
    row.observed = spike.total_observed
    row.score = spike.peak_score
    row.detail = spike.dump()
    if explanation:
        row.explanation = explanation
        row.mention_ids = mention_ids
