"""A story spreads: copies of one text in more and more places, by more and more people. Pure.

A place is a site, or a community of one, on a source. Copies by one author, or in one place, are no
spreading, however many there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from listener.detect.rarity import Rarity
from listener.detect.single import Sighting

WINDOW: Final = timedelta(hours=24)
USUAL: Final = timedelta(days=30)  # whose stories are compared with
QUIET: Final = timedelta(hours=12)  # without a new place: it is over
FLOOR: Final = 2.0  # places; a story in fewer is of no interest
LEAST_PLACES: Final = 5
LEAST_SOURCES: Final = 2
MOST_POINTS: Final = 60  # of the timeline

# Sites in which the first parts of a path are places of their own, and how many parts.
COMMUNITIES: Final = {
    "reddit.com": 2,
    "cafe.naver.com": 1,
    "blog.naver.com": 1,
    "cafe.daum.net": 1,
    "brunch.co.kr": 1,
    "medium.com": 1,
    "t.me": 1,
}
AGGREGATORS: Final = frozenset(("news.google.com",))  # their addresses hide who published


@dataclass(frozen=True, slots=True)
class CopyFact:
    """One copy of a story. ``author`` None = unknown, which is taken as one for each place."""

    mention_id: int
    at: datetime
    source: str
    place: str
    author: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A story with its copies, in order of time."""

    story_id: int
    copies: Sequence[CopyFact]


def place_of(url: str | None, *, namespace: str, author: str | None) -> str:
    """The place where something stands: the site, on some a community or a page of it; without an
    address what the source calls its own part.
    """
    parts = urlsplit(url or "")
    host = (parts.hostname or "").removeprefix("www.").removeprefix("m.").removeprefix("old.")
    if not host:
        return namespace or ""
    if host in AGGREGATORS:
        return author or host
    depth = COMMUNITIES.get(host, 0)
    return "/".join([host, *[part for part in parts.path.split("/") if part][:depth]])


def reach(copies: Iterable[CopyFact]) -> int:
    """In how many places, by how many people: the lesser of the two."""
    places, authors = set(), set()
    for one in copies:
        places.add((one.source, one.place))
        authors.add(one.author or f"{one.source} {one.place}")
    return min(len(places), len(authors))


def most_reach(story: Story) -> int:
    """The most that it ever reached in a day."""
    copies = story.copies
    start = most = 0
    for end, last in enumerate(copies):
        while last.at - copies[start].at > WINDOW:
            start += 1
        if end - start + 1 > most:  # it cannot have reached more than there are copies
            most = max(most, reach(copies[start : end + 1]))
    return most


def usual_reach(stories: Iterable[Story], *, length: timedelta, sampled: float = 1.0) -> Rarity:
    """How far the brand's stories usually spread."""
    return Rarity(
        (most_reach(story) for story in stories), length=length, floor=FLOOR, sampled=sampled
    )


def sight(
    story: Story, usual: Rarity, *, now: datetime, since: datetime | None = None
) -> tuple[Sighting, dict[str, Any]] | None:
    """How a story stands at ``now``, and the facts of it; None where nothing is known of it.

    ``since`` is when its last spike was over: where it had been by then is told.
    """
    copies = [one for one in story.copies if one.at <= now]
    if not copies:
        return None
    arrivals = _arrivals(copies)
    grown_at = arrivals[-1].at
    start = grown_at - WINDOW if since is None else max(grown_at - WINDOW, since)
    recent = [one for one in copies if start <= one.at <= grown_at]
    size = reach(recent)
    sources = Counter(one.source for one in recent)
    score = usual.score(size)
    if size < LEAST_PLACES or len(sources) < LEAST_SOURCES:
        score = min(score, 0.0)
    first = recent[0]
    sighting = Sighting(
        onset_at=first.at,
        grown_at=grown_at,
        score=score,
        observed=float(size),
        expected=max(usual.quantile(0.5), 1.0),
    )
    facts = {
        "signal": "spreading",
        "story_id": story.story_id,
        "copies": len(recent),
        "places": len({(one.source, one.place) for one in recent}),
        "authors": len({one.author or f"#{one.mention_id}" for one in recent}),
        "sources": dict(sources.most_common()),
        "usual": usual.quantile(0.5),
        "usual_high": usual.quantile(0.9),
        "stories": usual.count,
        "from": first.at.isoformat(),
        "grown_at": grown_at.isoformat(),
        "first_id": first.mention_id,
        "path": [[one.at.isoformat(), one.source, one.place] for one in arrivals[:MOST_POINTS]],
        "timeline": _timeline(recent),
    }
    return sighting, facts


def _arrivals(copies: Sequence[CopyFact]) -> list[CopyFact]:
    """The first copy in each place."""
    seen: set[tuple[str, str]] = set()
    found = []
    for one in copies:
        if (one.source, one.place) not in seen:
            seen.add((one.source, one.place))
            found.append(one)
    return found


def _timeline(copies: Sequence[CopyFact]) -> list[list[Any]]:
    """Time, and how many copies, places, sources and authors there were by then."""
    places, sources, authors = set(), set(), set()
    points: list[list[Any]] = []
    for number, one in enumerate(copies, 1):
        places.add((one.source, one.place))
        sources.add(one.source)
        authors.add(one.author or f"#{one.mention_id}")
        points.append([one.at.isoformat(), number, len(places), len(sources), len(authors)])
    every = -(-len(points) // MOST_POINTS)
    return points[(len(points) - 1) % every :: every]
