"""What a watch usually brings: quiet nights are no alarm, a source that falls silent is one."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from builders import NOW, a_raw
from listener.collect.profile import FIELD_ITEMS, Profile, Tally, dump, load
from listener.types import RawItem

EVERY = timedelta(minutes=30)
DAY = timedelta(days=1)


class Stream:
    """A watch that runs on and on; ``alarms`` are the times at which it became suspect."""

    def __init__(self, every: timedelta = EVERY) -> None:
        self.every = every
        self.at = NOW
        self.profile = Profile()
        self.reason: str | None = None
        self.alarms: list[tuple[datetime, str]] = []
        self.number = 0

    def run(
        self, items: Sequence[RawItem] = (), *, new: int = 0, unchanged: bool = False
    ) -> str | None:
        """One run; gives why it is suspect."""
        tally = Tally(self.profile)
        tally.add(items, new=new, unchanged=unchanged)
        self.profile, reason = tally.end(self.at, self.every)
        # As a run does between the two: what is stored is what counts.
        self.profile = load(json.loads(json.dumps(dump(self.profile))))
        if reason and not self.reason:
            self.alarms.append((self.at, reason))
        self.reason = reason
        self.at += self.every
        return reason

    def items(self, count: int, **fields: Any) -> list[RawItem]:
        """Items not seen before."""
        self.number += count
        numbers = range(self.number - count, self.number)
        return [a_raw(str(n), "배송이 너무 늦어요 " * 4, **fields) for n in numbers]

    def search(self, days: float, a_day: Callable[[datetime], float], seed: int = 1) -> None:
        """A search that tells only what is new, at a rate."""
        for count in arrivals(self, days, a_day, seed):
            self.run(self.items(min(count, 3)), new=count)

    def page(self, days: float, a_day: Callable[[datetime], float], seed: int = 1) -> None:
        """A page that always shows twenty items."""
        shown = self.items(20, rating=4.0)
        for count in arrivals(self, days, a_day, seed):
            self.run(shown, new=count)


def arrivals(
    stream: Stream, days: float, a_day: Callable[[datetime], float], seed: int
) -> Iterator[int]:
    """Poisson counts of new items a run."""
    chance = random.Random(seed)
    end = stream.at + days * DAY
    while stream.at < end:
        left, count = math.exp(-a_day(stream.at) * (stream.every / DAY)), -1
        product = 1.0
        while product > left:
            product *= chance.random()
            count += 1
        yield max(count, 0)


def seoul(a_day: float, *, weekend: float = 1.0) -> Callable[[datetime], float]:
    """A rate that sleeps from midnight to seven in Seoul, and on weekends if so wanted."""

    def rate(at: datetime) -> float:
        local = at + timedelta(hours=9)
        night = 0.02 if local.hour < 7 else 1.4
        return a_day * night * (weekend if local.weekday() >= 5 else 1.0)

    return rate


# --- no news -------------------------------------------------------------------------------------


@pytest.mark.parametrize("a_day", [1, 8, 60])
@pytest.mark.parametrize("weekend", [1.0, 0.05])
def test_quiet_nights_and_weekends_are_no_alarm(a_day: float, weekend: float) -> None:
    stream = Stream()
    stream.search(60, seoul(a_day, weekend=weekend), seed=int(a_day))
    assert stream.alarms == []


def test_a_search_that_falls_silent_is_suspect_within_two_days() -> None:
    stream = Stream()
    stream.search(30, seoul(30))
    died = stream.at
    stream.search(3, lambda _: 0.0)
    ((at, reason),) = stream.alarms
    assert timedelta(hours=12) < at - died < 2 * DAY
    assert "Nothing new for" in reason
    assert "used to be" in reason


def test_one_item_clears_it() -> None:
    stream = Stream()
    stream.search(30, seoul(30))
    stream.search(3, lambda _: 0.0)
    assert stream.reason is not None
    assert stream.run(stream.items(1), new=1) is None
    assert stream.run([], new=0) is None


def test_two_weeks_are_learnt_from_before_anything_is_judged() -> None:
    stream = Stream()
    stream.search(10, seoul(30))
    stream.search(20, lambda _: 0.0)
    assert stream.alarms == []


def test_an_outage_is_no_quiet() -> None:
    stream = Stream()
    stream.search(30, seoul(30))
    stream.at += 20 * DAY  # the service was off
    assert stream.run([], new=0) is None
    assert stream.profile.quiet.length < 24


def test_a_source_that_says_unchanged_for_days_is_suspect_like_any_other() -> None:
    stream = Stream()
    stream.page(30, seoul(30))
    for _ in range(48 * 4):
        stream.run(unchanged=True)
    ((_, reason),) = stream.alarms
    assert "Nothing new" in reason


def test_a_holiday_is_learnt_up_to_the_limit_only() -> None:
    stream = Stream()
    stream.search(30, seoul(30))
    usual = max(stream.profile.quiet.tops)
    stream.search(20, lambda _: 0.0)
    stream.search(2, seoul(30))
    assert usual < max(*stream.profile.quiet.tops, stream.profile.quiet.top) < 3 * DAY.days * 24


# --- empty readings ------------------------------------------------------------------------------


def test_a_page_that_is_suddenly_empty_is_suspect_at_its_second_reading() -> None:
    stream = Stream()
    stream.page(5, seoul(5))
    assert stream.run([]) is None
    reason = stream.run([])
    assert reason is not None
    assert reason.startswith("The last 2 runs read nothing, where a run used to read 20 items")
    assert stream.run([]) is not None
    assert stream.run(stream.items(20, rating=4.0)) is None


def test_a_page_that_is_often_empty_is_not() -> None:
    stream = Stream()
    for n in range(500):
        stream.run(stream.items(3) if n % 3 == 0 else [], new=0)
    assert stream.alarms == []


def test_a_young_watch_is_not_judged() -> None:
    stream = Stream()
    for _ in range(20):
        stream.run(stream.items(20))
    assert [stream.run([]) for _ in range(5)] == [None] * 5


# --- empty fields --------------------------------------------------------------------------------


def test_ratings_that_vanish_are_suspect_after_twenty_items() -> None:
    stream = Stream()
    for _ in range(10):
        stream.run(stream.items(20, rating=4.0))
    assert stream.run(stream.items(FIELD_ITEMS - 1, rating=None)) is None
    reason = stream.run(stream.items(1, rating=None))
    assert reason is not None
    assert "(a rating 91%)" in reason
    usual = stream.profile.filled["rating"]
    stream.run(stream.items(40, rating=None))
    assert stream.profile.filled["rating"] == usual, "what is suspect is not learnt"
    assert stream.run(stream.items(5, rating=5.0)) is None


def test_twenty_readings_of_one_item_are_one_item() -> None:
    stream = Stream()
    for _ in range(10):
        stream.run(stream.items(20, rating=4.0))
    without = stream.items(1, rating=None)
    assert all(stream.run(without) is None for _ in range(60))


def test_a_field_that_few_items_have_may_vanish() -> None:
    stream = Stream()
    for _ in range(10):
        stream.run([*stream.items(6, rating=4.0), *stream.items(14, rating=None)])
    assert stream.run(stream.items(40, rating=None)) is None


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"author": None}, "an author"),
        ({"published_at": None}, "a date"),
        ({"url": None}, "an address"),
    ],
)
def test_authors_dates_and_addresses_are_watched_too(fields: dict[str, Any], named: str) -> None:
    stream = Stream()
    for _ in range(10):
        stream.run(stream.items(20))
    assert named in str(stream.run(stream.items(20, **fields)))


def test_texts_that_shrink_to_a_word_are_suspect() -> None:
    stream = Stream()
    for _ in range(10):
        stream.run(stream.items(20))
    short = [a_raw(f"short{n}", "더보기") for n in range(20)]
    assert "a text of usual length" in str(stream.run(short))


def test_deletions_are_no_items() -> None:
    stream = Stream()
    for _ in range(10):
        stream.run(stream.items(20, rating=4.0))
    gone = [a_raw(f"gone{n}", "", deleted=True) for n in range(40)]
    assert stream.run(gone) is None


# --- kept ----------------------------------------------------------------------------------------


def test_a_profile_is_small_and_comes_back_as_it_was() -> None:
    stream = Stream()
    stream.search(50, seoul(2))
    kept = json.dumps(dump(stream.profile))
    assert len(kept) < 1_500
    assert load(json.loads(kept)) == stream.profile


@pytest.mark.parametrize(
    "stored", [{}, {"runs": "many"}, {"quiet": 3}, {"filled": {"rating": None}}]
)
def test_a_profile_that_cannot_be_read_begins_anew(stored: dict[str, Any]) -> None:
    assert load(stored) == Profile()
