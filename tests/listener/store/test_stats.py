from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from builders import NOW, stored_brand
from listener.store import brands, stats
from listener.store.tables import BucketRow
from listener.store.work import Database

HOUR = timedelta(hours=1)
STEP = timedelta(minutes=5)


def bucket(
    brand_id: int, at: datetime, count: int, dimension: str = "all", step: timedelta = STEP
) -> BucketRow:
    return BucketRow(
        brand_id=brand_id,
        dimension=dimension,
        step_s=int(step.total_seconds()),
        at=at,
        count=count,
        authors=1,
        stories=1,
        score_sum=-0.5 * count,
        scored=count,
    )


def test_counts_are_summed_by_step(database: Database) -> None:
    with database.write() as work:
        brand = stored_brand(work.session).id
        other = stored_brand(work.session, "Other").id
        work.session.add_all(
            [
                bucket(brand, NOW, 1),
                bucket(brand, NOW + STEP, 2),
                bucket(brand, NOW + HOUR, 4),
                bucket(brand, NOW + HOUR, 3, "negative"),
                bucket(brand, NOW + 2 * HOUR, 8),  # after the end
                bucket(other, NOW, 16),
            ]
        )
        work.commit()
    with database.read() as session:
        fine = stats.counts(session, brand, ["all"], NOW, NOW + 2 * HOUR, step=STEP)
        hours = stats.counts(session, brand, ["all", "negative"], NOW, NOW + 2 * HOUR, step=HOUR)
    assert fine == {"all": {NOW: 1, NOW + STEP: 2, NOW + HOUR: 4}}
    assert hours == {"all": {NOW: 3, NOW + HOUR: 4}, "negative": {NOW + HOUR: 3}}


def test_old_buckets_of_longer_steps_count_where_they_fit(database: Database) -> None:
    with database.write() as work:
        brand = stored_brand(work.session).id
        work.session.add_all([bucket(brand, NOW, 7, step=HOUR), bucket(brand, NOW + HOUR, 1)])
        work.commit()
    with database.read() as session:
        hours = stats.counts(session, brand, ["all"], NOW, NOW + 2 * HOUR, step=HOUR)
        fine = stats.counts(session, brand, ["all"], NOW, NOW + 2 * HOUR, step=STEP)
    assert hours == {"all": {NOW: 7, NOW + HOUR: 1}}
    assert fine == {"all": {NOW + HOUR: 1}}


def test_dimensions_tell_what_there_is(database: Database) -> None:
    with database.write() as work:
        brand = stored_brand(work.session).id
        for at in (NOW, NOW + STEP):
            work.session.add_all([bucket(brand, at, 2), bucket(brand, at, 1, "topic:delivery")])
        work.commit()
    with database.read() as session:
        found = stats.dimensions(session, brand, NOW, NOW + HOUR)
        none = stats.dimensions(session, brand, NOW + HOUR, NOW + 2 * HOUR)
    assert found == {"all": 4, "topic:delivery": 2}
    assert not none


def test_totals_share_the_voice_among_brands_in_force(database: Database) -> None:
    with database.write() as work:
        session = work.session
        own = stored_brand(session, "Own").id
        rival = stored_brand(session, "Rival", competitor=True).id
        stored_brand(session, "Quiet")
        gone = stored_brand(session, "Gone").id
        brands.archive(session, gone, now=NOW)
        session.add_all(
            [
                bucket(own, NOW, 3),
                bucket(own, NOW, 2, "complaint"),
                bucket(own, NOW, 2, "negative"),
                bucket(own, NOW, 1, "unscored"),
                bucket(rival, NOW, 9),
                bucket(gone, NOW, 100),
            ]
        )
        work.commit()
    with database.read() as session:
        totals = stats.totals(session, NOW, NOW + HOUR)
        empty = stats.totals(session, NOW + HOUR, NOW + 2 * HOUR)
    assert [(t.name, t.mentions, t.share, t.competitor) for t in totals] == [
        ("Rival", 9, 0.75, True),
        ("Own", 3, 0.25, False),
        ("Quiet", 0, 0.0, False),
    ]
    assert totals[1].complaints == 2
    assert totals[1].labels["negative"] == 2
    assert totals[1].labels["unscored"] == 1
    assert totals[1].score == pytest.approx(-0.5)
    assert totals[2].score is None
    assert {total.share for total in empty} == {None}
