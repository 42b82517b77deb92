"""Backtests: the same alerts as live, what comes out, and jobs."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from builders import NOW, a_raw, stored_brand, stored_watch
from fakes import FakeReader
from listener.errors import Cancelled, InvalidInput
from listener.pipeline.backtest import Backtester, Wanted
from listener.pipeline.backtest_report import Result
from listener.pipeline.ingest import Ingest, Origin
from listener.pipeline.rollup import roll_up
from listener.pipeline.watchdog import Watchdog
from listener.security import Secrets
from listener.settings import Settings
from listener.store import coverage, rules, schema
from listener.store.tables import (
    AlertEventRow,
    AlertRow,
    MentionRow,
    RuleRow,
    SpikeRow,
    WatchRow,
)
from listener.store.work import Database
from listener.types import By, RawAuthor, RawItem, Rule, Scope, Sensitivity, Signal

POLL = timedelta(minutes=30)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
START = NOW.replace(hour=0, minute=0, second=0, microsecond=0) - 4 * DAY
DAYS = 4
WATCHED = START + 2 * DAY  # before, the detectors only learn
OUTAGE = (START + 2 * DAY + 10 * HOUR, START + 2 * DAY + 16 * HOUR)
HOLE = (START + DAY + 4 * HOUR, START + DAY + 7 * HOUR)  # back-filled a day later
SURGES = (START + 2 * DAY + 5 * HOUR, START + 3 * DAY + 13 * HOUR)
ELSEWHERE = (SURGES[1] - HOUR, SURGES[1] + 9 * HOUR)  # the other source is down


class Past:
    """Some days of a brand as they came in: complaints, of which some came late, an outage that was
    caught up, a hole that was back-filled, and two surges.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        seed: int = 1,
        scope: Scope | None = None,
        other: str | None = None,
    ) -> None:
        self.database, self.settings = database, settings
        self._ingest = Ingest(database, FakeReader(), settings, Secrets(b"k" * 32))
        self._watchdog = Watchdog(database, settings)
        self._random = random.Random(seed)
        with database.write() as work:
            self.brand = stored_brand(work.session, "Haneul")
            self.watch = stored_watch(work.session, brand=self.brand, now=START, every=POLL)
            self.other = other and stored_watch(
                work.session, brand=self.brand, source=other, now=START, every=POLL
            )
            work.session.execute(delete(RuleRow))
            self.rule = rules.create(
                work.session, brand_id=self.brand.id, name="불만", signal=Signal.COMPLAINTS,
                by=By.POSTS, sensitivity=Sensitivity.HIGH, scope=scope or Scope(), now=START,
            )  # fmt: skip
            work.commit()

    def live(self) -> None:
        """Live through it, poll by poll, with the watchdog looking after each."""
        coming = sorted(self._coming(), key=lambda one: one[0])
        place, reached = 0, START
        at = START
        while at < START + DAYS * DAY:
            at += POLL
            if self.other and not ELSEWHERE[0] <= at < ELSEWHERE[1]:
                self._cover_other(at)
            if OUTAGE[0] <= at < OUTAGE[1]:
                continue
            items = []
            while place < len(coming) and coming[place][0] <= at:
                items.append(coming[place][1])
                place += 1
            if items:
                self._ingest.items(items, Origin(source="plaza"), now=at)
            self._cover(reached, at)
            reached = at
            if at >= WATCHED:
                roll_up(self.database)
                self._watchdog.look(now=at)

    def _cover(self, since: datetime, at: datetime) -> None:
        with self.database.write() as work:
            if not (HOLE[0] <= since < HOLE[1]):
                coverage.add(work.session, self.watch, since, at, now=at)
            if since <= HOLE[1] + DAY < at:
                coverage.add(work.session, self.watch, *HOLE, now=at)
            work.session.execute(
                update(WatchRow).where(WatchRow.id == self.watch).values(covered_to=at)
            )
            work.commit()

    def _cover_other(self, at: datetime) -> None:
        """The other source brings nothing, and says so."""
        with self.database.write() as work:
            row = work.session.get_one(WatchRow, self.other)
            coverage.add(work.session, row.id, row.covered_to or START, at, now=at)
            row.covered_to = at
            work.commit()

    def _coming(self) -> Iterator[tuple[datetime, RawItem]]:
        """(when it can be found, the item) of every complaint."""
        number = 0
        at = START
        while at < START + DAYS * DAY:
            at += timedelta(minutes=5)
            rate = 0.25 + 0.15 * math.sin(at.hour / 24 * 2 * math.pi)
            rate += 3.0 * any(surge <= at < surge + 2 * HOUR for surge in SURGES)
            for _ in range(self._poisson(rate)):
                number += 1
                said_at = at + timedelta(seconds=self._random.randrange(300))
                found_at = said_at
                if self._random.random() < 0.05:
                    found_at += timedelta(minutes=self._random.expovariate(1 / 120))
                if HOLE[0] <= said_at < HOLE[1]:
                    found_at = HOLE[1] + DAY + timedelta(minutes=1)
                author = RawAuthor(native_id=f"u{number % 40}")
                text = f"Haneul {number} topic:delivery 늦어요 -"
                yield (
                    found_at,
                    a_raw(str(number), text, author=author, published_at=said_at),
                )

    def _poisson(self, rate: float) -> int:
        most, count, product = math.exp(-rate), 0, self._random.random()
        while product > most:
            count += 1
            product *= self._random.random()
        return count

    def rows(self, table: type[Any]) -> list[Any]:
        with self.database.read() as session:
            return list(session.scalars(select(table).order_by(table.id)))

    def backtest(self, rule: Rule | None = None, days: int = DAYS, **wanted: Any) -> Result:
        given: dict[str, Any] = {"every": POLL, "explained": 0, "judge_as": "known"} | wanted
        tried = Wanted(rule=rule or self.rule, days=days, until=START + days * DAY, **given)
        return Backtester(self.database, self.settings).run(tried).a


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """Lived through once, for all tests; who changes it changes it back."""
    yield from lived(tmp_path_factory.mktemp("backtest"))


def lived(home: Path, **given: Any) -> Iterator[Past]:
    database = Database(f"sqlite:///{home}/listener.db")
    schema.upgrade(database)
    settings = Settings(home=home, secret_key="a secret of the tests")  # type: ignore[arg-type]
    past = Past(database, settings, **given)
    past.live()
    yield past
    database.close()


def told_live(past: Past) -> list[tuple[str, datetime]]:
    kinds = ("opened", "escalated", "resolved")
    return [(f"alert.{row.kind}", row.at) for row in past.rows(AlertEventRow) if row.kind in kinds]


def test_a_backtest_gives_the_alerts_that_the_watchdog_gave(past: Past) -> None:
    _check_alike(past)


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """The same, by a rule on this source alone, and with another source that fails meanwhile."""
    scope = Scope(source="plaza")
    yield from lived(tmp_path_factory.mktemp("narrow"), scope=scope, other="forum")


def test_a_rule_on_one_source_gives_the_same_alerts_too(past: Past, narrow: Past) -> None:
    _check_alike(narrow)
    assert {row.dimension for row in narrow.rows(SpikeRow)} == {"source:plaza:complaint"}

    def spikes_of(one: Past) -> list[Any]:
        return [
            (row.onset_at, row.opened_at, row.resolved_at, row.observed, row.expected, row.score)
            for row in one.rows(SpikeRow)
        ]

    assert spikes_of(narrow) == spikes_of(past), "what happens elsewhere changes nothing"
    both = replace(narrow.rule, scope=Scope(source="plaza", topic="delivery"))
    assert _events(narrow.backtest(both)) == _events(narrow.backtest())


def test_a_rule_on_all_sources_waits_for_the_other(narrow: Past) -> None:
    all_of_them = replace(narrow.rule, scope=Scope())
    fire = narrow.backtest(all_of_them).fires[-1]
    own = narrow.backtest().fires[-1]
    assert abs(own.onset_at - SURGES[1]) <= HOUR
    assert own.resolved_at is not None
    assert own.resolved_at < ELSEWHERE[1]
    assert fire.onset_at == own.onset_at
    assert fire.resolved_at is None or fire.resolved_at >= ELSEWHERE[1], "half is known of calm"


def test_a_source_that_nothing_collects_is_not_judged(narrow: Past) -> None:
    nowhere = replace(narrow.rule, scope=Scope(source="nowhere"))
    assert narrow.backtest(nowhere).series == []


def _check_alike(past: Past) -> None:
    result = past.backtest()

    live = [row for row in past.rows(SpikeRow) if row.alert_id is not None]
    assert len(live) >= 2
    assert [(f.dimension, f.onset_at, f.noticed_at, f.resolved_at) for f in result.fires] == [
        (row.dimension, row.onset_at, row.opened_at, row.resolved_at) for row in live
    ]
    for fire, row in zip(result.fires, live, strict=True):
        assert fire.observed == pytest.approx(row.observed, abs=0.01)
        assert fire.expected == pytest.approx(row.expected, rel=0.02)
        assert fire.score == pytest.approx(row.score, abs=0.1)
        assert fire.spike_id == row.id
    alerts = past.rows(AlertRow)
    assert [(a.opened_at, a.resolved_at, a.severity) for a in result.alerts] == [
        (row.opened_at, row.resolved_at, row.severity) for row in alerts
    ]
    told = [(one.event, one.at) for alert in result.alerts for one in alert.told]
    assert sorted(told, key=lambda one: one[1]) == told_live(past)


def test_taking_hours_at_once_gives_what_every_look_gives(past: Past) -> None:
    rule = past.rule
    for sensitivity in (Sensitivity.NORMAL, Sensitivity.HIGHEST):
        tried = Rule(
            id=0, brand_id=rule.brand_id, name="-", signal=rule.signal, by=By.POSTS,
            sensitivity=sensitivity,
        )  # fmt: skip
        quick, exact = past.backtest(tried), past.backtest(tried, exact=True)
        assert quick.alerts == exact.alerts
        assert _events(quick) == _events(exact)
        assert quick.fires


def _events(result: Result) -> Sequence[tuple[Any, ...]]:
    return [(f.onset_at, f.noticed_at, f.resolved_at, f.observed, f.alert) for f in result.fires]


def test_the_result_tells_the_surges_and_what_they_are_about(past: Past) -> None:
    result = past.backtest(explained=10)
    surge = SURGES[0]
    fire = min(result.fires, key=lambda one: abs(one.onset_at - surge))
    assert abs(fire.onset_at - surge) <= HOUR
    assert fire.onset_at < fire.noticed_at <= surge + HOUR
    assert [cause.name for cause in fire.topics] == ["delivery"]
    assert fire.observed > 3 * fire.expected
    assert fire.once_in_days == pytest.approx(min(10**fire.score * 30, 1e6), rel=0.01)
    assert fire.filter["complaint"] == "true"
    assert fire.link.startswith("/mentions?")
    assert result.series[0].mentions == len(past.rows(MentionRow))
    assert sum(point.count for point in result.timeline) == len(past.rows(MentionRow))
    down = [point for point in result.timeline if OUTAGE[0] <= point.at < OUTAGE[1]]
    assert down
    assert 1 <= result.days <= DAYS - 2  # two days were learnt from only
    assert result.alerts_a_week == pytest.approx(len(result.alerts) / result.days * 7, rel=0.01)


def test_settings_are_compared_alert_by_alert(past: Past) -> None:
    strict = Rule(
        id=0, brand_id=past.brand.id, name="-", signal=Signal.COMPLAINTS, by=By.POSTS,
        sensitivity=Sensitivity.LOW, min_count=60,
    )  # fmt: skip
    wanted = Wanted(
        rule=past.rule, other=strict, days=DAYS, until=START + DAYS * DAY, every=POLL, explained=0,
        judge_as="known",
    )  # fmt: skip
    report = Backtester(past.database, past.settings).run(wanted)
    assert report.b is not None
    assert report.compared is not None
    compared = report.compared
    assert len(compared.both) + len(compared.only_a) == len(report.a.alerts)
    assert len(compared.both) + len(compared.only_b) == len(report.b.alerts)
    assert compared.both
    assert compared.earlier_s is not None
    assert compared.earlier_s <= 0  # the stricter one waits for more
    told = report.to_json()
    assert told["a"]["fires"][0]["onset_at"].endswith("Z")
    assert told["compared"]["both"] == [list(pair) for pair in compared.both]


def test_marks_give_precision_and_recall(past: Past) -> None:
    with past.database.write() as work:
        first, second = work.session.scalars(
            select(AlertRow).order_by(AlertRow.opened_at).limit(2)
        ).all()
        first.verdict, second.verdict = "right", "false"
        work.commit()
    try:
        _check_marks(past, first.id)
    finally:
        with past.database.write() as work:
            work.session.execute(update(AlertRow).values(verdict=None))
            work.commit()


def _check_marks(past: Past, first_id: int) -> None:
    marks = past.backtest().marks
    assert (marks.right, marks.false) == (1, 1)
    assert marks.precision == 0.5
    assert marks.recall == 1.0
    deaf = Rule(
        id=past.rule.id, brand_id=past.brand.id, name="-", signal=Signal.COMPLAINTS, by=By.POSTS,
        min_count=10_000,
    )  # fmt: skip
    marks = past.backtest(deaf).marks
    assert marks.precision is None
    assert marks.recall == 0.0
    assert [one["alert_id"] for one in marks.missed] == [first_id]


def test_imported_history_is_judged_as_if_it_had_come_in_time(past: Past) -> None:
    late = START + DAYS * DAY + DAY
    seen = {row.id: row.seen_at for row in past.rows(MentionRow)}
    _set_seen(past, dict.fromkeys(seen, late))
    try:
        assert past.backtest().fires == []  # nothing was known in its time
        result = past.backtest(judge_as="auto")
    finally:
        _set_seen(past, seen)
    assert result.judged_as == "on_time"
    assert "on_time" in {note.code for note in result.notes}
    assert any(abs(f.onset_at - SURGES[0]) <= HOUR for f in result.fires)


def _set_seen(past: Past, seen: dict[int, datetime]) -> None:
    with past.database.write() as work:
        given = [{"id": id_, "seen_at": at} for id_, at in seen.items()]
        work.session.execute(update(MentionRow), given)
        work.commit()


def test_each_topic_is_a_series_and_authors_count_once_a_day(past: Past) -> None:
    rule = Rule(
        id=0, brand_id=past.brand.id, name="-", signal=Signal.COMPLAINTS, scope=Scope(topic="*"),
        by=By.AUTHORS,
    )  # fmt: skip
    (series,) = past.backtest(rule).series
    assert series.dimension == "topic:delivery:complaint"
    with past.database.read() as session:
        rows = session.execute(select(MentionRow.author_id, MentionRow.event_at)).all()
    assert series.mentions == len({(author, at.date()) for author, at in rows})
    two = Rule(
        id=0, brand_id=past.brand.id, name="-", signal=Signal.NEGATIVE,
        scope=Scope(topic="delivery", source="plaza"), by=By.POSTS,
    )  # fmt: skip
    (series,) = past.backtest(two).series
    assert (series.dimension, series.mentions) == ("rule:0", len(rows))
    share = Rule(id=0, brand_id=past.brand.id, name="-", signal=Signal.NEGATIVE_SHARE)
    assert [one.dimension for one in past.backtest(share).series] == ["share:negative"]


def test_what_cannot_be_tried_is_refused(past: Past) -> None:
    single = Rule(id=0, brand_id=past.brand.id, name="-", signal=Signal.VIRAL)
    with pytest.raises(InvalidInput, match="cannot be tried"):
        past.backtest(single)
    with pytest.raises(InvalidInput, match="days"):
        past.backtest(days=10_000)
    with past.database.write() as work:
        other = stored_brand(work.session, "Bada")
        work.commit()
    silent = Rule(id=0, brand_id=other.id, name="-", signal=Signal.COMPLAINTS)
    result = past.backtest(silent)
    assert ([note.code for note in result.notes], result.fires) == (["none"], [])


def test_a_backtest_stops_when_nobody_asks_any_more(past: Past) -> None:
    seen: list[float] = []

    def progress(share: float) -> None:
        seen.append(share)
        if share > 0.5:
            raise Cancelled("Enough.")

    wanted = Wanted(rule=past.rule, days=DAYS, until=START + DAYS * DAY, every=POLL)
    with pytest.raises(Cancelled):
        Backtester(past.database, past.settings).run(wanted, progress)
    assert seen == sorted(seen)
