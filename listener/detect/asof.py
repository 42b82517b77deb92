"""What was known at a moment of the past: which watch had collected what, and where pasts began.

``store/asof.py`` reads it, ``replay.py`` moves through it. Pure.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from listener.detect.series import STEP
from listener.types import Interval, WatchCoverage

DROP_OUT = timedelta(days=1)  # a watch silent for longer is no longer waited for
NEW_WATCH = timedelta(days=14)  # by then the detector takes the new level for the usual
SETTLED = timedelta(hours=1)  # the detectors know of a walk that ended so long ago


_NEVER = datetime.max.replace(tzinfo=UTC)


class Piece(NamedTuple):
    """[from_at, to_at) was collected, and that became known."""

    known_at: datetime
    from_at: datetime
    to_at: datetime


class Walk(NamedTuple):
    """A back-fill of history of a source: from ``from_at`` back to ``reached_at``."""

    began_at: datetime
    from_at: datetime
    reached_at: datetime
    ended_at: datetime | None
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPast:
    """All that a watch collected, and when that became known.

    ``ended_at``: deleted, or paused for good. ``waited_for`` False = a file or a webhook: it covers
    and is never waited for; with ``streams`` (a webhook) it covers everything since it was made.
    ``first`` is the earliest that the first run of a watch brought, and when that was seen;
    ``undated`` says that it brought what tells no time.
    """

    watch_id: int
    made_at: datetime
    ended_at: datetime | None = None
    every: timedelta = timedelta(minutes=5)
    late_after: timedelta = timedelta(hours=1)
    pieces: Sequence[Piece] = ()  # by known_at
    waited_for: bool = True
    streams: bool = False
    first: tuple[datetime, datetime] | None = None  # seen at, at
    undated: bool = False
    source: str = ""  # of all that it brings


@dataclass(slots=True)
class _Track:
    """What is known of one watch so far: disjoint intervals in order."""

    past: WatchPast
    starts: list[datetime] = field(default_factory=list)
    ends: list[datetime] = field(default_factory=list)
    next: int = 0  # of its pieces

    def copy(self) -> _Track:
        return _Track(self.past, self.starts.copy(), self.ends.copy(), self.next)


class Advance(NamedTuple):
    """What became known. ``late``: something for which its watch was waited for no more, or that
    fills a hole, a time without any coverage before another that had some. ``since`` is where it
    begins.
    """

    late: bool
    since: datetime | None


class Mark(NamedTuple):
    """Where the knowledge stood, for ``AsOf.go_back``."""

    tracks: list[_Track]
    whole: _Track
    next: int


class AsOf:
    """What was known of coverage, moving forward in time.

    ``on_time`` takes everything as if it had become known the moment it happened: for history that
    came by import or back-fill, of which nothing was known in its time.
    """

    def __init__(
        self, pasts: Sequence[WatchPast], walks: Sequence[Walk] = (), *, on_time: bool = False
    ) -> None:
        self._on_time = on_time
        self._walks = () if on_time else walks
        self._tracks = [_Track(past) for past in pasts]
        self._whole = _Track(WatchPast(watch_id=0, made_at=_NEVER))  # all of them together
        order = sorted(
            (piece.known_at, place) for place, past in enumerate(pasts) for piece in past.pieces
        )
        self._order = order
        self._next = 0
        if on_time:
            self._take_all()

    def _take_all(self) -> None:
        for _, place in self._order:
            self._take(place)
        self._next = len(self._order)

    def advance(self, now: datetime) -> Advance:
        """Take what became known up to ``now``."""
        late, since = False, None
        while self._next < len(self._order) and self._order[self._next][0] <= now:
            place = self._order[self._next][1]
            track = self._tracks[place]
            piece = track.past.pieces[track.next]
            late = self._take(place) or late
            since = piece.from_at if since is None else min(since, piece.from_at)
            self._next += 1
        return Advance(late, since)

    def is_news(self, now: datetime) -> bool:
        """Whether anything became known by then that was not taken."""
        return self._next < len(self._order) and self._order[self._next][0] <= now

    def mark(self) -> Mark:
        """The knowledge as it stands."""
        return Mark([track.copy() for track in self._tracks], self._whole.copy(), self._next)

    def go_back(self, mark: Mark) -> None:
        """Forget what became known since; a mark is good for once."""
        self._tracks, self._whole, self._next = mark

    def watches(self, start: datetime, now: datetime) -> list[WatchCoverage]:
        """What is known of [start, now), as ``store.coverage.of_brand`` would have told it."""
        found = []
        for track in self._tracks:
            past = track.past
            if past.made_at > now and past.waited_for:
                continue
            if past.streams:
                covered: list[Interval] = [(past.made_at, max(past.made_at, now))]
                found.append(_unwaited(past, past.made_at, covered))
                continue
            if not track.starts or (self._on_time and track.starts[0] >= now):
                continue
            if not past.waited_for:
                covered = [(track.starts[0], min(track.ends[-1], now))]
                found.append(_unwaited(past, track.starts[0], covered))
                continue
            covered_to = min(track.ends[-1], now) if self._on_time else track.ends[-1]
            ended = past.ended_at if past.ended_at is not None and past.ended_at <= now else None
            if now - covered_to > max(DROP_OUT, 3 * past.every):
                ended = min(ended or covered_to, covered_to)
            found.append(
                WatchCoverage(
                    watch_id=past.watch_id,
                    active_from=past.made_at,
                    active_to=max(ended, past.made_at) if ended else None,
                    intervals=self._covered(track, start, now),
                    late_after=past.late_after,
                    source=past.source,
                )
            )
        return found

    def back_fills(self, now: datetime) -> list[Interval]:
        """Where what new watches bring begins, as known then."""
        found: list[Interval] = []
        if self._on_time:
            return found
        for track in self._tracks:
            past = track.past
            if not past.waited_for or not now - NEW_WATCH < past.made_at <= now:
                continue
            begins = [
                piece.from_at for piece in past.pieces[: track.next] if piece.from_at < past.made_at
            ]
            found += [(at, at) for at in begins]
            if not begins and past.first is not None and past.first[0] <= now:
                found.append((past.first[1], past.first[1]))
            if past.undated:
                found.append((past.made_at, past.made_at))
        for walk in self._walks:
            if now - NEW_WATCH < walk.began_at <= now:
                over = walk.ended_at is not None and walk.ended_at < now - SETTLED
                reached = walk.reached_at
                found.append((reached, reached if over else max(reached, walk.from_at)))
        return found

    def _covered(self, track: _Track, start: datetime, now: datetime) -> list[Interval]:
        place = bisect_right(track.ends, start)
        pairs = zip(track.starts[place:], track.ends[place:], strict=True)
        return [(at, min(to, now)) for at, to in pairs if at < now]

    def _take(self, place: int) -> bool:
        track = self._tracks[place]
        piece = track.past.pieces[track.next]
        track.next += 1
        whole = self._whole
        begin, stop = piece.from_at, piece.to_at
        patience = track.past.late_after + STEP
        late = track.past.waited_for and piece.known_at - begin > patience
        if whole.ends and begin < whole.ends[-1]:
            at = bisect_right(whole.starts, begin) - 1
            late = late or at < 0 or whole.ends[at] < min(stop, whole.ends[-1])
        _insert(track, begin, stop)
        _insert(whole, begin, stop)
        return late


def _unwaited(past: WatchPast, at: datetime, covered: list[Interval]) -> WatchCoverage:
    return WatchCoverage(
        watch_id=past.watch_id,
        active_from=at,
        active_to=at,
        intervals=covered,
        source=past.source,
    )


def _insert(track: _Track, begin: datetime, stop: datetime) -> None:
    """Join [begin, stop) to disjoint intervals in order."""
    starts, ends = track.starts, track.ends
    if starts and starts[-1] <= begin <= ends[-1]:  # as almost always
        ends[-1] = max(ends[-1], stop)
        return
    first = bisect_right(ends, begin)
    if first and ends[first - 1] == begin:
        first -= 1
    last = first
    while last < len(starts) and starts[last] <= stop:
        begin, stop = min(begin, starts[last]), max(stop, ends[last])
        last += 1
    starts[first:last] = [begin]
    ends[first:last] = [stop]
