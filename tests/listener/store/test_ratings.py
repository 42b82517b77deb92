"""Rating snapshots: a row where something changed, or once a day."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from builders import NOW, stored_brand, stored_watch
from listener.store import ratings
from listener.store.work import Database
from listener.types import RatingSnapshot

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
APP = RatingSnapshot(subject="kr/1", average=4.5, count=10, rating_min=1, rating_max=5, title="앱")


@pytest.fixture
def watch(database: Database) -> int:
    with database.write() as work:
        made = stored_watch(work.session, brand=stored_brand(work.session))
        work.commit()
    return made


def test_a_row_is_written_when_something_changed_or_once_a_day(
    database: Database, watch: int
) -> None:
    told = [
        (timedelta(), APP, 1),
        (HOUR, APP, 0),
        (2 * HOUR, replace(APP, count=11), 1),
        (3 * HOUR, replace(APP, count=11, average=4.4), 1),
        (4 * HOUR, replace(APP, count=11, average=4.4, title="새 이름"), 0),
        (3 * HOUR + DAY, replace(APP, count=11, average=4.4), 1),
    ]
    for after, one, written in told:
        with database.write() as work:
            assert ratings.record(work.session, watch, [one], now=NOW + after) == written, after
            work.commit()
    with database.read() as session:
        (rated,) = ratings.listing(session, since=NOW, until=NOW + 9 * DAY)
    assert [point.count for point in rated.points] == [10, 11, 11, 11]
    assert rated.latest.average == 4.4


def test_subjects_and_watches_are_apart_and_a_subject_told_twice_counts_once(
    database: Database, watch: int
) -> None:
    us = replace(APP, subject="us/1", count=900)
    with database.write() as work:
        other = stored_watch(work.session)
        assert ratings.record(work.session, watch, [APP, us, APP], now=NOW) == 2
        assert ratings.record(work.session, other, [APP], now=NOW) == 1
        assert ratings.record(work.session, other, [], now=NOW) == 0
        work.commit()
    with database.read() as session:
        mine = ratings.listing(session, since=NOW, until=NOW + DAY, watch_id=watch)
        brand = ratings.listing(session, since=NOW, until=NOW + DAY, brand_id=1)
    assert [one.subject for one in mine] == ["us/1", "kr/1"], "the most rated first"
    assert [one.subject for one in brand] == ["us/1", "kr/1"]


def test_a_time_begins_with_the_last_average_from_before_it(database: Database, watch: int) -> None:
    for day in range(6):
        with database.write() as work:
            ratings.record(work.session, watch, [replace(APP, count=day)], now=NOW + day * DAY)
            work.commit()
    with database.read() as session:
        (rated,) = ratings.listing(session, since=NOW + 3 * DAY, until=NOW + 5 * DAY)
    assert [point.count for point in rated.points] == [2, 3, 4]
