"""Watches as people see them, on both databases; gaps that are filled leave page and charts."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from api.dashboard.numbers import bar_coverage, gaps_of
from api.dashboard.watched import Watched, troubles, watched, worst_first
from builders import NOW, stored_brand, stored_watch
from listener.store import coverage, gaps
from listener.store.tables import RunRow, WatchRow
from listener.store.work import Database
from listener.types import Coverage, Gap, GapReason

SEOUL = ZoneInfo("Asia/Seoul")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def seen(session: Session, watch_id: int) -> Watched:
    row = session.get_one(WatchRow, watch_id)
    (found,) = watched(session, [row], NOW, SEOUL, days=7, history=30 * DAY)
    return found


def a_week(session: Session, *, hole: tuple[datetime, datetime]) -> int:
    """A watch that covers a week but for a hole, with three new items a day."""
    watch_id = stored_watch(session, brand=stored_brand(session), now=NOW - 20 * DAY)
    row = session.get_one(WatchRow, watch_id)
    row.covered_to = row.last_success_at = NOW
    row.health, row.next_run_at = "ok", NOW + HOUR
    gap = Gap(from_at=hole[0], to_at=hole[1], why=GapReason.PAGE_CAP)
    gaps.record(session, watch_id, None, [gap], now=NOW)
    coverage.add(session, watch_id, NOW - 20 * DAY, NOW, now=NOW)
    for day in range(7):
        at = NOW - day * DAY
        session.add(
            RunRow(watch_id=watch_id, token="t", started_at=at - HOUR, finished_at=at, new=3)
        )
    session.flush()
    return watch_id


def test_a_gap_is_missing_until_it_is_filled(database: Database) -> None:
    hole = (NOW - 3 * DAY, NOW - 3 * DAY + 5 * HOUR)
    edges = [NOW - 4 * DAY + n * 6 * HOUR for n in range(13)]
    with database.write() as work:
        watch_id = a_week(work.session, hole=hole)
        work.commit()
    with database.read() as session:
        before = seen(session, watch_id)
        (shown,) = gaps_of(session, 1, NOW - 7 * DAY, NOW)
        bars = bar_coverage(coverage.of_brand(session, 1, NOW - 7 * DAY, now=NOW), edges, NOW)
    assert (before.count("no"), before.count("yes")) == (5, before.hours - 5)
    assert [bar.missing for bar in before.bars].count(True) == 2, "the hole spans midnight in Seoul"
    assert [bar.count for bar in before.bars] == [3] * 7
    assert shown.from_at == hole[0]
    assert [bar for bar in bars if bar is not Coverage.COMPLETE]
    with database.write() as work:
        (gap,) = gaps.listing(work.session, watch_ids=[watch_id])
        gaps.fill(work.session, gap.id, now=NOW)
        coverage.add(work.session, watch_id, *hole, now=NOW)
        work.commit()
    with database.read() as session:
        after = seen(session, watch_id)
        assert gaps_of(session, 1, NOW - 7 * DAY, NOW) == []
        bars = bar_coverage(coverage.of_brand(session, 1, NOW - 7 * DAY, now=NOW), edges, NOW)
    assert (after.count("no"), after.count("part")) == (0, 0)
    assert [hole.state[1] for hole in after.holes] == ["Filled later"]
    assert set(bars) == {Coverage.COMPLETE}


def test_the_worst_brand_and_watch_come_first(database: Database) -> None:
    with database.write() as work:
        session = work.session
        brands = [stored_brand(session, name) for name in ("Haneul", "Bada")]
        for number, health in enumerate(("ok", "unavailable", "ok", "gone", "paused")):
            watch_id = stored_watch(session, brand=brands[number // 2 % 2], label=f"w{number}")
            row = session.get_one(WatchRow, watch_id)
            row.health, row.failures = health, 1
            row.enabled = health != "paused"
            row.last_success_at, row.next_run_at = NOW, NOW + HOUR
        work.commit()
    with database.read() as session:
        rows = list(session.query(WatchRow).order_by(WatchRow.id))
        found = watched(session, rows, NOW, SEOUL, days=7, history=30 * DAY)
        wrong = troubles(session, rows, NOW)
    groups = worst_first(found, wrong)
    assert [group.brand for group in groups] == ["Bada", "Haneul"]
    assert [one.row.label for one in groups[0].singles] == ["w3", "w2"]
    assert [one.row.label for one in groups[1].singles] == ["w1", "w0", "w4"]
    assert [trouble.state for trouble in wrong] == ["gone"], "a first failure is passing"
