"""Watches: what is due, and fenced claims."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from builders import NOW, stored_brand, stored_watch
from listener.errors import ClaimLost, InvalidInput, NotFound
from listener.store import brands, connections, runs, watches
from listener.store.tables import RunRow
from listener.store.watches import Ending
from listener.store.work import Database
from listener.types import Claim, MatchMode, Outcome, State

LEASE = timedelta(minutes=2)
MINUTE = timedelta(minutes=1)


def ending(outcome: Outcome = Outcome.OK) -> Ending:
    return Ending(outcome=outcome, complete=True, next_run_at=NOW + 10 * MINUTE)


def a_claim(database: Database, watch_id: int | None = None, minutes: int = 0) -> Claim | None:
    with database.write() as work:
        claim = watches.claim(work.session, watch_id, now=NOW + minutes * MINUTE, lease=LEASE)
        work.commit()
    return claim


def test_due_is_what_nobody_works_on_the_longest_overdue_first(database: Database) -> None:
    with database.write() as work:
        session = work.session
        late, later, paused, deleted, claimed, early = (
            stored_watch(session, now=NOW - minutes * MINUTE) for minutes in (9, 5, 3, 3, 3, -3)
        )
        watches.update_watch(session, paused, now=NOW, enabled=False)
        watches.delete(session, deleted, now=NOW)
        assert watches.claim(session, claimed, now=NOW, lease=LEASE)
        work.commit()
    with database.read() as session:
        assert [row.id for row in watches.due(session, now=NOW)] == [late, later]
        assert [row.id for row in watches.due(session, now=NOW, limit=1)] == [late]
        # A claim that ran out is free again.
        assert {row.id for row in watches.due(session, now=NOW + LEASE)} == {late, later, claimed}
        assert early not in {row.id for row in watches.due(session, now=NOW)}
    with database.write() as work:
        watches.run_soon(work.session, early, now=NOW)
        work.commit()
    with database.read() as session:
        assert early in {row.id for row in watches.due(session, now=NOW)}


def test_a_claim_is_exclusive_until_it_runs_out(database: Database) -> None:
    with database.write() as work:
        watch_id = stored_watch(work.session)
        work.commit()
    first = a_claim(database)
    assert first is not None
    assert first.watch_id == watch_id
    assert a_claim(database) is None
    assert a_claim(database, watch_id, minutes=1) is None

    second = a_claim(database, minutes=2)

    assert second is not None
    assert second.token != first.token
    with database.read() as session:
        found = session.scalars(select(RunRow).order_by(RunRow.id)).all()
    assert [(run.outcome, run.finished_at) for run in found] == [
        ("lost", NOW + 2 * MINUTE),
        (None, None),
    ]
    with database.write() as work:
        for call in (
            lambda: watches.check_claim(work.session, first, now=NOW),
            lambda: watches.finish(work.session, first, ending(), now=NOW),
        ):
            with pytest.raises(ClaimLost):
                call()
        watches.check_claim(work.session, second, now=NOW)


def test_a_late_claim_that_nobody_took_still_holds_and_may_be_renewed(database: Database) -> None:
    with database.write() as work:
        stored_watch(work.session)
        work.commit()
    claim = a_claim(database)
    assert claim is not None
    with database.write() as work:
        watches.check_claim(work.session, claim, now=NOW + 9 * MINUTE, lease=LEASE)
        work.commit()
    assert a_claim(database, minutes=10) is None
    assert a_claim(database, minutes=11) is not None


def test_a_watch_named_need_not_be_due_but_must_be_there(database: Database) -> None:
    with database.write() as work:
        watch_id = stored_watch(work.session, now=NOW + timedelta(days=1), enabled=False)
        gone = stored_watch(work.session)
        watches.delete(work.session, gone, now=NOW)
        work.commit()
    assert a_claim(database) is None
    assert a_claim(database, gone) is None
    assert a_claim(database, watch_id) is not None


def test_the_end_of_a_run(database: Database) -> None:
    with database.write() as work:
        stored_watch(work.session)
        work.commit()
    claim = a_claim(database)
    assert claim is not None
    with database.write() as work:
        watches.advance(work.session, claim, State(cursor={"a": 1}), last_item_at=NOW)
        watches.advance(work.session, claim, State(cursor={"a": 2}), last_item_at=NOW - MINUTE)
        row = watches.finish(work.session, claim, ending(), now=NOW + MINUTE)
        work.commit()
    assert (row.health, row.failures, row.covered_to) == ("ok", 0, NOW)
    with database.read() as session:
        row = watches.get(session, claim.watch_id)
        assert (row.state["cursor"], row.last_item_at) == ({"a": 2}, NOW)
        assert (row.claim_token, row.next_run_at) == (None, NOW + 10 * MINUTE)
        run = runs.get(session, claim.run_id)
        assert (run.outcome, run.finished_at) == ("ok", NOW + MINUTE)


def test_failures_are_counted_until_it_works_again(database: Database) -> None:
    with database.write() as work:
        stored_watch(work.session)
        work.commit()
    since = []
    outcomes = (Outcome.BLOCKED, Outcome.BLOCKED, Outcome.SUSPECT, Outcome.UNCHANGED, Outcome.OK)
    for minutes, outcome in enumerate(outcomes):
        claim = a_claim(database, 1, minutes)
        assert claim is not None
        with database.write() as work:
            row = watches.finish(work.session, claim, ending(outcome), now=NOW + minutes * MINUTE)
            since.append((row.health, row.failures, (row.health_since - NOW) // MINUTE))  # type: ignore[operator]
            work.commit()
    assert since == [
        ("blocked", 1, 0),
        ("blocked", 2, 0),
        ("suspect", 3, 2),
        ("ok", 0, 3),
        ("ok", 0, 3),
    ]


def test_new_parameters_are_a_new_question(database: Database) -> None:
    with database.write() as work:
        watch_id = stored_watch(work.session, params={"term": "a"})
        work.commit()
    claim = a_claim(database)
    assert claim is not None
    with database.write() as work:
        watches.advance(work.session, claim, State(cursor={"a": 1}))
        watches.update_watch(work.session, watch_id, now=NOW, label="renamed")
        watches.check_claim(work.session, claim, now=NOW)
        row = watches.update_watch(work.session, watch_id, now=NOW, params={"term": "b"})
        assert (row.state, row.covered_to, row.label) == ({}, None, "renamed")
        with pytest.raises(ClaimLost):
            watches.check_claim(work.session, claim, now=NOW)
        work.commit()


def test_what_makes_no_sense_is_refused(database: Database) -> None:
    with database.write() as work:
        session = work.session
        for fields, error in (
            ({"match": MatchMode.ALL}, InvalidInput),
            ({"every": timedelta(seconds=1)}, InvalidInput),
            ({"connection_id": 9}, NotFound),
        ):
            with pytest.raises(error):
                stored_watch(session, **fields)  # type: ignore[arg-type]
        with pytest.raises(NotFound):
            watches.get(session, 9)
        watch_id = stored_watch(session)
        with pytest.raises(InvalidInput):
            watches.update_watch(session, watch_id, now=NOW, match=MatchMode.ALL)


def test_load_puts_brand_and_connection_together(database: Database) -> None:
    with database.write() as work:
        session = work.session
        brand = stored_brand(session, aliases=["하늘"])
        connection = connections.create(
            session, source="plaza", name="main", credentials=b"sealed", now=NOW
        )
        watch_id = stored_watch(
            session,
            brand=brand,
            match=MatchMode.ALL,
            connection_id=connection.id,
            params={"a": "1"},
        )
        work.commit()
    with database.read() as session:
        watch = watches.load(session, watch_id, lambda sealed: {"token": sealed.decode()})
    assert watch.brand == brand
    assert watch.match is MatchMode.ALL
    assert (watch.every, watch.params) == (10 * MINUTE, {"a": "1"})
    assert watch.connection.credentials == {"token": "sealed"}
    assert "sealed" not in repr(watch)


def test_listing_by_brand_and_source(database: Database) -> None:
    with database.write() as work:
        session = work.session
        brand = stored_brand(session)
        one = stored_watch(session, brand=brand)
        two = stored_watch(session, source="feed")
        assert [w.id for w in watches.listing(session)] == [one, two]
        assert [w.id for w in watches.listing(session, brand_id=brand.id)] == [one]
        assert [w.id for w in watches.listing(session, source="feed")] == [two]
        assert brands.get(session, brand.id) == brand


def test_what_is_named_but_stays_is_no_new_question(database: Database) -> None:
    with database.write() as work:
        brand = stored_brand(work.session, "Haneul")
        watch = stored_watch(work.session, brand=brand)
        row = watches.get(work.session, watch)
        row.state = {"cursor": {"mark": {"id": "7"}}}
        watches.update_watch(
            work.session, watch, now=NOW, brand_id=brand.id, connection_id=None, params=row.params
        )
        assert row.state == {"cursor": {"mark": {"id": "7"}}}
        watches.update_watch(work.session, watch, now=NOW, brand_id=None)
        assert row.state == {}
        work.commit()
