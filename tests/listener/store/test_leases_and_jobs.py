"""Leases and jobs: one holder, one worker, and nobody waits for the dead."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from builders import NOW
from listener.store import jobs, leases
from listener.store.work import Database

LENGTH = timedelta(seconds=20)


def _acquire(database: Database, holder: str, after: float = 0) -> bool:
    with database.write() as work:
        got = leases.acquire(
            work.session, "scheduler", holder, now=NOW + timedelta(seconds=after), length=LENGTH
        )
        work.commit()
    return got


def test_one_holder_at_a_time(database: Database) -> None:
    assert _acquire(database, "a")
    assert not _acquire(database, "b")
    assert _acquire(database, "a", 15)  # renewed to 35
    assert not _acquire(database, "b", 30)
    assert _acquire(database, "b", 36)
    assert not _acquire(database, "a", 37)
    with database.read() as session:
        assert leases.holder_of(session, "scheduler", now=NOW + timedelta(seconds=40)) == "b"
        assert leases.holder_of(session, "scheduler", now=NOW + timedelta(seconds=60)) is None


def test_a_lease_given_back_is_free_at_once(database: Database) -> None:
    assert _acquire(database, "a")
    with database.write() as work:
        leases.release(work.session, "scheduler", "b")  # not b's to give
        work.commit()
    assert not _acquire(database, "b")
    with database.write() as work:
        leases.release(work.session, "scheduler", "a")
        work.commit()
    assert _acquire(database, "b")


def _claim(database: Database, after: float = 0) -> jobs.Job | None:
    with database.write() as work:
        job = jobs.claim(work.session, now=NOW + timedelta(seconds=after), length=LENGTH)
        work.commit()
    return job


def test_jobs_are_done_in_order_once_and_fenced(database: Database) -> None:
    with database.write() as work:
        first = jobs.ask(work.session, "preview", {"source": "feed"}, now=NOW)
        second = jobs.ask(work.session, "test", {}, now=NOW + timedelta(seconds=1))
        work.commit()
    slow = _claim(database)
    other = _claim(database)
    assert slow is not None
    assert other is not None
    assert (slow.id, other.id) == (first, second)
    assert slow.payload == {"source": "feed"}
    assert _claim(database) is None
    again = _claim(database, 30)  # the first worker went silent
    assert again is not None
    assert again.id == first
    with database.write() as work:
        assert not jobs.answer(work.session, slow, result={"n": 1}, now=NOW)
        assert jobs.answer(work.session, again, result={"n": 2}, now=NOW)
        work.commit()
    with database.read() as session:
        row = jobs.get(session, first)
        assert row is not None
        assert (row.state, row.result) == ("done", {"n": 2})


def test_whether_there_is_a_job_is_asked_without_a_lock(database: Database) -> None:
    def is_free(after: float = 0, **kinds: Collection[str]) -> bool:
        with database.read() as session:
            return jobs.any_free(session, now=NOW + timedelta(seconds=after), **kinds)

    assert not is_free()
    with database.write() as work:
        jobs.ask(work.session, "backtest", {}, now=NOW)
        work.commit()
    assert is_free()
    assert is_free(only=["backtest"])
    assert not is_free(but=["backtest"])
    assert _claim(database) is not None
    assert not is_free()
    assert is_free(after=30), "its worker went silent"


def test_a_failed_job_keeps_its_reason_until_purged(database: Database) -> None:
    with database.write() as work:
        job_id = jobs.ask(work.session, "preview", {}, now=NOW)
        work.commit()
    job = _claim(database)
    assert job is not None
    with database.write() as work:
        jobs.answer(work.session, job, result=None, error="no such feed", now=NOW)
        work.commit()
    with database.read() as session:
        row = jobs.get(session, job_id)
        assert row is not None
        assert (row.state, row.error) == ("failed", "no such feed")
    with database.write() as work:
        jobs.purge(work.session, before=NOW + timedelta(days=1))
        work.commit()
    with database.read() as session:
        assert jobs.get(session, job_id) is None
