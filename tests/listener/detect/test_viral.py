from __future__ import annotations

from datetime import timedelta

import pytest

from builders import NOW
from listener.detect.viral import Post, Snapshot, Usual, curve_of, most_growth, sight
from listener.types import Engagement

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MONTH = timedelta(days=30)


def a_post(*likes: tuple[float, int | None], id_: int = 1, source: str = "plaza") -> Post:
    """Read so many hours after NOW, when it was published."""
    return Post(
        mention_id=id_,
        source=source,
        published_at=NOW,
        snapshots=[Snapshot(NOW + hours * HOUR, Engagement(likes=n)) for hours, n in likes],
    )


def usual_posts(count: int = 40, source: str = "plaza") -> list[Post]:
    return [
        a_post((1, n % 20), (5, 2 * (n % 20)), id_=100 + n, source=source) for n in range(count)
    ]


USUAL = Usual(usual_posts(), length=MONTH)


def test_reactions_are_taken_together_and_views_only_without_them() -> None:
    at = NOW + HOUR
    both = Engagement(likes=1, replies=2, shares=4, views=1000)
    told = Post(mention_id=1, source="x", published_at=NOW, snapshots=[Snapshot(at, both)])
    curve = curve_of(told)
    assert curve is not None
    assert curve.measure == "reactions"
    assert curve.points == [(NOW, 0.0), (at, 7.0)]
    seen = Post(
        mention_id=1,
        source="x",
        published_at=NOW,
        snapshots=[Snapshot(at, Engagement(views=1000))],
    )
    watched = curve_of(seen)
    assert watched is not None
    assert watched.measure == "views"
    assert curve_of(a_post((1, None))) is None


def test_growth_is_that_of_a_day() -> None:
    curve = curve_of(a_post((1, 10), (20, 30), (40, 100), (60, 105)))
    assert curve is not None
    assert most_growth(curve) == 90.0, "from 10 after an hour to 100 after 40"


def test_a_count_that_falls_is_no_growth() -> None:
    curve = curve_of(a_post((1, 100), (2, 10), (3, 100)))
    assert curve is not None
    assert most_growth(curve) == 100.0


def test_what_it_had_when_it_was_found_is_no_growth() -> None:
    assert sight(a_post((30, 5000)), USUAL, now=NOW + 31 * HOUR) is None


@pytest.mark.parametrize(("likes", "viral"), [(40, False), (100, False), (2000, True)])
def test_a_viral_post_is_far_above_what_is_usual(likes: int, viral: bool) -> None:
    found = sight(a_post((1, 10), (3, likes)), USUAL, now=NOW + 4 * HOUR)
    assert found is not None
    sighting, facts = found
    assert (sighting.score > 0.46) is viral
    assert sighting.observed == likes
    assert sighting.grown_at == NOW + 3 * HOUR
    assert facts["usual"] == 20.0
    assert facts["total"] == likes


def test_onset_is_before_it_rose() -> None:
    found = sight(a_post((1, 10), (3, 12), (4, 500), (5, 2000)), USUAL, now=NOW + 6 * HOUR)
    assert found is not None
    assert found[0].onset_at == NOW + 3 * HOUR
    assert found[1]["per_hour"] == 1000.0


def test_later_readings_are_not_known_yet() -> None:
    post = a_post((1, 10), (3, 2000))
    found = sight(post, USUAL, now=NOW + 2 * HOUR)
    assert found is not None
    assert found[0].observed == 10.0


def test_a_trickle_after_the_wave_is_no_growth() -> None:
    found = sight(a_post((1, 10), (3, 2000), (20, 2010)), USUAL, now=NOW + 20 * HOUR)
    assert found is not None
    assert found[0].grown_at == NOW + 3 * HOUR


def test_only_what_is_new_counts_after_a_spike_was_over() -> None:
    post = a_post((1, 10), (3, 2000), (20, 2500))
    found = sight(post, USUAL, now=NOW + 20 * HOUR, since=NOW + 15 * HOUR)
    assert found is not None
    assert found[0].observed == 500.0


def test_a_source_with_few_posts_is_compared_with_all() -> None:
    usual = Usual([*usual_posts(), *usual_posts(3, "square")], length=MONTH)
    assert usual.of("reactions", "square").count == 43
    assert usual.of("reactions", "plaza").count == 40
    assert usual.of("views", "plaza").count == 0


def test_a_brand_without_a_past_needs_much() -> None:
    nothing = Usual([], length=timedelta(0))
    small, large = (
        sight(a_post((1, likes)), nothing, now=NOW + 2 * HOUR) for likes in (60, 20_000)
    )
    assert small is not None
    assert small[0].score < 0
    assert large is not None
    assert large[0].score > 1
