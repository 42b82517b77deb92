"""Notices: told once a cause, reminded of, told when over; never a storm, never for our outage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from builders import NOW, stored_watch
from listener.pipeline.notices import Notifier
from listener.runtime.wiring import build
from listener.settings import Settings
from listener.store import gaps, notices
from listener.store.tables import ChannelRow, NoticeRow, OutboxRow, WatchRow
from listener.store.work import Database
from listener.types import Gap, GapReason, Outcome
from webserver import Play, WebServer

SECRET = "whsec_" + "bGlzdGVuZXIgdGVzdCBzZWNyZXQ="
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class Desk:
    """An install whose watches a test lets fail, and what people are told."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = NOW
        self.notifier = Notifier(database, lambda: self.now)
        self.told: list[str] = []
        with database.write() as work:
            self.channel("both", work.session)
            work.commit()
        self.look()

    def channel(self, wants: str, session: Any) -> None:
        """A channel for alerts, notices or both."""
        session.add(
            ChannelRow(
                name=wants,
                kind="webhook",
                address=b"",
                address_shown="",
                wants=wants,
                created_at=NOW,
            )
        )

    def watch(self, host: str = "shop.example", **fields: Any) -> int:
        """A watch that does well."""
        with self.database.write() as work:
            params = {"url": f"https://{host}/reviews"}
            watch_id = stored_watch(work.session, source="reviews", params=params, **fields)
            work.commit()
        self.run(watch_id, Outcome.OK)
        return watch_id

    def run(self, watch_id: int, outcome: Outcome, failures: int = 1) -> None:
        """Its runs, up to now, ended like that so many times."""
        with self.database.write() as work:
            row = work.session.get_one(WatchRow, watch_id)
            if row.health != outcome:
                row.health_since = self.now
            row.health = outcome
            row.next_run_at = self.now + timedelta(minutes=10)
            if outcome is Outcome.OK:
                row.failures, row.last_success_at = 0, self.now
            else:
                row.failures += failures
                row.health_reason = "The server answered 503."
            work.commit()

    def look(self, after: timedelta = timedelta()) -> list[str]:
        """Look again and again up to then, as the service does; gives the events told."""
        end = self.now + after
        self.told = []
        while True:
            self.notifier.look()
            if self.now >= end:
                break
            step = max(timedelta(minutes=4), (end - self.now) / 8)
            self.now = min(self.now + step, end)
            self.notifier._looked_at = self.now  # it has looked meanwhile, and nothing was new
        with self.database.write() as work:
            for row in work.session.scalars(select(OutboxRow).order_by(OutboxRow.id)):
                self.told.append(row.event)
                work.session.delete(row)
            work.commit()
        return self.told

    def notices(self) -> list[NoticeRow]:
        with self.database.read() as session:
            return notices.page(session)


@pytest.fixture
def desk(sqlite: Database) -> Desk:
    return Desk(sqlite)


@pytest.fixture
def any_desk(database: Database) -> Desk:
    """On either database: the words are judged above it, the rows are written by both."""
    return Desk(database)


def test_three_failures_one_notice_a_reminder_and_a_recovery(any_desk: Desk) -> None:
    desk = any_desk
    watch = desk.watch()
    desk.run(watch, Outcome.UNAVAILABLE, 2)
    assert desk.look() == []
    desk.run(watch, Outcome.UNAVAILABLE)
    assert desk.look() == ["source.failing"]
    desk.run(watch, Outcome.UNAVAILABLE)
    assert desk.look(20 * HOUR) == []
    desk.run(watch, Outcome.UNAVAILABLE)
    assert desk.look(5 * HOUR) == ["source.reminder"]
    desk.run(watch, Outcome.OK)
    assert desk.look() == []
    desk.run(watch, Outcome.OK)
    assert desk.look(timedelta(minutes=12)) == ["source.recovered"]
    (notice,) = desk.notices()
    assert (notice.state, notice.reminders) == ("recovered", 1)
    assert desk.look(timedelta(minutes=10)) == []


@pytest.mark.parametrize(
    ("outcome", "tries"),
    [
        (Outcome.NEEDS_CREDENTIALS, 1),
        (Outcome.OUT_OF_BUDGET, 1),
        (Outcome.GONE, 1),
        (Outcome.BLOCKED, 2),
        (Outcome.SUSPECT, 2),
        (Outcome.LAYOUT_CHANGED, 2),
        (Outcome.RATE_LIMITED, 3),
        (Outcome.FAILED, 3),
    ],
)
def test_what_does_not_mend_itself_is_told_sooner(desk: Desk, outcome: Outcome, tries: int) -> None:
    watch = desk.watch()
    for attempt in range(1, tries + 1):
        desk.run(watch, outcome)
        assert desk.look() == (["source.failing"] if attempt == tries else [])


def test_eighteen_watches_of_one_host_are_one_notice(desk: Desk) -> None:
    ids = [desk.watch() for _ in range(18)]
    for watch in ids[:5]:
        desk.run(watch, Outcome.UNAVAILABLE, 3)
    assert desk.look() == ["source.failing"]
    for watch in ids[5:]:
        desk.run(watch, Outcome.UNAVAILABLE, 3)
    assert desk.look() == []
    (notice,) = desk.notices()
    assert notice.watch_ids == ids
    assert (notice.place, notice.source) == ("shop.example", "reviews")
    for watch in ids[:17]:
        desk.run(watch, Outcome.OK)
    assert desk.look(timedelta(minutes=15)) == [], "one is still failing"
    desk.run(ids[17], Outcome.OK)
    assert desk.look(timedelta(minutes=15)) == ["source.recovered"]


def test_two_hosts_are_two_notices(desk: Desk) -> None:
    for host in ("a.example", "b.example"):
        desk.run(desk.watch(host), Outcome.BLOCKED, 2)
    assert desk.look() == ["source.failing"] * 2


def test_reminders_are_daily_for_a_week_and_weekly_then(desk: Desk) -> None:
    watch = desk.watch(every=timedelta(days=30))
    desk.run(watch, Outcome.NEEDS_CREDENTIALS)
    assert desk.look() == ["source.failing"]
    times: list[int] = []
    for day in range(1, 30):
        desk.run(watch, Outcome.NEEDS_CREDENTIALS)
        times += [day] * len(desk.look(DAY))
    assert times == [1, 2, 3, 4, 5, 6, 7, 14, 21, 28]


def test_a_source_that_comes_and_goes_is_told_every_six_hours_at_most(desk: Desk) -> None:
    watch = desk.watch()
    told: list[str] = []
    for _ in range(12):  # an hour each
        desk.run(watch, Outcome.UNAVAILABLE, 3)
        told += desk.look(HOUR / 2)
        desk.run(watch, Outcome.OK)
        told += desk.look(HOUR / 2)
    assert told[:2] == ["source.failing", "source.recovered"]
    assert told[2:] == ["source.failing", "source.recovered"], "six hours later"


def test_another_trouble_of_the_same_watch_ends_the_first_silently(desk: Desk) -> None:
    watch = desk.watch()
    desk.run(watch, Outcome.UNAVAILABLE, 3)
    assert desk.look() == ["source.failing"]
    desk.run(watch, Outcome.NEEDS_CREDENTIALS)
    assert desk.look() == ["source.failing"]
    assert [notice.state for notice in desk.notices()] == ["open", "closed"]
    # A 503 turned into a 429 is the same trouble to people.
    desk.run(watch, Outcome.OK)
    desk.look(HOUR)
    desk.now += 7 * HOUR
    desk.look()
    desk.run(watch, Outcome.UNAVAILABLE, 3)
    desk.look()
    desk.run(watch, Outcome.RATE_LIMITED)
    assert desk.look() == []


def test_a_watch_that_is_paused_or_deleted_is_no_recovery(desk: Desk) -> None:
    watch = desk.watch()
    desk.run(watch, Outcome.BLOCKED, 2)
    desk.look()
    with desk.database.write() as work:
        work.session.get_one(WatchRow, watch).enabled = False
        work.commit()
    assert desk.look(HOUR) == []
    (notice,) = desk.notices()
    assert notice.state == "closed"


# --- our own outage ------------------------------------------------------------------------------


def test_after_our_own_outage_nobody_is_told_that_runs_are_late(desk: Desk) -> None:
    ids = [desk.watch() for _ in range(5)]
    desk.now += 2 * DAY  # the service was off
    assert desk.look(timedelta(minutes=20)) == []
    for watch in ids:
        desk.run(watch, Outcome.OK)
    assert desk.look(timedelta(minutes=10)) == []


def test_a_worker_that_comes_to_nobody_is_told_once(desk: Desk) -> None:
    for _ in range(5):
        desk.watch()
    assert desk.look(2 * HOUR) == ["source.failing"]
    (notice,) = desk.notices()
    assert (notice.cause, len(notice.watch_ids), notice.source) == ("late", 5, "")


def test_no_reminder_before_a_watch_had_a_chance(desk: Desk) -> None:
    watch = desk.watch()
    desk.run(watch, Outcome.UNAVAILABLE, 3)
    assert desk.look() == ["source.failing"]
    desk.now += 3 * DAY  # the service was off
    assert desk.look(timedelta(minutes=8)) == []
    desk.run(watch, Outcome.UNAVAILABLE)
    assert desk.look() == ["source.reminder"]


# --- to whom, and what ---------------------------------------------------------------------------


def test_channels_get_what_they_want(desk: Desk) -> None:
    with desk.database.write() as work:
        for wants in ("alerts", "notices"):
            desk.channel(wants, work.session)
        work.commit()
    desk.run(desk.watch(), Outcome.GONE)
    desk.notifier.look()
    with desk.database.read() as session:
        rows = session.execute(
            select(ChannelRow.wants).join(OutboxRow, OutboxRow.channel_id == ChannelRow.id)
        )
        assert sorted(wants for (wants,) in rows) == ["both", "notices"]


@pytest.fixture
def server() -> Iterator[WebServer]:
    with WebServer() as server:
        yield server


def test_messages_are_signed_and_tell_what_was_missed(
    sqlite_url: str, settings: Settings, server: WebServer
) -> None:
    private = {"database_url": sqlite_url, "allow_private_hosts": "127.0.0.1"}
    services = build(settings.model_copy(update=private))
    desk = Desk(services.database)
    services.clock = lambda: desk.now
    server.pages["/hook"] = Play("", 204)
    with services.database.write() as work:
        work.session.query(ChannelRow).delete()
        work.commit()
    services.add_channel(name="ops", address=f"{server.url}/hook", secret=SECRET)
    watch = desk.watch(label="하늘 쿠션 리뷰")
    desk.run(watch, Outcome.UNAVAILABLE, 3)
    desk.notifier.look()
    services.deliverer.deliver_due()
    desk.now += 2 * HOUR
    desk.notifier.look()
    with services.database.write() as work:
        hole = Gap(from_at=NOW, to_at=NOW + HOUR, why=GapReason.WINDOW)
        gaps.record(work.session, watch, None, [hole], now=desk.now)
        work.commit()
    desk.run(watch, Outcome.OK)
    desk.now += timedelta(minutes=4)
    desk.run(watch, Outcome.OK)
    desk.notifier.look()
    desk.now += timedelta(minutes=4)
    desk.notifier.look()
    desk.now += timedelta(minutes=4)
    desk.notifier.look()
    services.deliverer.deliver_due()
    bodies = [json.loads(seen.body) for seen in server.seen]
    failing, recovered = bodies
    assert failing["type"] == "source.failing"
    assert failing["data"]["notice"]["state"] == "failing"
    assert failing["data"]["notice"]["reason"] == "The server answered 503."
    assert failing["data"]["watches"] == [{"id": watch, "label": "하늘 쿠션 리뷰"}]
    korean = failing["data"]["text"]["ko"]
    assert korean["title"].startswith("[수집 이상]")
    assert "할 일: 알아서 다시 시도합니다." in korean["body"]
    assert "하늘 쿠션 리뷰" in korean["body"]
    assert recovered["type"] == "source.recovered"
    assert recovered["data"]["missed"][0]["state"] == "missing"
    assert "빠진 시간: 03월 10일 21:00 – 03월 10일 22:00" in recovered["data"]["text"]["ko"]["body"]
    assert "all is well" in recovered["data"]["text"]["en"]["title"]
    assert f"/sources/{watch}" in recovered["data"]["notice"]["url"]
    services.close()
