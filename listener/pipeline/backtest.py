"""Backtests: a rule over the stored past, as it was known then, by the very code of the watchdog.

``arrivals`` gathers what the rule counts, ``detect/replay.py`` follows each series look by look,
``alert/life.py`` makes alerts of the spikes; ``backtest_report`` says what comes out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from listener.alert.life import (
    ESCALATE,
    FRESH,
    AlertState,
    SpikeNews,
    advance_alerts,
    calls_somebody,
)
from listener.alert.timing import hold_until
from listener.detect.asof import AsOf, Walk, WatchPast
from listener.detect.calendar import Calendar, holidays_of
from listener.detect.catalogue import filter_of, severity_of, source_of
from listener.detect.lifecycle import Event, Opened, SpikeLife
from listener.detect.policy import policy_of
from listener.detect.replay import HISTORY, Replay
from listener.detect.shares import ShareDetector
from listener.detect.spike import Detector
from listener.errors import InvalidInput
from listener.pipeline.arrivals import Series, gather
from listener.pipeline.backtest_report import (
    NEAR,
    AlertFire,
    Fire,
    Report,
    Result,
    SeriesTold,
    Telling,
    causes_of,
    compare,
    mark_of,
    marks_of,
    notes_of,
)
from listener.pipeline.calling import hours_of
from listener.pipeline.causes import explain_spike
from listener.pipeline.telling import Series as Watched
from listener.pipeline.telling import news_of
from listener.pipeline.timeline import Timeline
from listener.rules import HAPPENING
from listener.settings import Settings
from listener.store import asof, generations, planned, rule_json
from listener.store.work import Database
from listener.types import Rule, Step

MOST_DAYS = 730
JUDGE_AS = ("auto", "known", "on_time")
LATE = timedelta(hours=6)  # what comes later than that opens no spike
MOSTLY = 0.5  # of the mentions were late: nothing of the past was known in its time
GATHERED = 0.2  # of the time that one series takes goes into reading
MOST_RARE = 1e6  # days: nobody can say more


# --- running it ----------------------------------------------------------------------------------


Progress: TypeAlias = Callable[[float], None]  # from 0 to 1; it may raise Cancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to try: a rule, perhaps another one beside it, over the last ``days`` up to ``until``.

    ``judge_as``: "known" replays what was known at each moment, "on_time" takes all as if it had
    come when it was said, "auto" the latter where most came much later (imports, back-fills).
    ``exact`` walks through every look, as the watchdog does: slow, for checks. ``explained``: how
    many fires get their causes, the strongest first.
    """

    rule: Rule
    other: Rule | None = None
    days: int = 365
    until: datetime
    judge_as: str = "auto"
    every: timedelta = timedelta(minutes=1)
    exact: bool = False
    explained: int = 50


def check_signal(rule: Rule) -> None:
    """Raises InvalidInput for a rule that listens to single things, of which no series is kept."""
    if rule.signal in HAPPENING:
        raise InvalidInput(
            "This signal looks at single posts and stories as they are right now, so that it cannot"
            " be tried on the past.",
            field="signal",
            hint="Counts, shares and means can.",
        )


class Backtester:
    """Runs rules over the stored past. Writes nothing."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database, self._settings = database, settings

    def run(self, wanted: Wanted, progress: Progress = lambda share: None) -> Report:
        """The result of one rule, or of two and how they differ.

        Raises InvalidInput for what cannot be tried, StorageError, and what ``progress`` raises.
        """
        if not 1 <= wanted.days <= MOST_DAYS:
            raise InvalidInput(f"From 1 to {MOST_DAYS} days.", field="days")
        if wanted.judge_as not in JUDGE_AS:
            raise InvalidInput(f"One of {', '.join(JUDGE_AS)}.", field="judge_as")
        tried = [wanted.rule] if wanted.other is None else [wanted.rule, wanted.other]
        for rule in tried:
            check_signal(rule)
            if rule.brand_id != wanted.rule.brand_id:
                raise InvalidInput("Compare rules of one brand.", field="compare")
        found: list[Result] = []
        for place, rule in enumerate(tried):

            def part(share: float, place: int = place) -> None:
                progress((place + share) / len(tried))

            found.append(_Run(self._database, self._settings, wanted, rule, part).result())
        if len(found) == 1:
            return Report(a=found[0])
        return Report(a=found[0], b=found[1], compared=compare(found[0], found[1]))


@dataclass(slots=True)
class _Spike:
    """A spike in the making."""

    key: int
    series: Watched
    life: SpikeLife
    noticed_at: datetime | None = None
    noticed: SpikeLife | None = None


class _Happened(NamedTuple):
    now: datetime
    key: int
    event: Event


class _Run:
    """One rule over the past."""

    def __init__(
        self, database: Database, settings: Settings, wanted: Wanted, rule: Rule, progress: Progress
    ) -> None:
        self._database, self._settings, self._wanted = database, settings, wanted
        self._tz = ZoneInfo(settings.timezone)
        self._hours = hours_of(settings)
        self._said = rule
        # Tried as if it were switched on, and told somebody.
        steps = rule.steps if calls_somebody(rule) else (Step(),)
        self._rule = replace(rule, enabled=True, muted_until=None, steps=steps)
        self._until = wanted.until
        self._since = wanted.until - timedelta(days=wanted.days)
        self._from = self._since - HISTORY
        self._progress = progress
        self._length = self._until - self._from
        self._spikes: dict[int, _Spike] = {}
        self._happened: list[_Happened] = []
        self._line = Timeline(self._since, self._until, self._tz)

    def result(self) -> Result:
        """Gather, replay, tell."""
        began = time.perf_counter()
        brand_id, rule = self._rule.brand_id, self._rule
        with self._database.read() as session:
            total, late = asof.lateness(session, brand_id, self._since, self._until, LATE)
            on_time = self._is_on_time(total, late)
            found = gather(
                session,
                rule,
                self._from,
                self._until,
                every=self._wanted.every,
                count_flagged=self._settings.count_flagged,
                on_time=on_time,
                pulse=lambda: self._progress(0.0),
            )
            starts = asof.starts(session, brand_id, self._from, self._until)
            if on_time:
                starts = [(at, at) for _, at in starts[-1:]]
            known = self._known(session, {self._source_of(one) for one in found}, on_time)
            events = planned.of_brand(session, brand_id, self._from, self._until)
            judged = asof.judged(session, brand_id, self._since, self._until)
            switched = generations.switches(session, since=self._since, limit=1)
        calendar = Calendar(holidays_of(self._settings.holidays) if self._settings.holidays else {},
                            events, self._tz)  # fmt: skip
        told = []
        for place, series in enumerate(found):

            def part(share: float, place: int = place) -> None:
                self._progress((GATHERED + place + share) / (GATHERED + len(found)))

            part(0.0)
            of_source = known[self._source_of(series)]()
            told.append(self._replay(series, of_source, starts, calendar, part))
        alerts = self._alerts()
        fires = self._fires(alerts, judged)
        weeks = self._line.days / 7
        return Result(
            rule=rule_json.to_json(self._said),
            since=self._since,
            until=self._until,
            days=round(self._line.days, 2),
            judged_as="on_time" if on_time else "known",
            fires=fires,
            alerts=alerts,
            alerts_a_week=round(len(alerts) / weeks, 3) if weeks else None,
            marks=marks_of(
                fires,
                alerts,
                judged,
                rule_id=rule.id,
                dimensions={series.dimension for series in found},
                until=self._until,
            ),
            series=[
                replace(one, fires=sum(fire.dimension == one.dimension for fire in fires))
                for one in told
            ],
            timeline=self._line.points(),
            timeline_step_s=self._line.step_s,
            notes=list(
                notes_of(
                    total=total,
                    late=late,
                    on_time=on_time,
                    found=bool(found),
                    days=self._wanted.days,
                    judged=self._line.days,
                    switched=bool(switched),
                    silent=not calls_somebody(self._said),
                )
            ),
            took_s=round(time.perf_counter() - began, 2),
        )

    def _is_on_time(self, total: int, late: int) -> bool:
        if self._wanted.judge_as == "auto":
            return late > MOSTLY * total
        return self._wanted.judge_as == "on_time"

    def _source_of(self, series: Series) -> str | None:
        return source_of(series.dimension, self._rule)

    def _known(
        self, session: Session, sources: Collection[str | None], on_time: bool
    ) -> dict[str | None, Callable[[], AsOf]]:
        """By source of a series, None = any: what makes its knowledge of what was collected."""
        brand_id, since = self._rule.brand_id, self._from
        of_all = asof.pasts(session, brand_id, since)
        walks = [Walk(*walk) for walk in asof.walks(session, brand_id)]
        found: dict[str | None, Callable[[], AsOf]] = {}
        for source in sources:
            of_source = asof.of_source(session, brand_id, of_all, source, since)
            found[source] = partial(
                AsOf,
                [WatchPast(**past._asdict()) for past in of_source],
                [walk for walk in walks if source in (None, walk.source)],
                on_time=on_time,
            )
        return found

    # --- replaying -----------------------------------------------------------------------------

    def _replay(
        self,
        series: Series,
        known: AsOf,
        starts: Sequence[tuple[datetime, datetime]],
        calendar: Calendar,
        progress: Progress,
    ) -> SeriesTold:
        policy = policy_of(self._rule.sensitivity)
        kind = ShareDetector if series.shares else Detector
        replay = Replay(
            lambda: kind(policy, self._tz, calendar),
            policy,
            series.arrivals,
            known,
            starts,
            end=self._until,
            every=self._wanted.every,
            shares=series.shares,
            exact=self._wanted.exact,
        )
        watched = Watched(
            dimension=series.dimension,
            by=series.by,
            sensitivity=self._rule.sensitivity,
            rules=(self._rule,),
            scope=filter_of(series.dimension, self._rule),
        )
        spike: _Spike | None = None
        for found in replay.run():
            if isinstance(found, datetime):
                progress(max(0.0, (found - self._from) / self._length))
                continue
            for event in found.events:
                if spike is None or isinstance(event, Opened):
                    key = len(self._spikes) + 1
                    spike = self._spikes[key] = _Spike(key, watched, event.spike)
                spike.life = event.spike
                self._happened.append(_Happened(found.now, spike.key, event))
        mentions = self._line.take(series.arrivals, replay.expected)
        return SeriesTold(
            dimension=series.dimension,
            by=series.by,
            sensitivity=self._rule.sensitivity,
            mentions=mentions,
            fires=0,
        )

    # --- telling -------------------------------------------------------------------------------

    def _alerts(self) -> list[AlertFire]:
        """What people would have been told, in the time that was asked for."""
        states: list[AlertState] = []
        told: dict[int, list[Telling]] = {}
        happened = sorted(self._happened, key=lambda one: one.now)
        news_at = [(now, list(group)) for now, group in groupby(happened, key=lambda one: one.now)]
        for place, (now, group) in enumerate(news_at):
            news = []
            for _, key, event in group:
                spike = self._spikes[key]
                one = news_of(key, spike.series, event, now=now)
                if one.rules and spike.noticed_at is None:
                    spike.noticed_at, spike.noticed = now, event.spike
                news.append(one)
            states = self._advance(states, news, now, told)
            then = news_at[place + 1][0] if place + 1 < len(news_at) else self._until
            states = self._tell_later(states, now, then, told)
        found: list[AlertFire] = []
        for state in states:
            keys = [m.key for m in state.members if self._spikes[m.key].noticed_at is not None]
            if state.opened_at < self._since or not keys:
                continue
            found.append(
                AlertFire(
                    number=len(found),
                    opened_at=state.opened_at,
                    resolved_at=state.resolved_at,
                    severity=state.severity,
                    told=told[state.key],
                    fires=keys,
                )
            )
        return found

    def _advance(
        self,
        states: list[AlertState],
        news: Sequence[SpikeNews],
        now: datetime,
        told: dict[int, list[Telling]],
    ) -> list[AlertState]:
        after, said = advance_alerts(states, news, now=now)
        for one in said:
            held = hold_until((self._rule,), one.severity, now, self._hours)
            telling = Telling(at=now, event=one.event, heard_at=held or now)
            told.setdefault(one.key, []).append(telling)
        return after

    def _tell_later(
        self,
        states: list[AlertState],
        now: datetime,
        then: datetime,
        told: dict[int, list[Telling]],
    ) -> list[AlertState]:
        """Growth that might not be told at once is told once it may."""
        while any(state.is_open and state.grown_at is not None for state in states):
            at = min(
                state.opened_at + FRESH
                if state.escalated_at is None
                else max(state.opened_at + FRESH, state.escalated_at + ESCALATE)
                for state in states
                if state.is_open and state.grown_at is not None
            )
            if not now < at < then:
                break
            states, now = self._advance(states, (), at, told), at
        return states

    def _fires(self, alerts: list[AlertFire], judged: Sequence[asof.Judged]) -> list[Fire]:
        """The spikes in the alerts, in the order of noticing; numbers take the place of keys."""
        of = {key: alert for alert in alerts for key in alert.fires}
        spikes = sorted(
            (self._spikes[key] for key in of), key=lambda one: (one.noticed_at, one.key)
        )
        by_score = sorted(spikes, key=lambda one: -one.life.peak_score)
        explained = {one.key for one in by_score[: self._wanted.explained]}
        numbers = {spike.key: number for number, spike in enumerate(spikes)}
        for place, alert in enumerate(alerts):
            alerts[place] = replace(alert, fires=sorted(numbers[key] for key in alert.fires))
        with self._database.read() as session:
            return [
                self._fire(
                    session, number, spike, of[spike.key].number, judged, spike.key in explained
                )
                for number, spike in enumerate(spikes)
            ]

    def _fire(
        self,
        session: Session,
        number: int,
        spike: _Spike,
        alert: int,
        judged: Sequence[asof.Judged],
        explained: bool,
    ) -> Fire:
        life, series, noticed = spike.life, spike.series, spike.noticed or spike.life
        end = life.resolved_at or self._until
        trend = life.trend
        causes: Mapping[str, Any] = {}
        if explained:
            causes, _ = explain_spike(
                session, self._rule.brand_id, series.dimension, life, now=end, by=series.by,
                sensitivity=series.sensitivity, scope=dict(series.scope), settings=self._settings,
            )  # fmt: skip
            self._progress(1.0)
        filter_ = dict(series.scope) | {
            "brand": str(self._rule.brand_id),
            "since": _iso(life.onset_at),
            "until": _iso(end),
        }
        return Fire(
            number=number,
            dimension=series.dimension,
            by=series.by,
            sensitivity=series.sensitivity,
            onset_at=life.onset_at,
            noticed_at=spike.noticed_at or end,
            resolved_at=life.resolved_at,
            observed=round(life.total_observed, 2),
            expected=round(life.total_expected, 2),
            score=round(life.peak_score, 3),
            once_in_days=round(min(10**life.peak_score * 30, MOST_RARE), 1),
            severity=severity_of(
                score=life.peak_score,
                observed=life.total_observed,
                expected=life.total_expected,
                trend=trend,
                rules=(self._rule,),
            ),
            trend=trend,
            noticed_observed=round(noticed.total_observed, 2),
            noticed_expected=round(noticed.total_expected, 2),
            noticed_score=round(noticed.peak_score, 3),
            alert=alert,
            topics=causes_of(causes.get("topics")),
            phrases=causes_of(causes.get("phrases")),
            sources=causes_of(causes.get("sources")),
            filter=filter_,
            link=f"/mentions?{urlencode(filter_)}",
            mark=mark_of(life.onset_at, end, judged),
            spike_id=asof.spike_near(
                session,
                self._rule.brand_id,
                series.dimension,
                series.by,
                life.onset_at,
                within=NEAR,
            ),
        )


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
