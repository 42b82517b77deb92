"""Buckets: always what a recount gives, however they came to be stale."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from builders import NOW, a_raw, stored_brand
from listener.pipeline.ingest import Ingest, Origin
from listener.pipeline.rollup import roll_up
from listener.store import buckets
from listener.store.base import to_us
from listener.store.tables import BucketRow
from listener.store.work import Database
from listener.types import Brand, RawAuthor, RawItem


@pytest.fixture
def brand(database: Database) -> Brand:
    with database.write() as work:
        brand = stored_brand(work.session, "Haneul")
        work.commit()
    return brand


def store(ingest: Ingest, *items: RawItem, source: str = "plaza") -> None:
    ingest.items(items, Origin(source=source), now=NOW)


def by_dimension(database: Database, at: datetime | None = None) -> dict[str, tuple[Any, ...]]:
    with database.read() as session:
        return {
            b.dimension: (b.count, b.authors, b.stories, round(b.score_sum, 6), b.scored)
            for b in session.query(BucketRow)
            if at is None or b.at == at
        }


def test_every_dimension_is_counted(database: Database, ingest: Ingest, brand: Brand) -> None:
    other = RawAuthor(native_id="u2")
    low = {"rating": 2, "rating_min": 1, "rating_max": 5}
    store(
        ingest,
        a_raw("1", "Haneul topic:delivery -", **low),
        a_raw("2", "Haneul topic:delivery -", author=other, country="KR"),
        a_raw("3", "Haneul topic:price +", author=other),
        a_raw("4", "Haneul =", author=None, rating=4, rating_max=10),
        a_raw("5", "Haneul without words", author=None),
        a_raw("6", "Haneul says sorry -", is_own=True),
        a_raw("7", "somebody else -"),
    )
    store(ingest, a_raw("1", "Haneul +"), source="feed")

    assert roll_up(database) == 1

    assert by_dimension(database) == {
        "all": (6, 5, 6, 0.0, 5),
        "language:ko": (6, 5, 6, 0.0, 5),
        "country:KR": (1, 1, 1, -0.8, 1),
        "source:plaza": (5, 4, 5, -0.8, 4),
        "source:feed": (1, 1, 1, 0.8, 1),
        "negative": (2, 2, 2, -1.6, 2),
        "language:ko:negative": (2, 2, 2, -1.6, 2),
        "country:KR:negative": (1, 1, 1, -0.8, 1),
        "source:plaza:negative": (2, 2, 2, -1.6, 2),
        "topic:delivery:negative": (2, 2, 2, -1.6, 2),
        "positive": (2, 2, 2, 1.6, 2),
        "neutral": (1, 1, 1, 0.0, 1),
        "unscored": (1, 1, 1, 0.0, 0),
        "complaint": (2, 2, 2, -1.6, 2),
        "language:ko:complaint": (2, 2, 2, -1.6, 2),
        "country:KR:complaint": (1, 1, 1, -0.8, 1),
        "source:plaza:complaint": (2, 2, 2, -1.6, 2),
        "topic:delivery:complaint": (2, 2, 2, -1.6, 2),
        "low_rating": (2, 2, 2, -0.8, 2),
        "language:ko:low_rating": (2, 2, 2, -0.8, 2),
        "source:plaza:low_rating": (2, 2, 2, -0.8, 2),
        "topic:delivery:low_rating": (1, 1, 1, -0.8, 1),
        # Of ratings the places on their scales: 2 of 1..5, and 4 of ten.
        "rated": (2, 2, 2, 0.583333, 2),
        "language:ko:rated": (2, 2, 2, 0.583333, 2),
        "source:plaza:rated": (2, 2, 2, 0.583333, 2),
        "topic:delivery:rated": (1, 1, 1, 0.25, 1),
        "topic:delivery": (2, 2, 2, -1.6, 2),
        "topic:price": (1, 1, 1, 0.8, 1),
        "own": (1, 1, 1, -0.8, 1),
    }
    with database.read() as session:
        (row,) = {(b.brand_id, b.step_s, b.at) for b in session.query(BucketRow)}
        assert row == (brand.id, 300, NOW - timedelta(hours=1))


def test_edits_and_deletions_empty_a_bucket(
    database: Database, ingest: Ingest, brand: Brand
) -> None:
    early, late = NOW - timedelta(hours=2), NOW - timedelta(hours=1)
    store(ingest, a_raw("1", "Haneul -", published_at=early), a_raw("2", "Haneul -"))
    roll_up(database)
    store(ingest, a_raw("1", "Haneul +", published_at=late), a_raw("2", "", deleted=True))
    roll_up(database)

    assert by_dimension(database, early) == {}
    assert by_dimension(database, late)["all"][0] == 1
    assert "negative" not in by_dimension(database, late)
    assert roll_up(database) == 0


def test_a_mark_set_during_the_count_survives(
    database: Database, ingest: Ingest, brand: Brand
) -> None:
    store(ingest, a_raw("1", "Haneul"))
    at = to_us(NOW - timedelta(hours=1))
    with database.write() as work:
        assert buckets.take_dirty(work.session, 10) == [(brand.id, at)]
        buckets.mark_dirty(work.session, {(brand.id, at)})
        work.commit()
    assert roll_up(database) == 1


def test_a_rollup_that_fails_keeps_the_marks(
    database: Database, ingest: Ingest, brand: Brand, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(ingest, a_raw("1", "Haneul"))

    def fail(*_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(buckets, "replace", fail)
    with pytest.raises(RuntimeError):
        roll_up(database)
    monkeypatch.undo()
    assert roll_up(database) == 1


def test_a_long_history_is_counted_in_chunks(
    database: Database, ingest: Ingest, brand: Brand
) -> None:
    items = [
        a_raw(str(n), f"Haneul {n} -", published_at=NOW - timedelta(minutes=7 * n))
        for n in range(1_500)
    ]
    store(ingest, *items)

    assert roll_up(database) > 1_000

    with database.read() as session:
        found = buckets.series(
            session, brand.id, ["all"], NOW - timedelta(days=60), NOW + timedelta(hours=1)
        )["all"]
        assert sum(numbers.count for numbers in found.values()) == 1_500
        assert buckets.dirty(session) == 0
        assert {at: n.count for at, n in found.items()} == recount(items)


def recount(items: list[RawItem]) -> dict[datetime, int]:
    counts: dict[datetime, int] = {}
    for item in items:
        assert item.published_at is not None
        at = buckets.start_of(item.published_at)
        counts[at] = counts.get(at, 0) + 1
    return counts


def test_mark_all_counts_anew(database: Database, ingest: Ingest, brand: Brand) -> None:
    store(ingest, a_raw("1", "Haneul"))
    roll_up(database)
    with database.write() as work:
        assert buckets.mark_all(work.session, brand.id) == 1
        work.commit()
    before = by_dimension(database)
    assert roll_up(database) == 1
    assert by_dimension(database) == before
