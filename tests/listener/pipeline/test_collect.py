"""Runs of watches: outcome, health, next run, coverage and gaps, whatever the source does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from builders import NOW, a_raw, stored_brand, stored_watch
from fakes import FakeCollector
from listener import errors
from listener.pipeline.collect import LEASE, Runner
from listener.security import Secrets
from listener.store import connections, coverage, gaps, runs, watches
from listener.store.tables import MentionRow
from listener.store.work import Database
from listener.types import (
    Batch,
    Connection,
    Credential,
    Gap,
    GapReason,
    State,
    Watch,
)

MakeRunner = Callable[..., Runner]


@pytest.fixture
def watch_id(database: Database) -> int:
    with database.write() as work:
        id_ = stored_watch(work.session, brand=stored_brand(work.session, "Haneul"))
        work.commit()
    return id_


def a_batch(*ids: str, cursor: str = "1", complete: bool = True, **fields: Any) -> Batch:
    items = tuple(a_raw(id_, "Haneul -", published_at=fields.pop("at", NOW)) for id_ in ids)
    given = {"items": items, "state": State(cursor={"since": cursor}), "complete": complete}
    return Batch(**(given | fields))


def covered(database: Database, watch_id: int) -> list[tuple[datetime, datetime]]:
    with database.read() as session:
        far = (NOW - timedelta(days=99), NOW + timedelta(days=99))
        return coverage.intervals(session, [watch_id], *far)[watch_id]


def open_gaps(database: Database) -> list[tuple[datetime, datetime | None, str]]:
    with database.read() as session:
        return [(g.from_at, g.to_at, g.why) for g in gaps.listing(session)]


def test_a_run_is_reported_and_the_watch_moves_on(
    database: Database, make_runner: MakeRunner, watch_id: int
) -> None:
    hour = timedelta(hours=1)
    collector = FakeCollector(
        [[a_batch("2", cursor="2", requests=2, complete=False), a_batch("1", at=NOW - hour)]]
    )
    (report,) = make_runner(collector).collect_once()

    assert report == {
        "watch": watch_id,
        "run": 1,
        "outcome": "ok",
        "requests": 2,
        "items": 2,
        "new": 2,
        "edited": 0,
        "rejected": 0,
        "gap": None,
        "error": None,
        "hint": None,
        "next_run": (NOW + timedelta(minutes=10)).isoformat(),
    }
    with database.read() as session:
        row = watches.get(session, watch_id)
        assert (row.health, row.failures, row.covered_to) == ("ok", 0, NOW)
        assert (row.last_success_at, row.claim_token) == (NOW, None)
        assert watches.state_of(row) == State(cursor={"since": "1"})
        assert watches.due(session, now=NOW) == []
    assert covered(database, watch_id) == [(NOW - hour, NOW)]


def test_the_next_run_begins_where_the_last_ended(
    database: Database, make_runner: MakeRunner, watch_id: int, clock: Any
) -> None:
    collector = FakeCollector([[a_batch("1", cursor="7")], [a_batch("1", cursor="7")]])
    runner = make_runner(collector)
    list(runner.collect_once())
    clock.tick(minutes=10)

    (report,) = runner.collect_once()

    assert collector.calls == [State(), State(cursor={"since": "7"})]
    assert report["outcome"] == "unchanged"
    assert covered(database, watch_id) == [(NOW, NOW + timedelta(minutes=10))]


@pytest.mark.parametrize(
    ("error", "outcome", "gap", "minutes"),
    [
        (errors.SourceUnavailable("down", hint="wait"), "unavailable", "outage", 20),
        (
            errors.RateLimited("slow", retry_at=NOW + timedelta(hours=3)),
            *("rate-limited", "rate-limit", 170),
        ),
        (errors.BudgetExhausted("spent"), "out-of-budget", "budget", 20),
        (errors.AuthRejected("no key"), "needs-credentials", "outage", 20),
        (errors.Blocked("go away"), "blocked", "outage", 20),
        (errors.LayoutChanged("no reviews key"), "layout-changed", "outage", 20),
        (errors.SourceGone("410"), "gone", "outage", 24 * 60),
        (errors.TargetForbidden("inside"), "blocked", "outage", 20),
        (errors.InvalidInput("bad parameter"), "failed", "outage", 20),
        (errors.ConfigError("wrong key"), "failed", "outage", 20),
        (ValueError("a bug with a secret"), "failed", "outage", 20),
    ],
)
def test_what_goes_wrong_is_said_and_the_cursor_stays(
    database: Database,
    make_runner: MakeRunner,
    watch_id: int,
    clock: Any,
    error: Exception,
    outcome: str,
    gap: str,
    minutes: int,
) -> None:
    collector = FakeCollector([[a_batch("1")], [error]])
    runner = make_runner(collector)
    list(runner.collect_once())
    clock.tick(minutes=10)

    (report,) = runner.collect_once()

    assert report["outcome"] == outcome
    assert report["next_run"] == (clock.now + timedelta(minutes=minutes)).isoformat()
    assert report["error"]
    assert "a bug" not in report["error"]
    assert report["gap"] == {"from": NOW.isoformat(), "to": None, "why": gap}
    with database.read() as session:
        row = watches.get(session, watch_id)
        assert (row.health, row.failures, row.health_since) == (outcome, 1, clock.now)
        assert (row.covered_to, row.last_success_at) == (NOW, NOW)
        assert watches.state_of(row) == State(cursor={"since": "1"})
        assert runs.get(session, report["run"]).error == report["error"]


def test_what_came_before_the_failure_stays(
    database: Database, make_runner: MakeRunner, watch_id: int
) -> None:
    first = a_batch("1", cursor="half", complete=False)
    runner = make_runner(FakeCollector([[first, errors.SourceUnavailable("cut")]]))

    (report,) = runner.collect_once()

    assert (report["outcome"], report["new"]) == ("unavailable", 1)
    assert covered(database, watch_id) == []
    assert open_gaps(database) == []  # nothing was ever covered
    with database.read() as session:
        assert watches.get(session, watch_id).state["cursor"] == {"since": "half"}


def test_an_outage_that_the_source_tells_back_is_filled(
    database: Database, make_runner: MakeRunner, watch_id: int, clock: Any
) -> None:
    down = errors.SourceUnavailable("down")
    runner = make_runner(FakeCollector([[a_batch("1")], [down], [down], [a_batch("2")]]))
    for _ in range(3):
        list(runner.collect_once(watch_id))
        clock.tick(hours=1)
    assert open_gaps(database) == [(NOW, None, "outage")]

    (report,) = runner.collect_once(watch_id)

    assert report["gap"] is None
    assert open_gaps(database) == []
    with database.read() as session:
        (gap,) = gaps.listing(session, filled=True)
        assert (gap.to_at, gap.filled_at, gap.known_at) == (
            *(clock.now, clock.now),
            NOW + timedelta(hours=1),
        )
        # As it was known then, the time was not covered.
        then = coverage.intervals(session, [watch_id], NOW, clock.now, as_of=gap.known_at)
        assert then == {watch_id: []}
    assert covered(database, watch_id) == [(NOW, clock.now)]


def test_an_outage_beyond_the_sources_reach_stays_a_gap(
    database: Database, make_runner: MakeRunner, watch_id: int, clock: Any
) -> None:
    lost_to = NOW + timedelta(hours=3)
    window = Gap(from_at=NOW, to_at=lost_to, why=GapReason.WINDOW)
    back = a_batch("2", gaps=(window,))
    runner = make_runner(FakeCollector([[a_batch("1")], [errors.SourceUnavailable("x")], [back]]))
    for _ in range(2):
        list(runner.collect_once(watch_id))
        clock.tick(hours=4)

    (report,) = runner.collect_once(watch_id)

    assert open_gaps(database) == [(NOW, lost_to, "outage")]
    assert report["gap"] is None or report["gap"]["to"] == lost_to.isoformat()
    assert covered(database, watch_id) == [(lost_to, clock.now)]


def test_a_gap_splits_the_coverage(
    database: Database, make_runner: MakeRunner, watch_id: int, clock: Any
) -> None:
    hole = Gap(
        from_at=NOW + timedelta(minutes=2), to_at=NOW + timedelta(minutes=5), why=GapReason.PAGE_CAP
    )
    runner = make_runner(FakeCollector([[a_batch("1")], [a_batch("2", gaps=(hole,))]]))
    list(runner.collect_once())
    clock.tick(minutes=10)

    (report,) = runner.collect_once()

    assert report["outcome"] == "ok"
    assert report["gap"]["why"] == "page-cap"
    assert covered(database, watch_id) == [(NOW, hole.from_at), (hole.to_at, clock.now)]


def test_a_suspect_result_is_no_coverage(
    database: Database, make_runner: MakeRunner, watch_id: int, clock: Any
) -> None:
    empty = Batch(items=(), state=State(), complete=True, suspect="There were reviews before.")
    runner = make_runner(FakeCollector([[a_batch("1")], [empty]]))
    list(runner.collect_once())
    clock.tick(minutes=10)

    (report,) = runner.collect_once()

    assert (report["outcome"], report["error"]) == ("suspect", "There were reviews before.")
    assert covered(database, watch_id) == []
    assert open_gaps(database) == [(NOW, None, "outage")]


def test_the_source_may_ask_for_patience(
    make_runner: MakeRunner, watch_id: int, clock: Any
) -> None:
    patience = NOW + timedelta(hours=5)
    (report,) = make_runner(FakeCollector([[a_batch("1", next_at=patience)]])).collect_once()
    assert report["next_run"] == patience.isoformat()


def test_a_full_disk_stops_the_run_in_words(
    database: Database, make_runner: MakeRunner, watch_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = make_runner(FakeCollector([[a_batch("1")]]))

    def full(*_: Any, **__: Any) -> None:
        raise errors.StorageError("The disk is full, so nothing was stored.")

    monkeypatch.setattr(runner.ingest, "batch", full)
    (report,) = runner.collect_once()
    assert (report["outcome"], report["error"]) == (
        "failed",
        "The disk is full, so nothing was stored.",
    )


def test_sqlite_really_says_that_it_is_full(sqlite: Database) -> None:
    def fill() -> None:
        with sqlite.write() as work:
            connection = work.session.connection()
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
            stored_brand(work.session, "Haneul", aliases=[f"{n:0>200}" for n in range(500)])
            work.commit()

    with pytest.raises(errors.StorageError, match="disk is full"):
        fill()


def test_a_run_overtaken_writes_nothing_more(
    database: Database, make_runner: MakeRunner, watch_id: int, clock: Any
) -> None:
    class Sleepy(FakeCollector):
        def collect(self, watch: Watch, state: State, *, now: datetime) -> Iterator[Batch]:
            yield a_batch("1", complete=False)
            clock.tick(minutes=LEASE.total_seconds() / 60 + 1)
            with database.write() as work:  # another worker finds the claim run out
                assert watches.claim(work.session, watch_id, now=clock.now, lease=LEASE)
                work.commit()
            yield a_batch("2")

    (report,) = make_runner(Sleepy()).collect_once()

    assert report["outcome"] == "lost"
    with database.read() as session:
        assert [m.external_id for m in session.query(MentionRow)] == ["1"]
        row = watches.get(session, watch_id)
        assert row.claim_token is not None
        assert row.health == "new"
        assert [r.outcome for r in runs.listing(session)] == [None, "lost"]


def test_collect_now_waits_for_the_run_in_progress(
    database: Database,
    make_runner: MakeRunner,
    watch_id: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entered, leave = threading.Event(), threading.Event()

    class Slow(FakeCollector):
        def collect(self, watch: Watch, state: State, *, now: datetime) -> Iterator[Batch]:
            entered.set()
            leave.wait(10)
            yield a_batch("1")

    runner = make_runner(Slow())
    wait = runner._wait_for_run

    def waits(watch_id: int) -> dict[str, Any] | None:
        # The claim was refused, so the run is in progress; it may end at any moment from now on.
        leave.set()
        return wait(watch_id)

    monkeypatch.setattr(runner, "_wait_for_run", waits)
    reports: list[dict[str, Any]] = []
    first = threading.Thread(target=lambda: reports.extend(runner.collect_once()))
    first.start()
    entered.wait(10)
    second = threading.Thread(target=lambda: reports.extend(runner.collect_once(watch_id)))
    second.start()
    first.join()
    second.join()

    assert [(r["run"], r["outcome"], r["new"]) for r in reports] == [(1, "ok", 1)] * 2


def test_only_one_of_many_gets_the_claim(database: Database, watch_id: int) -> None:
    taken = []

    def take() -> None:
        with database.write() as work:
            claim = watches.claim(work.session, None, now=NOW, lease=LEASE)
            work.commit()
        taken.append(claim)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(claim is not None for claim in taken) == 1


def test_address_and_credentials_come_from_connection_or_environment(
    database: Database, make_runner: MakeRunner, secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LISTENER_PLAZA__BASE_URL", "https://from.env")
    monkeypatch.setenv("LISTENER_PLAZA__TOKEN", "env-token")
    collector = FakeCollector()
    collector.spec = type(collector.spec)(
        name="plaza",
        title="Plaza",
        title_ko="플라자",
        every=timedelta(minutes=10),
        kind=collector.spec.kind,
        base_url="https://plaza.example",
        credentials=(Credential(name="token", title="Token"), Credential(name="key", title="Key")),
    )
    seen: list[Connection] = []
    collector.collect = (
        lambda watch, state, now: iter(  # type: ignore[assignment,method-assign]
            [seen.append(watch.connection), a_batch("1")][1:]
        )
    )
    with database.write() as work:
        connection = connections.create(
            work.session,
            source="plaza",
            name="second account",
            base_url="https://other.example",
            credentials=secrets.encrypt('{"key": "own-key"}'),
            now=NOW,
        )
        stored_watch(work.session)
        stored_watch(work.session, connection_id=connection.id)
        work.commit()

    reports = list(make_runner(collector).collect_once())

    assert [r["outcome"] for r in reports] == ["ok", "unchanged"]
    assert [c.base_url for c in seen] == ["https://from.env", "https://other.example"]
    assert [dict(c.credentials) for c in seen] == [
        {"token": "env-token"},
        {"token": "env-token", "key": "own-key"},
    ]
    assert "own-key" not in repr(seen)


def test_an_unknown_watch(make_runner: MakeRunner, database: Database) -> None:
    with pytest.raises(errors.NotFound):
        list(make_runner().collect_once(99))


def test_a_source_that_is_no_longer_there(make_runner: MakeRunner, watch_id: int) -> None:
    (report,) = make_runner().collect_once()
    assert (report["outcome"], report["error"]) == ("failed", "There is no source named 'plaza'.")
