"""Coverage and gaps as intervals."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from builders import NOW, stored_watch
from listener.store import coverage, gaps
from listener.store.coverage import merged, without
from listener.store.work import Database
from listener.types import Gap, GapReason


def at(hours: float) -> datetime:
    return NOW + timedelta(hours=hours)


pairs = st.tuples(st.integers(0, 20), st.integers(0, 20)).map(lambda p: (min(p), max(p)))


@given(pairs, st.lists(pairs))
def test_without_leaves_exactly_the_rest(
    whole: tuple[int, int], holes: list[tuple[int, int]]
) -> None:
    left = without((at(whole[0]), at(whole[1])), [(at(a), at(b)) for a, b in holes])
    for hour in range(21):
        inside = any(a <= at(hour) < b for a, b in left)
        expected = whole[0] <= hour < whole[1] and not any(a <= hour < b for a, b in holes)
        assert inside == expected
    assert all(a < b for a, b in left)


@given(st.lists(pairs))
def test_merged_is_the_union(pieces: list[tuple[int, int]]) -> None:
    union = merged([(at(a), at(b)) for a, b in pieces])
    for hour in range(21):
        inside = any(a <= at(hour) < b for a, b in union)
        assert inside == any(a <= hour < b for a, b in pieces)
    assert all(first[1] < second[0] for first, second in pairwise(union))


def test_coverage_as_known_then(database: Database) -> None:
    with database.write() as work:
        session = work.session
        watch_id, other = stored_watch(session), stored_watch(session)
        coverage.add(session, watch_id, at(0), at(2), now=at(2))
        gap = Gap(from_at=at(3), to_at=at(4), why=GapReason.WINDOW)
        gaps.record(session, watch_id, None, [gap, gap], now=at(5))
        gaps.record(session, watch_id, None, [gap], now=at(5))
        coverage.add(session, watch_id, at(2), at(5), now=at(5))
        found = coverage.intervals(session, [watch_id, other], at(1), at(9))
        assert found == {watch_id: [(at(1), at(3)), (at(4), at(5))], other: []}
        then = coverage.intervals(session, [watch_id], at(0), at(9), as_of=at(4))
        assert then == {watch_id: [(at(0), at(2))]}


def test_gaps_that_touch_a_time(database: Database) -> None:
    with database.write() as work:
        session = work.session
        watch_id = stored_watch(session)
        closed = Gap(from_at=at(1), to_at=at(2), why=GapReason.BUDGET)
        open_ = Gap(from_at=at(5), to_at=None, why=GapReason.OUTAGE)
        gaps.record(session, watch_id, None, [closed, open_], now=at(6))

        def found(**fields: datetime | bool) -> list[str]:
            return [g.why for g in gaps.listing(session, watch_ids=[watch_id], **fields)]  # type: ignore[arg-type]

        assert found() == ["outage", "budget"]
        assert found(since=at(2)) == ["outage"]
        assert found(until=at(5)) == ["budget"]
        gaps.fill(session, gaps.listing(session)[1].id, now=at(7))
        assert found() == ["outage"]
        assert found(filled=True) == ["outage", "budget"]
