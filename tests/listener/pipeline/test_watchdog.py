"""The watchdog: one alert an event, none from outages and back-fills, none lost to a crash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from builders import NOW, a_raw, stored_brand, stored_watch
from fakes import FakeReader, FakeVersions
from listener.pipeline.ingest import Ingest, Origin
from listener.pipeline.readers import Always
from listener.pipeline.rescore import Rescorer
from listener.pipeline.rollup import roll_up
from listener.pipeline.screening import screen
from listener.pipeline.watchdog import Watchdog
from listener.security import Secrets
from listener.settings import Settings
from listener.store import backfills, brands, channels, coverage, planned, rules, spikes, watches
from listener.store.killpoints import VARIABLE
from listener.store.tables import AlertRow, DetectorRow, OutboxRow, SpikeRow, WatchRow
from listener.store.watches import Ending
from listener.store.work import Database
from listener.types import (
    Batch,
    Match,
    Mention,
    Outcome,
    Precision,
    RawAuthor,
    RawItem,
    ReadMention,
    Rest,
    Scope,
    State,
)

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SINCE = NOW - 3 * DAY


class World:
    """A brand with one watch, two channels and three quiet days behind it."""

    def __init__(self, database: Database, settings: Settings, *, competitor: bool = False) -> None:
        self.database = database
        self.ingest = Ingest(database, FakeReader(), settings, Secrets(b"k" * 32))
        self.watchdog = Watchdog(database, settings)
        self.settings = settings
        self._number = 0
        with database.write() as work:
            self.brand = stored_brand(work.session, "Haneul", competitor=competitor)
            self.watch = stored_watch(work.session, brand=self.brand, now=SINCE)
            for name in ("ops", "care"):
                channels.add(
                    work.session,
                    name=name,
                    kind="webhook",
                    address=b"encrypted",
                    address_shown="https://ops.example",
                    secret=None,
                    language="ko",
                    now=NOW,
                )
            work.commit()

    def say(self, times: Sequence[datetime], text: str, *, source: str = "plaza") -> None:
        """One mention of the brand at each time, each by somebody else."""
        items: list[RawItem] = []
        for at in times:
            self._number += 1
            items.append(
                a_raw(
                    str(self._number),
                    f"Haneul {self._number} {text}",
                    author=RawAuthor(native_id=f"u{self._number}"),
                    published_at=at,
                )
            )
        now = max([NOW, *times])
        self.ingest.items(items, Origin(source=source), now=now)

    def quiet(self, start: datetime, end: datetime) -> None:
        """Everyday talk: a mention every 20 minutes, a complaint every 4 hours."""
        self.say(every(20 * MINUTE, start, end), "배송 잘 받았어요 +")
        self.say(every(4 * HOUR, start, end), "topic:price 가격이 비싸요 -")

    def wave(self, start: datetime, count: int, length: timedelta = 10 * MINUTE) -> None:
        """Complaints about one thing, all at once."""
        step = length / count
        self.say([start + n * step for n in range(count)], "topic:delivery 택배 파손 심각 -")

    def cover(self, start: datetime, end: datetime, watch: int | None = None) -> None:
        """The watch has collected all of that."""
        watch = watch or self.watch
        with self.database.write() as work:
            coverage.add(work.session, watch, start, end, now=end)
            work.session.execute(
                update(WatchRow).where(WatchRow.id == watch).values(covered_to=end)
            )
            work.commit()

    def look(self, at: datetime) -> int:
        roll_up(self.database)
        return self.watchdog.look(now=at)

    def rows(self, table: type[Any]) -> list[Any]:
        with self.database.read() as session:
            return list(session.scalars(select(table).order_by(table.id)))

    def messages(self) -> list[str]:
        """The events that the first channel is told, in their order."""
        return [row.event for row in self.rows(OutboxRow) if row.channel_id == 1]


def every(step: timedelta, start: datetime, end: datetime) -> list[datetime]:
    return [start + n * step for n in range(int((end - start) / step))]


@pytest.fixture
def world(database: Database, settings: Settings) -> World:
    """On either database."""
    return _lived_in(database, settings)


@pytest.fixture
def small(sqlite: Database, settings: Settings) -> World:
    """The same on SQLite only: for what is decided above the store."""
    return _lived_in(sqlite, settings)


def _lived_in(database: Database, settings: Settings) -> World:
    world = World(database, settings)
    world.quiet(SINCE, NOW)
    world.cover(SINCE, NOW)
    return world


def breaks_out(world: World) -> None:
    """A wave of complaints in the last ten minutes, and the look that notices it."""
    world.wave(NOW, 16)
    world.quiet(NOW, NOW + 10 * MINUTE)
    world.cover(NOW, NOW + 10 * MINUTE)
    world.look(NOW + 11 * MINUTE)


def goes_calm(world: World, until: datetime = NOW + 7 * HOUR) -> None:
    world.quiet(NOW + 10 * MINUTE, until)
    world.cover(NOW + 10 * MINUTE, until)
    world.look(until + MINUTE)


def test_quiet_days_alert_nobody(small: World) -> None:
    assert small.look(NOW + MINUTE) == 0
    assert small.rows(SpikeRow) == []
    assert small.rows(OutboxRow) == []


def test_a_wave_of_complaints_is_one_alert_with_its_causes(world: World) -> None:
    assert world.look(NOW + MINUTE) == 0
    breaks_out(world)

    (alert,) = world.rows(AlertRow)
    found = {row.dimension: row for row in world.rows(SpikeRow)}
    assert found.keys() >= {"complaint", "negative", "topic:delivery:complaint"}
    for name in ("complaint", "negative", "topic:delivery:complaint"):
        spike = found[name]
        assert spike.alert_id == alert.id
        assert spike.state == "open"
        assert abs(spike.onset_at - NOW) <= 5 * MINUTE
        assert 16 <= spike.observed <= 18
        assert 0 <= spike.expected < 2
    assert {row.alert_id for row in found.values()} == {alert.id}  # the rise in volume as well
    assert (alert.state, alert.brand_id) == ("open", world.brand.id)
    cause = found["complaint"].explanation
    assert "파손" in " ".join(phrase["text"] for phrase in cause["phrases"])
    assert cause["topics"][0]["name"] == "delivery"
    assert len(found["complaint"].mention_ids) >= 16
    told = world.rows(OutboxRow)
    assert [(row.event, row.channel_id) for row in told] == [
        ("alert.opened", 1),
        ("alert.opened", 2),
    ]
    assert len({row.message_id for row in told}) == 2


def test_looking_again_changes_nothing(small: World, settings: Settings) -> None:
    breaks_out(small)
    before = [(row.id, row.observed, row.state) for row in small.rows(SpikeRow)]
    small.look(NOW + 11 * MINUTE)
    Watchdog(small.database, settings).look(now=NOW + 11 * MINUTE)  # a restart forgets nothing
    small.look(NOW + 12 * MINUTE)
    assert [(row.id, row.observed, row.state) for row in small.rows(SpikeRow)] == before
    assert small.messages() == ["alert.opened"]


def test_a_wave_that_grows_is_told_at_most_once_an_hour(small: World) -> None:
    breaks_out(small)
    at = NOW + 10 * MINUTE
    for count in (40, 110, 300):
        small.wave(at, count)
        small.cover(at, at + 10 * MINUTE)
        at += 10 * MINUTE
        small.look(at + MINUTE)
    assert small.messages() == ["alert.opened", "alert.escalated"]
    (alert,) = small.rows(AlertRow)
    assert alert.severity == "high"


def test_calm_resolves_the_alert_and_says_so(small: World) -> None:
    breaks_out(small)
    goes_calm(small)
    (alert,) = small.rows(AlertRow)
    assert alert.state == "resolved"
    assert {row.state for row in small.rows(SpikeRow)} == {"resolved"}
    assert small.messages() == ["alert.opened", "alert.resolved"]


def test_a_wave_that_comes_back_is_the_same_alert(small: World) -> None:
    breaks_out(small)
    goes_calm(small)
    again = NOW + 7 * HOUR
    small.wave(again, 60)
    small.cover(again, again + 10 * MINUTE)
    small.look(again + 11 * MINUTE)
    (alert,) = small.rows(AlertRow)
    assert alert.state == "open"
    assert small.messages() == ["alert.opened", "alert.resolved", "alert.escalated"]


def test_a_competitor_alerts_nobody(sqlite: Database, settings: Settings) -> None:
    world = World(sqlite, settings, competitor=True)
    world.quiet(SINCE, NOW)
    world.cover(SINCE, NOW)
    breaks_out(world)
    assert any(row.dimension == "complaint" for row in world.rows(SpikeRow))
    assert world.rows(AlertRow) == []
    assert world.rows(OutboxRow) == []


def test_a_catch_up_after_an_outage_is_no_spike(small: World) -> None:
    small.look(NOW + MINUTE)
    back = NOW + 5 * HOUR
    for minutes in (30, 120, 290):
        assert small.look(NOW + minutes * MINUTE) == 0  # nothing comes in
    small.quiet(NOW, back)
    small.cover(NOW, back)
    assert small.look(back + MINUTE) == 0
    assert small.rows(SpikeRow) == []


def test_the_back_fill_of_a_new_watch_is_no_spike(small: World) -> None:
    small.look(NOW + MINUTE)
    with small.database.write() as work:
        new = stored_watch(work.session, source="feed", brand=small.brand, now=NOW)
        work.commit()
    times = every(5 * MINUTE, NOW - DAY, NOW)
    small.say(times, "topic:service 전화를 안 받아요 -", source="feed")
    small.cover(NOW - DAY, NOW, new)
    assert small.look(NOW + 2 * MINUTE) == 0
    assert small.look(NOW + 9 * MINUTE) == 0
    assert small.rows(OutboxRow) == []


@pytest.mark.parametrize("dated", [True, False])
def test_history_that_comes_page_by_page_is_no_spike(small: World, dated: bool) -> None:
    small.look(NOW + MINUTE)
    with small.database.write() as work:
        new = stored_watch(work.session, source="feed", brand=small.brand, now=NOW)
        claim = watches.claim(work.session, new, now=NOW, lease=HOUR)
        work.commit()
    assert claim is not None
    with small.database.read() as session:
        watch = watches.load(session, new, lambda _: {})

    def batch(top: datetime, *rest: Rest) -> Batch:
        items = tuple(
            a_raw(
                f"feed {at}",
                f"Haneul {at} topic:service 전화를 안 받아요 -",
                author=RawAuthor(native_id=f"{at}"),
                published_at=at if dated else None,
                published_precision=Precision.EXACT if dated else Precision.NONE,
            )
            for at in every(5 * MINUTE, top - 2 * HOUR, top)
        )
        return Batch(items=items, state=State(), rest=rest, complete=True)

    rest = Rest(state=State(), from_at=NOW - 2 * HOUR if dated else None)
    small.ingest.batch(batch(NOW, rest), watch, claim, covered_to=None, now=NOW)
    now = NOW + MINUTE
    assert small.look(now) == 0  # the run is not over
    with small.database.write() as work:
        ending = Ending(outcome=Outcome.OK, complete=True, next_run_at=NOW + HOUR)
        watches.finish(work.session, claim, ending, now=now)
        work.commit()
    for page in range(1, 5):
        now += 2 * MINUTE
        with small.database.write() as work:
            turn = backfills.claim(work.session, now=now, lease=HOUR)
            work.commit()
        assert turn is not None
        below = batch(NOW - page * 2 * HOUR)
        small.ingest.backfill(below, watch, turn, now=now, lease=HOUR)
        with small.database.write() as work:
            backfills.pause(work.session, turn, next_run_at=now, now=now)
            work.commit()
        small.cover(now - 2 * MINUTE, now)
        assert small.look(now) == 0
    small.cover(NOW, now, new)
    assert small.look(now + 2 * MINUTE) == 0
    assert small.rows(SpikeRow) == []


def test_nothing_is_judged_before_a_run_has_ended(sqlite: Database, settings: Settings) -> None:
    world = World(sqlite, settings)
    world.quiet(SINCE, NOW)
    world.wave(NOW, 30)
    world.look(NOW + 11 * MINUTE)
    with sqlite.read() as session:
        assert spikes.heads(session, world.brand.id) == {}


def test_buckets_not_counted_yet_are_not_passed(small: World) -> None:
    small.look(NOW + MINUTE)
    with small.database.read() as session:
        before = spikes.heads(session, small.brand.id)
    small.quiet(NOW, NOW + HOUR)
    small.cover(NOW, NOW + HOUR)
    small.watchdog.look(now=NOW + HOUR + MINUTE)  # the rollup was not here yet
    with small.database.read() as session:
        assert spikes.heads(session, small.brand.id) == before
    small.look(NOW + HOUR + MINUTE)
    with small.database.read() as session:
        heads = spikes.heads(session, small.brand.id)
    assert {head.upto for head in heads.values()} == {NOW + HOUR}


@pytest.mark.parametrize("since", [SINCE, NOW - 2 * HOUR], ids=["all", "the last hours"])
def test_late_items_are_taken_in(small: World, settings: Settings, since: datetime) -> None:
    small.look(NOW + MINUTE)
    small.say(every(30 * MINUTE, since, NOW), "topic:price 늦게 온 불만 -")
    roll_up(small.database)
    with small.database.read() as session:
        heads = spikes.heads(session, small.brand.id)
    late = {key[0]: head.late_from for key, head in heads.items() if head.late_from}
    assert late["complaint"] == since
    assert "low_rating" not in late, "nothing changed there"
    small.look(NOW + 2 * MINUTE)
    with small.database.read() as session:
        heads = spikes.heads(session, small.brand.id)
    assert not any(head.late_from for head in heads.values())
    rebuilt = _states(small.database)
    with small.database.write() as work:
        work.session.query(DetectorRow).delete()
        work.commit()
    Watchdog(small.database, settings).look(now=NOW + 2 * MINUTE)
    assert _states(small.database) == rebuilt


def test_an_edit_that_counts_the_same_rebuilds_nothing(small: World) -> None:
    small.look(NOW + MINUTE)
    item = a_raw("1", "Haneul 다시 썼어요 +", published_at=SINCE, author=RawAuthor(native_id="u1"))
    report = small.ingest.items([item], Origin(source="plaza"), now=NOW)
    assert report.edited == 1
    assert roll_up(small.database) == 1
    with small.database.read() as session:
        heads = spikes.heads(session, small.brand.id)
    assert not any(head.late_from for head in heads.values())


def test_a_file_is_history(sqlite: Database, settings: Settings) -> None:
    """Files count as collected from their first to their last mention, before any watch began."""
    world = World(sqlite, settings)
    world.say(every(20 * MINUTE, SINCE, NOW), "배송 잘 받았어요 +", source="file")
    world.say(every(4 * HOUR, SINCE, NOW), "가격이 비싸요 -", source="file")
    world.look(NOW + MINUTE)  # a file alone
    assert _complete(world.database) == pytest.approx(3 * 288, abs=5)
    with sqlite.write() as work:
        work.session.execute(update(WatchRow).values(created_at=NOW))
        work.commit()
    breaks_out(world)  # seen by a watch that began now
    assert world.messages() == ["alert.opened"]


def _states(database: Database) -> dict[str, Any]:
    with database.read() as session:
        keys = spikes.heads(session, 1).keys()
        return {key[0]: dict(one.state) for key, one in spikes.kept(session, 1, keys).items()}


def _complete(database: Database) -> int:
    seen: int = _states(database)["all"]["seen"]
    return seen


CRASH = """
import sys
from datetime import datetime
from pathlib import Path
from listener.pipeline.rollup import roll_up
from listener.pipeline.screening import screen
from listener.pipeline.watchdog import Watchdog
from listener.settings import Settings
from listener.store.work import Database

database = Database(sys.argv[1])
roll_up(database)
Watchdog(database, Settings(home=Path(sys.argv[2]))).look(now=datetime.fromisoformat(sys.argv[3]))
"""


@pytest.mark.parametrize("point", ["judged", "committed"])
def test_a_crash_neither_loses_nor_doubles_an_alert(
    small: World, settings: Settings, point: str
) -> None:
    crashes(small, settings, point)


def test_a_crash_before_the_commit_neither_loses_nor_doubles_an_alert(
    world: World, settings: Settings
) -> None:
    crashes(world, settings, "before-commit")


def crashes(world: World, settings: Settings, point: str) -> None:
    """Killed at that point of a look, and looked at again."""
    world.look(NOW + MINUTE)
    world.wave(NOW, 16)
    world.cover(NOW, NOW + 10 * MINUTE)
    command = [sys.executable, "-c", CRASH, world.database.url, str(settings.home)]
    command.append((NOW + 11 * MINUTE).isoformat())
    killed = subprocess.run(
        command, env={**os.environ, VARIABLE: f"watchdog-{point}"}, check=False, timeout=60
    )
    assert killed.returncode == -signal.SIGKILL
    before = {row.message_id for row in world.rows(OutboxRow)}
    assert len(before) == (2 if point == "committed" else 0)
    world.look(NOW + 11 * MINUTE)
    assert len(world.rows(AlertRow)) == 1
    after = {row.message_id for row in world.rows(OutboxRow)}
    assert len(after) == 2
    assert before <= after


TWO = """
import sys
from datetime import datetime
from pathlib import Path
from listener.pipeline.watchdog import Watchdog
from listener.settings import Settings
from listener.store.work import Database

database = Database(sys.argv[1])
watchdog = Watchdog(database, Settings(home=Path(sys.argv[2])))
print("ready", flush=True)
sys.stdin.readline()
for _ in range(3):
    watchdog.look(now=datetime.fromisoformat(sys.argv[3]))
"""


def test_two_watchdogs_at_once_give_one_alert(world: World, settings: Settings) -> None:
    world.look(NOW + MINUTE)
    world.wave(NOW, 16)
    world.cover(NOW, NOW + 10 * MINUTE)
    roll_up(world.database)
    command = [sys.executable, "-c", TWO, world.database.url, str(settings.home)]
    command.append((NOW + 11 * MINUTE).isoformat())
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, **pipes) for _ in range(2)]  # type: ignore[call-overload]
    for one in both:
        assert one.stdout.readline() == "ready\n"
    for one in both:
        one.stdin.write("\n")
        one.stdin.flush()
    for one in both:
        one.communicate(timeout=60)
    assert [one.returncode for one in both] == [0, 0]
    assert len(world.rows(AlertRow)) == 1
    assert world.messages() == ["alert.opened"]
    series = [(row.dimension, row.by, row.sensitivity) for row in world.rows(SpikeRow)]
    assert len(series) == len(set(series)), "no spike twice either"


def test_a_spike_ends_when_nobody_listens_any_more(small: World) -> None:
    breaks_out(small)
    with small.database.write() as work:
        for rule in rules.of_brand(work.session, small.brand.id):
            if rule.origin == "complaints":
                rules.delete(work.session, rule.id)
            else:
                rules.update(work.session, rule.id, enabled=False, now=NOW)
        work.commit()
    small.look(NOW + 12 * MINUTE)
    assert {row.state for row in small.rows(SpikeRow)} == {"resolved"}
    (complaint,) = [row for row in small.rows(SpikeRow) if row.dimension == "complaint"]
    assert complaint.detail["ended"] == complaint.explanation["ended"] == "unwatched"
    assert small.messages() == ["alert.opened", "alert.resolved"]
    with small.database.read() as session:
        assert spikes.heads(session, small.brand.id) == {}


def test_nothing_of_an_archived_brand_stays_open(small: World) -> None:
    breaks_out(small)
    with small.database.write() as work:
        brands.archive(work.session, small.brand.id, now=NOW)
        work.commit()
    small.look(NOW + 12 * MINUTE)
    assert {row.state for row in small.rows(SpikeRow)} == {"resolved"}
    assert small.messages() == ["alert.opened", "alert.resolved"]
    with small.database.write() as work:
        brands.restore(work.session, small.brand.id)
        work.commit()
    small.look(NOW + 13 * MINUTE)
    with small.database.read() as session:
        assert spikes.heads(session, small.brand.id), "it is watched again"


def test_a_spike_ends_when_its_watch_stays_dead(small: World) -> None:
    breaks_out(small)
    small.look(NOW + 20 * HOUR)
    assert "open" in {row.state for row in small.rows(SpikeRow)}
    small.look(NOW + 26 * HOUR)
    (alert,) = small.rows(AlertRow)
    assert alert.state == "resolved"
    assert {row.detail["ended"] for row in small.rows(SpikeRow)} == {"silent"}


def test_a_rule_decides_what_is_told(small: World) -> None:
    with small.database.write() as work:
        for rule in rules.of_brand(work.session, small.brand.id):
            rules.update(work.session, rule.id, min_count=1_000, now=NOW)
        work.commit()
    breaks_out(small)
    assert "complaint" in {row.dimension for row in small.rows(SpikeRow)}, "it is shown"
    assert small.rows(AlertRow) == [], "and calls nobody"


def test_rules_watch_one_source_topic_or_both(small: World) -> None:
    with small.database.write() as work:
        for rule in rules.of_brand(work.session, small.brand.id):
            rules.delete(work.session, rule.id)
        for name, scope in (
            ("source", Scope(source="plaza")),
            ("other", Scope(source="feed")),
            ("both", Scope(source="plaza", language="ko")),
            ("topic", Scope(topic="delivery")),
        ):
            rules.create(
                work.session,
                brand_id=small.brand.id,
                name=name,
                signal="complaints",
                scope=scope,
                by="authors",
                now=NOW,
            )
        both = rules.of_brand(work.session, small.brand.id)[2]
        work.commit()
    breaks_out(small)
    found = {row.dimension: row for row in small.rows(SpikeRow)}
    assert found.keys() == {
        "source:plaza:complaint",
        "topic:delivery:complaint",
        f"rule:{both.id}",
    }
    assert {row.by for row in found.values()} == {"authors"}
    assert found[f"rule:{both.id}"].scope == {
        "source": "plaza",
        "language": "ko",
        "complaint": "true",
    }
    assert found[f"rule:{both.id}"].observed == found["source:plaza:complaint"].observed
    assert small.messages() == ["alert.opened"]


def test_a_series_of_one_source_is_judged_over_its_watches(small: World) -> None:
    with small.database.write() as work:
        for rule in rules.of_brand(work.session, small.brand.id):
            rules.delete(work.session, rule.id)
        for name, scope in (("all", Scope()), ("one", Scope(source="plaza"))):
            rules.create(
                work.session, brand_id=small.brand.id, name=name, signal="complaints",
                scope=scope, now=NOW,
            )  # fmt: skip
        other = stored_watch(work.session, source="feed", brand=small.brand, now=SINCE)
        work.commit()
    small.cover(SINCE, NOW, other)

    def upto() -> dict[str, datetime]:
        small.look(at)
        return {row.dimension: row.upto for row in _detectors(small)}

    at = NOW + MINUTE
    assert set(upto().values()) == {NOW}
    small.cover(NOW, NOW + HOUR)  # the other source is late
    at = NOW + HOUR + MINUTE
    reached = upto()
    assert reached["source:plaza:complaint"] == NOW + HOUR
    assert reached["complaint"] < NOW + HOUR
    small.cover(NOW, NOW + 2 * HOUR, other)  # now the own one is
    at = NOW + 2 * HOUR + MINUTE
    reached = upto()
    # Of that time nothing is known: its end waits for the watch, and no zeros were learnt.
    assert reached["source:plaza:complaint"] < NOW + 2 * HOUR
    assert reached["complaint"] < NOW + 2 * HOUR
    small.cover(NOW + HOUR, NOW + 2 * HOUR)
    at += MINUTE
    assert set(upto().values()) == {NOW + 2 * HOUR}


def _detectors(world: World) -> list[DetectorRow]:
    with world.database.read() as session:
        return list(session.scalars(select(DetectorRow)))


@pytest.mark.parametrize("change", [{"holidays": ""}, {"holidays": "US"}])
def test_other_holidays_build_the_detectors_anew(small: World, change: dict[str, str]) -> None:
    small.look(NOW + MINUTE)
    before = {row.dimension: row.version for row in _detectors(small)}
    Watchdog(small.database, small.settings).look(now=NOW + 2 * MINUTE)
    assert {row.dimension: row.version for row in _detectors(small)} == before
    changed = small.settings.model_copy(update=change)
    Watchdog(small.database, changed).look(now=NOW + 2 * MINUTE)
    after = {row.dimension: row.version for row in _detectors(small)}
    assert after.keys() == before.keys()
    assert not set(after.values()) & set(before.values())
    assert small.rows(AlertRow) == []


def test_copies_of_one_release_alert_nobody(small: World) -> None:
    """500 papers print one complaint: for the rules it is one story."""
    text = "Haneul 택배 파손 심각 소비자 불만 폭주 환불 거부 논란 확산 topic:delivery -"
    items = [
        a_raw(
            f"wire {n}",
            text,
            author=RawAuthor(native_id=f"paper {n}"),
            published_at=NOW + n * timedelta(seconds=1),
        )
        for n in range(500)
    ]
    small.look(NOW + MINUTE)
    small.ingest.items(items, Origin(source="plaza"), now=NOW + 10 * MINUTE)
    screen(small.database, now=NOW + 10 * MINUTE)
    small.quiet(NOW, NOW + 10 * MINUTE)
    small.cover(NOW, NOW + 10 * MINUTE)
    small.look(NOW + 11 * MINUTE)
    assert {row.by for row in small.rows(SpikeRow)} <= {"posts"}
    assert "complaint" not in {row.dimension for row in small.rows(SpikeRow)}


def test_a_planned_event_calls_nobody(small: World) -> None:
    small.look(NOW + MINUTE)
    with small.database.write() as work:
        planned.create(
            work.session,
            name="봄 세일",
            from_at=NOW - HOUR,
            to_at=NOW + 3 * HOUR,
            brand_id=small.brand.id,
            now=NOW,
        )
        work.commit()
    breaks_out(small)
    assert small.rows(AlertRow) == []


def test_an_event_planned_afterwards_ends_the_spike(small: World) -> None:
    """Whoever says too late that it was a campaign: what it brought is not learnt."""
    breaks_out(small)
    assert small.messages() == ["alert.opened"]
    with small.database.write() as work:
        planned.create(
            work.session, name="봄 세일", from_at=NOW - HOUR, to_at=NOW + 3 * HOUR, now=NOW
        )
        work.commit()
    with small.database.read() as session:
        heads = spikes.heads(session, small.brand.id)
    assert {head.late_from for head in heads.values()} == {NOW - HOUR}
    small.quiet(NOW + 10 * MINUTE, NOW + 30 * MINUTE)
    small.cover(NOW + 10 * MINUTE, NOW + 30 * MINUTE)
    small.look(NOW + 31 * MINUTE)
    with small.database.read() as session:
        heads = spikes.heads(session, small.brand.id)
    assert not any(head.late_from for head in heads.values())
    rows = [row for row in small.rows(SpikeRow) if row.by == "stories"]
    assert rows
    assert {row.state for row in rows} == {"resolved"}


class Harsh(FakeReader):
    """The next models: ``+`` is a complaint, too."""

    def read(
        self, mentions: Sequence[Mention], matches: Sequence[Sequence[Match]]
    ) -> list[ReadMention]:
        """As if every sign were ``-``."""
        turned = [replace(one, text=one.text.replace("+", "-")) for one in mentions]
        return [
            replace(one, mention=mention)
            for one, mention in zip(super().read(turned, matches), mentions, strict=True)
        ]


def test_a_switch_to_other_models_raises_no_alarm(small: World) -> None:
    """Twelve times as many complaints by the new models, in all of history at once."""
    small.look(NOW)
    reader = Harsh(FakeVersions(key="harsh"))
    rescorer = Rescorer(small.database, Always(reader), lambda: NOW + MINUTE)
    rescorer.run(rescorer.begin())
    rescorer.switch(2)
    small.ingest = Ingest(small.database, reader, small.settings, Secrets(b"k" * 32))

    assert small.watchdog.look(now=NOW + 2 * MINUTE) == 0, "before anything is counted anew"
    while roll_up(small.database, limit=1):
        assert small.watchdog.look(now=NOW + 2 * MINUTE) == 0, "half-way"
    small.quiet(NOW, NOW + 30 * MINUTE)
    small.cover(NOW, NOW + 30 * MINUTE)
    for minutes in (3, 10, 20, 30):
        assert small.look(NOW + minutes * MINUTE) == 0, "and after it"
    assert small.messages() == []

    small.wave(NOW + 30 * MINUTE, 40)
    small.cover(NOW + 30 * MINUTE, NOW + 40 * MINUTE)
    small.look(NOW + 41 * MINUTE)
    assert small.messages() == ["alert.opened"], "what is new is told as ever"
