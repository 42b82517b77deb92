"""The counts and expectations that the picture of a message draws."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from builders import NOW, stored_brand, stored_watch
from listener.detect.policy import policy_of
from listener.detect.spike import Detector
from listener.pipeline.curve import curve_of
from listener.store.tables import BucketRow, CoverageRow, DetectorRow, SpikeRow, WatchRow
from listener.store.work import Database
from listener.types import Bucket, Coverage, Sensitivity

SEOUL = ZoneInfo("Asia/Seoul")
STEP = timedelta(minutes=5)
HOUR = timedelta(hours=1)
ONSET = NOW - timedelta(hours=3)


def _usual(at: datetime) -> int:
    """Two in five minutes by day, nothing by night."""
    return 2 if 9 <= at.astimezone(SEOUL).hour < 21 else 0


@pytest.fixture
def spike_id(sqlite: Database) -> int:
    """A spike of three hours, after an outage of one hour, with its detector."""
    with sqlite.write() as work:
        brand = stored_brand(work.session)
        watch_id = stored_watch(work.session, brand=brand, now=NOW - timedelta(days=30))
        work.session.get_one(WatchRow, watch_id).covered_to = NOW
        for start, end in (
            (NOW - timedelta(days=30), NOW - 6 * HOUR),
            (NOW - 5 * HOUR, NOW),
        ):
            work.session.add(CoverageRow(watch_id=watch_id, from_at=start, to_at=end, known_at=end))
        detector = Detector(policy_of(Sensitivity.NORMAL), SEOUL)
        at = NOW - timedelta(days=21)
        while at < NOW:
            out = NOW - 6 * HOUR <= at < NOW - 5 * HOUR
            count = 9 if at >= ONSET else _usual(at)
            coverage = Coverage.UNKNOWN if out else Coverage.COMPLETE
            detector.step(Bucket(at, None if out else count, coverage))
            if count and not out:
                work.session.add(
                    BucketRow(
                        brand_id=brand.id,
                        dimension="complaint",
                        step_s=300,
                        at=at,
                        count=count,
                        authors=count,
                        stories=count,
                        new_stories=count - 1,
                        new_authors=count,
                    )
                )
            at += STEP
        work.session.add(
            DetectorRow(
                brand_id=brand.id,
                dimension="complaint",
                by="posts",
                sensitivity="normal",
                upto=NOW,
                version="x",
                state=detector.dump(),
            )
        )
        row = SpikeRow(
            brand_id=brand.id,
            dimension="complaint",
            by="posts",
            sensitivity="normal",
            state="open",
            onset_at=ONSET,
            opened_at=ONSET,
            updated_at=NOW,
            expected=20,
            observed=324,
            score=5,
        )
        work.session.add(row)
        work.commit()
        return row.id


def test_bars_hold_what_was_seen_expected_and_not_collected(
    sqlite: Database, spike_id: int
) -> None:
    with sqlite.read() as session:
        row = session.get_one(SpikeRow, spike_id)
        curve = curve_of(session, row, SEOUL, now=NOW)
    assert curve is not None
    assert (curve.step, curve.onset_at) == (3 * STEP, ONSET)
    by_time = {bar.at: bar for bar in curve.bars}
    assert by_time[ONSET].count == 27
    assert by_time[ONSET - HOUR].count == 6
    assert by_time[NOW - 6 * HOUR].count is None  # the outage
    before = by_time[ONSET - HOUR]
    assert before.expected == pytest.approx(6, rel=0.2)
    assert before.low < before.expected < before.high < 27
    # The spike is no part of what is expected.
    assert by_time[ONSET + HOUR].expected == pytest.approx(6, rel=0.3)


def test_counts_are_those_of_the_series(sqlite: Database, spike_id: int) -> None:
    with sqlite.write() as work:
        row = work.session.get_one(SpikeRow, spike_id)
        row.by = "stories"  # there is no detector of it: the line is flat
        work.session.flush()
        curve = curve_of(work.session, row, SEOUL, now=NOW)
        assert curve is not None
        assert {bar.at: bar.count for bar in curve.bars}[ONSET] == 24
        assert len({round(bar.expected, 6) for bar in curve.bars}) == 1
        row.dimension = "share:negative"
        assert curve_of(work.session, row, SEOUL, now=NOW) is None
        row.dimension = "topic:price"
        assert curve_of(work.session, row, SEOUL, now=NOW) is None  # nothing of it is stored
        assert work.session.scalars(select(SpikeRow.id)).all() == [spike_id]
