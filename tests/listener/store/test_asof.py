"""The past as it was known at each moment, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from builders import NOW, a_raw, stored_brand, stored_watch
from fakes import FakeReader
from listener.detect.catalogue import watched_by
from listener.pipeline.arrivals import gather
from listener.pipeline.beginnings import back_fills_of
from listener.pipeline.beginnings import of_source as begun_of
from listener.pipeline.ingest import Ingest, Origin
from listener.pipeline.rollup import roll_up
from listener.pipeline.tallies import tallies
from listener.security import Secrets
from listener.settings import Settings
from listener.store import asof, buckets, coverage
from listener.store.base import from_us
from listener.store.tables import MentionRow, StoryRow, WatchRow
from listener.store.tables import MentionStoryRow as CopyRow
from listener.store.work import Database
from listener.types import By, RawAuthor, Rule, Scope, Signal

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SINCE, UNTIL = NOW - DAY, NOW + DAY


@pytest.fixture
def brand(database: Database, settings: Settings) -> int:
    """Seven mentions, of which two came late; three are copies of one story."""
    ingest = Ingest(database, FakeReader(), settings, Secrets(b"k" * 32))
    with database.write() as work:
        brand = stored_brand(work.session, "Haneul")
        stored_brand(work.session, "Bada")
        work.commit()
    said = [
        ("1", -3 * HOUR, "topic:delivery 늦어요 -", "a", 0),
        ("2", -3 * HOUR, "topic:delivery 늦어요 -", "a", 0),
        ("3", -2 * HOUR, "topic:price 비싸요 -", "b", 1),
        ("4", -2 * HOUR, "좋아요 +", "c", 1),
        ("5", -4 * HOUR, "topic:delivery 늦어요 -", "d", 2),  # the earliest, found last
        ("6", -9 * HOUR, "topic:price 비싸요 -", "e", 2),
        ("7", -1 * HOUR, "좋아요 +", "a", 2),
    ]
    for turn in range(3):
        items = [
            a_raw(id_, f"Haneul {text}", published_at=NOW + at, author=RawAuthor(native_id=who))
            for id_, at, text, who, of in said
            if of == turn
        ]
        ingest.items(items, Origin(source="plaza"), now=NOW + turn * MINUTE)
    with database.write() as work:
        ids = {row.external_id: row.id for row in work.session.scalars(select(MentionRow))}
        story = StoryRow(lead_id=ids["1"], copies=3, first_at=NOW, last_at=NOW)
        work.session.add(story)
        work.session.flush()
        for name in "125":
            copy = CopyRow(mention_id=ids[name], story_id=story.id, kind="exact")
            work.session.add(copy)
        work.commit()
    roll_up(database)
    return brand.id


WATCHED = (
    (Signal.COMPLAINTS, Scope()),
    (Signal.COMPLAINTS, Scope(topic="*")),
    (Signal.NEGATIVE, Scope(topic="delivery", source="plaza")),
    (Signal.MENTIONS, Scope(source="plaza")),
    (Signal.NEGATIVE_SHARE, Scope()),
    (Signal.NET_SENTIMENT, Scope()),
)


def test_what_arrived_is_what_the_watchdog_counts(database: Database, brand: int) -> None:
    for signal, scope in WATCHED:
        for by in By:
            _check_arrivals(database, brand, signal, scope, by)


def _check_arrivals(database: Database, brand: int, signal: Signal, scope: Scope, by: By) -> None:
    rule = Rule(id=0, brand_id=brand, name="-", signal=signal, scope=scope, by=by)
    with database.read() as session:
        found = gather(session, rule, SINCE, UNTIL, every=MINUTE)
        known = {name for name in ("topic:delivery", "topic:price", "source:plaza")}
        known |= {f"{name}:complaint" for name in known}
        watched = watched_by([rule], known)
        live = tallies(session, brand, watched, SINCE, UNTIL)
    assert {one.dimension for one in found} == {key.dimension for key in live}
    for series in found:
        counts: dict[object, list[float]] = {}
        for at, count in zip(series.arrivals.at, series.arrivals.count, strict=True):
            one = counts.setdefault(from_us(at), [0.0, 0.0])
            one[0] += count
            one[1] += 1
        tally = next(of for key, of in live.items() if key.dimension == series.dimension)
        if series.shares:
            assert {at: tuple(pair) for at, pair in counts.items()} == {
                at: pytest.approx(pair) for at, pair in tally.items()
            }
        else:
            assert {at: pair[0] for at, pair in counts.items() if pair[0]} == tally


def test_an_earlier_copy_takes_the_place_of_the_first(database: Database, brand: int) -> None:
    rule = Rule(
        id=0, brand_id=brand, name="-", signal=Signal.COMPLAINTS, scope=Scope(topic="delivery")
    )
    with database.read() as session:
        (series,) = gather(session, rule, SINCE, UNTIL, every=MINUTE)
    steps = [
        (from_us(known), from_us(at), count)
        for known, at, count in zip(
            series.arrivals.known, series.arrivals.at, series.arrivals.count, strict=True
        )
    ]
    later = NOW + 2 * MINUTE
    assert steps == [
        (NOW, NOW - 3 * HOUR, 1),
        (later, NOW - 3 * HOUR, -1),
        (later, NOW - 4 * HOUR, 1),
    ]


def test_beginnings_and_lateness(database: Database, brand: int) -> None:
    with database.read() as session:
        assert asof.starts(session, brand, SINCE, UNTIL) == [
            (NOW, NOW - 3 * HOUR),
            (NOW + 2 * MINUTE, NOW - 9 * HOUR),
        ]
        assert asof.starts(session, brand, UNTIL, UNTIL + DAY) == []
        assert asof.lateness(session, brand, SINCE, UNTIL, 6 * HOUR) == (7, 1)
        assert asof.lateness(session, brand + 1, SINCE, UNTIL, 6 * HOUR) == (0, 0)


def test_coverage_knows_when_it_became_known(database: Database, brand: int) -> None:
    with database.write() as work:
        watch = stored_watch(work.session, now=NOW - DAY, every=10 * MINUTE)
        work.session.get_one(WatchRow, watch).covered_to = NOW
        coverage.add(work.session, watch, NOW - 2 * HOUR, NOW - HOUR, now=NOW + HOUR)
        coverage.add(work.session, watch, NOW - HOUR, NOW, now=NOW)
        work.commit()
    with database.read() as session:
        (past,) = asof.pasts(session, brand, SINCE)
        live = coverage.of_brand(session, brand, SINCE, now=NOW + 2 * HOUR)
    assert [tuple(piece) for piece in past.pieces] == [
        (NOW, NOW - HOUR, NOW),
        (NOW + HOUR, NOW - 2 * HOUR, NOW - HOUR),
    ]
    assert (past.made_at, past.ended_at, past.waited_for) == (NOW - DAY, None, True)
    assert [past.late_after] == [one.late_after for one in live]


def test_a_series_of_one_source_knows_its_own_watches_only(database: Database, brand: int) -> None:
    with database.write() as work:
        own = stored_watch(work.session, source="plaza", now=NOW - DAY)
        other = stored_watch(work.session, source="feed", now=NOW - DAY)
        stored_watch(work.session, source="forum", now=NOW - DAY)  # never succeeded
        for watch, since in ((own, NOW - 2 * DAY), (other, NOW - 3 * DAY)):
            work.session.get_one(WatchRow, watch).covered_to = NOW
            coverage.add(work.session, watch, since, NOW, now=NOW)
        work.commit()
    with database.read() as session:
        live = coverage.of_brand(session, brand, SINCE, now=NOW)
        pasts = asof.pasts(session, brand, SINCE)
        for source, expected in ((None, [own, other]), ("plaza", [own]), ("forum", [])):
            of_live = coverage.of_source(session, brand, live, source)
            of_past = asof.of_source(session, brand, pasts, source, SINCE)
            assert sorted(one.watch_id for one in of_live) == expected
            assert sorted(one.watch_id for one in of_past) == expected
        begun = back_fills_of(session, brand, NOW)
    assert begun_of(begun, "plaza") == [(NOW - 2 * DAY, NOW - 2 * DAY)]
    assert begun_of(begun, "forum") == []
    assert {at for at, _ in begun_of(begun, None)} == {NOW - 2 * DAY, NOW - 3 * DAY}


def test_a_source_that_only_a_file_names_counts_as_files_do(database: Database, brand: int) -> None:
    with database.read() as session:
        (live,) = coverage.of_source(session, brand, [], "plaza")
        (past,) = asof.of_source(session, brand, [], "plaza", SINCE)
        assert coverage.of_source(session, brand, [], "feed") == []
        assert asof.of_source(session, brand, [], "feed", SINCE) == []
    whole = (NOW - 9 * HOUR, NOW - HOUR + buckets.STEP)
    assert live.intervals == [whole]
    assert live.active_to == live.active_from, "nobody waits for it"
    assert (past.pieces[-1].from_at, past.pieces[-1].to_at) == whole
    assert not past.waited_for
