"""Runs are held against what their watch usually brings, and averages are stored with a batch."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from builders import a_raw, stored_brand, stored_watch
from fakes import FakeCollector
from listener.collect import profile as profiles
from listener.pipeline.collect import Runner
from listener.store import gaps, ratings, watches
from listener.store.tables import WatchRow
from listener.store.work import Database
from listener.types import Batch, Outcome, RatingSnapshot, State

SHOWN = tuple(a_raw(str(n), "배송이 너무 늦어요", rating=4.0) for n in range(20))
FULL = Batch(items=SHOWN, state=State(), complete=True)
EMPTY = Batch(items=(), state=State(), complete=True)


def test_a_page_that_is_suddenly_empty_stops_coverage_until_it_is_read_again(
    database: Database, make_runner: Callable[..., Runner], clock: Callable[..., object]
) -> None:
    runner = make_runner(FakeCollector([[FULL]] * 60 + [[EMPTY]] * 3 + [[FULL]]))
    with database.write() as work:
        watch_id = stored_watch(work.session, brand=stored_brand(work.session))
        work.commit()

    def run() -> tuple[str, WatchRow]:
        clock.tick(minutes=10)  # type: ignore[attr-defined]
        (report,) = runner.collect_once(watch_id)
        with database.read() as session:
            return report["outcome"], watches.get(session, watch_id)

    for _ in range(60):
        outcome, row = run()
    usual = profiles.load(row.profile)
    assert (usual.runs, usual.items) == (60, 20)
    assert run()[0] == Outcome.UNCHANGED
    outcome, row = run()
    assert outcome == Outcome.UNCHANGED
    covered = row.covered_to
    outcome, row = run()
    assert outcome == Outcome.SUSPECT
    assert row.health == Outcome.SUSPECT
    assert "read nothing" in row.health_reason
    assert row.covered_to == covered
    with database.read() as session:
        assert gaps.ongoing(session, watch_id) is not None
    outcome, row = run()
    assert outcome == Outcome.UNCHANGED
    assert (row.health, row.failures) == (Outcome.OK, 0)
    with database.read() as session:
        assert gaps.ongoing(session, watch_id) is None


def test_averages_are_stored_with_their_batch(
    database: Database, make_runner: Callable[..., Runner], clock: Callable[..., object]
) -> None:
    app = RatingSnapshot(subject="kr/1", average=4.5, count=10, rating_min=1, rating_max=5)
    told = Batch(items=(), state=State(), complete=True, ratings=(app,))
    runner = make_runner(FakeCollector([[told], [told]]))
    with database.write() as work:
        watch_id = stored_watch(work.session)
        work.commit()
    for _ in range(2):
        clock.tick(minutes=10)  # type: ignore[attr-defined]
        list(runner.collect_once(watch_id))
    now = clock.now  # type: ignore[attr-defined]
    with database.read() as session:
        (rated,) = ratings.listing(session, since=now - timedelta(days=1), until=now)
    assert [point.average for point in rated.points] == [4.5]
    assert rated.latest.at == now - timedelta(minutes=10)
