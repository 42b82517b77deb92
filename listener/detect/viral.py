"""One post goes viral: its reactions grow far beyond what the brand's posts usually get. Pure.

What counts is the growth within a day, so that a post that is shared again after a week is found as
well, and one that was found late, with all its likes at once, is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from listener.detect.rarity import Rarity
from listener.detect.single import Sighting
from listener.types import Engagement

WINDOW: Final = timedelta(hours=24)
USUAL: Final = timedelta(days=30)  # whose posts are compared with
QUIET: Final = timedelta(hours=12)  # without growth worth the name: it is over
FLOOR: Final[Mapping[str, float]] = {"reactions": 20.0, "views": 1000.0}  # less is of no interest
LEAST: Final[Mapping[str, float]] = {"reactions": 50.0, "views": 5000.0}  # growth of a viral post
LEAST_RATIO: Final = 3.0  # times what nine of ten posts get at most
FEWEST: Final = 10  # posts of a source; of fewer all sources are taken together
WORTH: Final = 0.05  # of the growth so far: less growth is no growth
MOST_POINTS: Final = 60  # of the curve


class Snapshot(NamedTuple):
    """Counts of a post as read at one moment."""

    at: datetime
    counts: Engagement


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A post with what was read of it, in order of time."""

    mention_id: int
    source: str
    published_at: datetime
    snapshots: Sequence[Snapshot]


class Curve(NamedTuple):
    """One measure of a post over time; values never fall."""

    measure: str  # reactions | views
    points: Sequence[tuple[datetime, float]]


def curve_of(post: Post) -> Curve | None:
    """Likes, replies and shares together; views where nothing else is told. None = nothing is.

    It begins with zero at publication, if the first reading came within a day: how a post grew
    before we knew it is not known, only what it had.
    """
    for measure, value in (("reactions", _reactions), ("views", _views)):
        points: list[tuple[datetime, float]] = []
        highest = 0.0
        for at, counts in post.snapshots:
            found = value(counts)
            if found is not None:
                highest = max(highest, found)
                points.append((at, highest))
        if not points:
            continue
        if post.published_at < points[0][0] <= post.published_at + WINDOW:
            points.insert(0, (post.published_at, 0.0))
        return Curve(measure, points)
    return None


def growth(curve: Curve, at: datetime, since: datetime | None = None) -> float:
    """How much it grew in the day up to ``at``, or since a time within it."""
    start = at - WINDOW if since is None else max(at - WINDOW, since)
    first, last = curve.points[0], _value(curve.points, at)
    return last - _value(curve.points, start) if start >= first[0] else last - first[1]


def most_growth(curve: Curve) -> float:
    """The most that it ever grew in a day."""
    return max(growth(curve, at) for at, _ in curve.points)


class Usual:
    """What the brand's posts usually get: the most that each of them grew in a day."""

    def __init__(self, posts: Iterable[Post], *, length: timedelta, sampled: float = 1.0) -> None:
        sizes: dict[tuple[str, str], list[float]] = {}
        for post in posts:
            curve = curve_of(post)
            if curve is not None:
                sizes.setdefault((curve.measure, post.source), []).append(most_growth(curve))
                sizes.setdefault((curve.measure, ""), []).append(most_growth(curve))
        self._rarities = {
            key: Rarity(found, length=length, floor=FLOOR[key[0]], sampled=sampled)
            for key, found in sizes.items()
        }
        self._none = {
            measure: Rarity((), length=length, floor=floor) for measure, floor in FLOOR.items()
        }

    def of(self, measure: str, source: str) -> Rarity:
        """By the source's own posts, if there are enough."""
        own = self._rarities.get((measure, source))
        if own is not None and own.count >= FEWEST:
            return own
        return self._rarities.get((measure, ""), self._none[measure])


def sight(
    post: Post, usual: Usual, *, now: datetime, since: datetime | None = None
) -> tuple[Sighting, dict[str, Any]] | None:
    """How a post stands at ``now``, and the facts of it; None where it did not grow.

    ``since`` is when its last spike was over: what it grew before was told.
    """
    known = [snapshot for snapshot in post.snapshots if snapshot.at <= now]
    curve = curve_of(Post(
        mention_id=post.mention_id,
        source=post.source,
        published_at=post.published_at,
        snapshots=known,
    ))  # fmt: skip
    if curve is None:
        return None
    grown_at = _grown_at(curve)
    # Of a post that rests the growth up to its last rise is told, not the nothing of today.
    grown = growth(curve, grown_at, since)
    if grown <= 0:
        return None
    rarity = usual.of(curve.measure, post.source)
    high = rarity.quantile(0.9)
    score = rarity.score(grown)
    if grown < max(LEAST[curve.measure], LEAST_RATIO * high):
        score = min(score, 0.0)
    onset_at = _onset(curve, grown_at, grown)
    sighting = Sighting(
        onset_at=onset_at,
        grown_at=grown_at,
        score=score,
        observed=grown,
        expected=rarity.quantile(0.5),
    )
    hours = max((grown_at - onset_at) / timedelta(hours=1), 0.25)
    last = known[-1].counts
    facts = {
        "signal": "viral",
        "mention_id": post.mention_id,
        "source": post.source,
        "measure": curve.measure,
        "from": onset_at.isoformat(),
        "grown_at": grown_at.isoformat(),
        "growth": grown,
        "total": curve.points[-1][1],
        "per_hour": round(grown / hours, 1),
        "usual": rarity.quantile(0.5),
        "usual_high": high,
        "posts": rarity.count,
        "likes": last.likes,
        "replies": last.replies,
        "shares": last.shares,
        "views": last.views,
        "timeline": [[at.isoformat(), value] for at, value in _thinned(curve.points)],
    }
    return sighting, facts


def _reactions(counts: Engagement) -> float | None:
    told = [n for n in (counts.likes, counts.replies, counts.shares) if n is not None]
    return float(sum(told)) if told else None


def _views(counts: Engagement) -> float | None:
    return None if counts.views is None else float(counts.views)


def _value(points: Sequence[tuple[datetime, float]], at: datetime) -> float:
    """The last value at or before ``at``; the first one before all of them."""
    value = points[0][1]
    for time, found in points:
        if time > at:
            break
        value = found
    return value


def _grown_at(curve: Curve) -> datetime:
    """When it last grew by more than a trifle of what it grew in that day."""
    points = curve.points
    for place in range(len(points) - 1, 0, -1):
        at, value = points[place]
        rise = value - points[place - 1][1]
        if rise > 0 and rise >= WORTH * growth(curve, at):
            return at
    return points[0][0]


def _onset(curve: Curve, at: datetime, grown: float) -> datetime:
    """The last reading before it had a tenth of its growth."""
    base = _value(curve.points, at) - grown
    onset = curve.points[0][0]
    for time, value in curve.points:
        if value > base + 0.1 * grown:
            break
        onset = time
    return onset


def _thinned(points: Sequence[tuple[datetime, float]]) -> Iterator[tuple[datetime, float]]:
    """At most ``MOST_POINTS``, the last one among them."""
    every = -(-len(points) // MOST_POINTS)
    first = (len(points) - 1) % every
    yield from points[first::every]
