"""Event times of mentions whose source does not tell them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from builders import NOW, a_mention
from listener.pipeline.event_time import event_times
from listener.types import Mention, Precision

SEOUL = ZoneInfo("Asia/Seoul")
# NOW is 21:00 on 10 March in Seoul.
TODAY = datetime(2025, 3, 9, 15, 0, tzinfo=UTC)


def of_day(start: datetime) -> Mention:
    return a_mention(published_at=start, published_precision=Precision.DAY)


def without() -> Mention:
    return a_mention(published_at=None, published_precision=Precision.NONE)


def times(*mentions: Mention, covered_to: datetime | None = None) -> list[datetime]:
    return event_times(mentions, covered_to=covered_to, now=NOW, zone=SEOUL)


def test_an_exact_date_is_the_time() -> None:
    at = NOW - timedelta(days=3)
    assert times(a_mention(event_at=at), covered_to=NOW - timedelta(hours=1)) == [at]


def test_without_a_date_spread_since_last_time() -> None:
    hours = [NOW - timedelta(hours=h) for h in (3.5, 2.5, 1.5, 0.5)]
    assert times(*[without()] * 4, covered_to=NOW - timedelta(hours=4)) == hours


def test_without_a_date_on_the_first_run_it_is_now() -> None:
    assert times(without(), without()) == [NOW, NOW]


def test_a_day_of_which_only_a_part_is_new() -> None:
    assert times(of_day(TODAY), covered_to=NOW - timedelta(hours=2)) == [NOW - timedelta(hours=1)]


def test_a_day_seen_too_late_is_spread_over_itself() -> None:
    """Indexed a day late: neither now, nor all at midnight."""
    yesterday = TODAY - timedelta(days=1)
    found = times(of_day(yesterday), of_day(yesterday), covered_to=NOW - timedelta(minutes=10))
    assert [round((t - yesterday) / timedelta(hours=1), 3) for t in found] == [6.0, 18.0]


def test_days_on_the_first_run_are_spread_over_themselves() -> None:
    assert times(of_day(TODAY)) == [TODAY + timedelta(hours=10, minutes=30)]  # it is 21:00


def test_a_day_that_is_yet_to_come_is_now() -> None:
    assert times(of_day(TODAY + timedelta(days=3))) == [NOW]


def test_a_catch_up_after_an_outage_does_not_pile_up() -> None:
    covered_to = NOW - timedelta(days=2)
    mentions = [of_day(TODAY - timedelta(days=d)) for d in (0, 1) for _ in range(50)]
    mentions += [without()] * 50
    found = times(*mentions, covered_to=covered_to)
    hours = [int((t - covered_to).total_seconds() // 3600) for t in found]
    assert max(hours.count(hour) for hour in set(hours)) <= 6


@given(
    st.lists(st.integers(-40, 5), max_size=30),
    st.integers(0, 30),
    st.none() | st.integers(-100, 100),
)
def test_never_later_than_now_and_in_order(days: list[int], bare: int, hours: int | None) -> None:
    covered_to = None if hours is None else NOW + timedelta(hours=hours)
    mentions = [of_day(TODAY + timedelta(days=d)) for d in days] + [without()] * bare
    found = times(*mentions, covered_to=covered_to)
    assert len(found) == len(mentions)
    assert all(t <= NOW for t in found)
    assert found[len(days) :] == sorted(found[len(days) :])
    for day, moment in zip(days, found, strict=False):
        if day < 0:
            assert moment.astimezone(SEOUL).date() == (NOW + timedelta(days=day)).date()
