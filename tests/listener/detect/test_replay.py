"""Series lived through again: coverage as it was known, stretches at once, late items."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from listener.detect.asof import AsOf, Piece, Walk, WatchPast
from listener.detect.lifecycle import Opened
from listener.detect.policy import policy_of
from listener.detect.replay import Arrivals, Look, Replay, to_us
from listener.detect.series import STEP, floor_to_step
from listener.detect.spike import Detector
from listener.types import Sensitivity

START = datetime(2026, 1, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
POLICY = policy_of(Sensitivity.HIGH)


def at(hours: float) -> datetime:
    return START + hours * HOUR


def past(*pieces: tuple[float, float, float], made: float = 0, **more: object) -> WatchPast:
    """A watch that knew at these hours that it had collected from, to."""
    known = [Piece(at(when), at(begin), at(end)) for when, begin, end in pieces]
    return WatchPast(watch_id=1, made_at=at(made), pieces=known, **more)  # type: ignore[arg-type]


# --- what was known ------------------------------------------------------------------------------


def test_coverage_is_what_was_known_then() -> None:
    known = AsOf([past((1, 0, 1), (3, 2, 3), (5, 1, 2))])
    assert known.watches(START, at(0.5)) == []  # a watch that never succeeded has nothing to miss
    assert known.advance(at(1)).since == at(0)
    assert known.watches(START, at(1))[0].intervals == [(at(0), at(1))]
    assert not known.advance(at(4)).late
    assert known.watches(START, at(4))[0].intervals == [(at(0), at(1)), (at(2), at(3))]
    mark = known.mark()
    filled = known.advance(at(5))
    assert filled == (True, at(1))  # a hole before what was known
    assert known.watches(START, at(5))[0].intervals == [(at(0), at(3))]
    known.go_back(mark)
    assert known.is_news(at(5))
    assert known.watches(START, at(4))[0].intervals == [(at(0), at(1)), (at(2), at(3))]


def test_what_comes_after_its_watch_was_given_up_is_late() -> None:
    known = AsOf([past((1.05, 0, 1), (9, 1, 9), late_after=HOUR)])
    assert not known.advance(at(2)).late
    assert known.advance(at(9)).late


def test_a_silent_watch_is_waited_for_a_day() -> None:
    known = AsOf([past((1, 0, 1)), past((30, 0, 30))])
    known.advance(at(30))
    silent, other = known.watches(START, at(30))
    assert (silent.active_to, other.active_to) == (at(1), None)
    deleted = AsOf([past((1, 0, 1), ended_at=at(2))])
    deleted.advance(at(1))
    assert [one.active_to for one in deleted.watches(START, at(1.5))] == [None]
    assert [one.active_to for one in deleted.watches(START, at(3))] == [at(2)]


def test_files_cover_what_they_brought_and_webhooks_everything_since() -> None:
    file = past((5, 0, 1), (6, 3, 4), waited_for=False)
    hook = past(made=2, waited_for=False, streams=True)
    known = AsOf([file, hook])
    known.advance(at(6))
    found = known.watches(START, at(6))
    assert [list(one.intervals) for one in found] == [[(at(0), at(4))], [(at(2), at(6))]]
    assert all(one.active_from == one.active_to for one in found)


def test_on_time_everything_is_known_when_it_happens() -> None:
    known = AsOf([past((50, 0, 40))], on_time=True)
    assert known.watches(START, at(3))[0].intervals == [(at(0), at(3))]
    assert known.back_fills(at(3)) == []
    assert not known.is_news(at(60))


def test_pasts_of_new_watches_begin_where_they_were_known_to() -> None:
    young = past((51, 10, 51), made=50)
    undated = WatchPast(
        watch_id=2, made_at=at(50), undated=True, first=(at(50.5), at(40)), pieces=()
    )
    walk = Walk(at(50), at(30), at(20), at(55))
    known = AsOf([young, undated], [walk])
    assert known.back_fills(at(49)) == []
    known.advance(at(52))
    assert sorted(known.back_fills(at(52))) == [
        (at(10), at(10)), (at(20), at(30)), (at(40), at(40)), (at(50), at(50)),
    ]  # fmt: skip
    assert (at(20), at(20)) in known.back_fills(at(60))  # the walk is over
    assert known.back_fills(at(50) + 15 * DAY) == []


# --- replays -------------------------------------------------------------------------------------


def looks(
    items: Sequence[tuple[datetime, datetime]],
    days: float,
    *,
    exact: bool,
    every: timedelta = MINUTE,
) -> tuple[list[Look], Replay]:
    """Replay (known, said) items of a series that is collected every 10 minutes."""
    arrivals = Arrivals()
    every_us = every // timedelta(microseconds=1)
    for known, said in sorted(items):
        arrivals.add(-(-to_us(known) // every_us) * every_us, to_us(floor_to_step(said)))
    polls = [(n / 6 + 1 / 6, n / 6, n / 6 + 1 / 6) for n in range(int(days * 144))]
    replay = Replay(
        lambda: Detector(POLICY), POLICY, arrivals, AsOf([past(*polls)]), [min(items)],
        end=START + days * DAY, every=every, exact=exact,
    )  # fmt: skip
    return [found for found in replay.run() if isinstance(found, Look)], replay


def quiet(days: float, seed: int = 3, a_bucket: float = 0.2) -> list[tuple[datetime, datetime]]:
    """(known, said): seen at the next poll."""
    chance = random.Random(seed)
    said = START
    items = []
    while (said := said + chance.expovariate(a_bucket) * STEP) < START + days * DAY:
        polled = START + ((said - START) // (10 * MINUTE) + 1) * 10 * MINUTE
        items.append((polled, said))
    return items


def test_hours_at_once_find_what_every_look_finds() -> None:
    surge = [(at(60.25), at(60) + n * 20 * timedelta(seconds=1)) for n in range(30)]
    items = [*quiet(3.2), *surge]
    quick, replay = looks(items, 3.2, exact=False)
    exact, _ = looks(items, 3.2, exact=True)
    assert quick == exact
    opened = [look for look in quick if any(isinstance(e, Opened) for e in look.events)]
    assert at(60) <= opened[-1].now <= at(60.5)
    judged = [usual for usual in replay.expected.values() if usual is not None]
    assert 250 < len(judged) < len(replay.expected)  # two days are learnt from only


def test_what_comes_long_after_it_was_said_opens_nothing() -> None:
    surge = [(at(70), at(60) + n * 20 * timedelta(seconds=1)) for n in range(30)]
    found, _ = looks([*quiet(3.2), *surge], 3.2, exact=False)
    onsets = [look.events[-1].spike.onset_at for look in found]
    assert not any(at(59) <= onset < at(61) for onset in onsets)


def test_a_late_item_is_counted_from_when_it_came() -> None:
    """Forty said at once; half of them are only found two hours later: it grows then."""
    first = [(at(60.25), at(60) + n * timedelta(seconds=20)) for n in range(12)]
    later = [(at(62), at(60) + n * timedelta(seconds=20)) for n in range(28)]
    found, _ = looks([*quiet(3.2), *first, *later], 3.2, exact=False)
    by_time = {look.now: look.events[-1].spike.peak_score for look in found}
    before = max(score for now, score in by_time.items() if now < at(62))
    assert by_time[at(62)] >= before


def test_there_is_nothing_to_replay_without_mentions() -> None:
    replay = Replay(
        lambda: Detector(POLICY), POLICY, Arrivals(), AsOf([]), [], end=at(10)
    )  # fmt: skip
    assert list(replay.run()) == []
