from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from builders import NOW
from listener.detect.spreading import (
    CopyFact,
    Story,
    most_reach,
    place_of,
    reach,
    sight,
    usual_reach,
)

HOUR = timedelta(hours=1)
MONTH = timedelta(days=30)


def a_story(*copies: tuple[float, str, str, str | None], id_: int = 1) -> Story:
    """Copies so many hours after NOW: source, place, author."""
    return Story(
        story_id=id_,
        copies=[
            CopyFact(n, NOW + hours * HOUR, source, place, author)
            for n, (hours, source, place, author) in enumerate(copies)
        ],
    )


def wave(
    count: int, *, every: float = 0.5, sources: int = 3
) -> Sequence[tuple[float, str, str, str]]:
    return [(n * every, f"s{n % sources}", f"p{n}", f"a{n}") for n in range(count)]


USUAL = usual_reach([a_story(*wave(2), id_=n) for n in range(30)], length=MONTH)


def test_reach_is_the_lesser_of_places_and_people() -> None:
    assert reach(a_story(*wave(7)).copies) == 7
    assert reach(a_story(*[(n, "s", "p", f"a{n}") for n in range(7)]).copies) == 1
    assert reach(a_story(*[(n, "s", f"p{n}", "a") for n in range(7)]).copies) == 1
    assert reach(a_story(*[(n, "s", f"p{n}", None) for n in range(7)]).copies) == 7


def test_the_most_it_reached_is_that_of_a_day() -> None:
    assert most_reach(a_story(*wave(30, every=2))) == 13
    assert most_reach(a_story(*wave(30))) == 30


def test_a_story_far_beyond_the_usual_is_rare() -> None:
    found = sight(a_story(*wave(12)), USUAL, now=NOW + 6 * HOUR)
    assert found is not None
    sighting, facts = found
    assert sighting.score > 0.46
    assert (sighting.onset_at, sighting.grown_at) == (NOW, NOW + 5.5 * HOUR)
    assert (facts["places"], facts["authors"], facts["copies"]) == (12, 12, 12)
    assert facts["sources"] == {"s0": 4, "s1": 4, "s2": 4}


def test_few_places_or_one_source_are_no_spreading() -> None:
    for story in (a_story(*wave(4)), a_story(*wave(40, sources=1))):
        found = sight(story, USUAL, now=NOW + 24 * HOUR)
        assert found is not None
        assert found[0].score <= 0


def test_more_copies_in_a_known_place_are_no_growth() -> None:
    again = [(20.0 + n, "s0", "p0", "a0") for n in range(5)]
    found = sight(a_story(*wave(12), *again), USUAL, now=NOW + 30 * HOUR)
    assert found is not None
    assert found[0].grown_at == NOW + 5.5 * HOUR


def test_later_copies_are_not_known_yet() -> None:
    found = sight(a_story(*wave(12)), USUAL, now=NOW + 2 * HOUR)
    assert found is not None
    assert found[0].observed == 5.0
    assert sight(a_story(*wave(3)), USUAL, now=NOW - HOUR) is None


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://www.news.example/a/1", "news.example"),
        ("https://m.news.example/a/1", "news.example"),
        ("https://www.reddit.com/r/korea/comments/1", "reddit.com/r/korea"),
        ("https://cafe.naver.com/mom/123", "cafe.naver.com/mom"),
        ("https://news.google.com/rss/1", "Daily"),
        (None, "board"),
    ],
)
def test_a_place_is_a_site_or_a_community(url: str | None, place: str) -> None:
    assert place_of(url, namespace="board", author="Daily") == place
