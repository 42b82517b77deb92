"""Where to resume in a source that shows its newest items first. Pure; the runner in base.py drives
it.

Such a source is walked from the top down to the **mark**, the newest item of the last complete
walk. The mark only moves when the way down to the old one is closed; until then the walk in
progress is part of the cursor, so that a run that dies on page 3 is resumed there by the next one
and loses nothing. What cannot be walked (too many pages, a window that moved on) becomes a Gap, and
then the mark moves too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from listener.types import Gap, GapReason

_NONE = timedelta()


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the source's order: the id of an item and, where the source tells it, its time."""

    id: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A way down that is not closed yet. ``top`` becomes the mark, ``bottom`` is how far we got.

    ``token`` asks for the next page where the source can, ``pending`` is memory that holds once
    closed.
    """

    started_at: datetime
    top: Mark | None = None
    bottom: Mark | None = None
    token: str | None = None
    pending: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """The cursor of a newest-first source.

    ``closed_at`` is when the last complete walk began: all that was shown by then is ours.
    ``memory`` belongs to the source and is plain JSON.
    """

    mark: Mark | None = None
    closed_at: datetime | None = None
    walk: Walk | None = None
    memory: Mapping[str, Any] = field(default_factory=dict)


def load(cursor: Mapping[str, Any]) -> Track:
    """Read a stored cursor; one that cannot be read starts from the beginning."""
    try:
        walk = cursor.get("walk")
        return Track(
            mark=_mark(cursor.get("mark")),
            closed_at=_time(cursor.get("closed_at")),
            walk=Walk(
                started_at=datetime.fromisoformat(walk["started_at"]),
                top=_mark(walk.get("top")),
                bottom=_mark(walk.get("bottom")),
                token=walk.get("token"),
                pending=walk.get("pending") or {},
            )
            if walk
            else None,
            memory=cursor.get("memory") or {},
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return Track()


def load_lanes(cursor: Mapping[str, Any]) -> dict[str, Track]:
    """The tracks of a stored cursor by lane; a cursor without lanes is that of the lane ``""``."""
    lanes = cursor.get("lanes")
    if isinstance(lanes, Mapping):
        return {lane: load(stored) for lane, stored in lanes.items()}
    return {"": load(cursor)}


def dump_lanes(tracks: Mapping[str, Track]) -> dict[str, Any]:
    """The cursor of several lanes as plain JSON; the lane ``""`` alone needs no name."""
    if set(tracks) == {""}:
        return dump(tracks[""])
    return {"lanes": {lane: dump(track) for lane, track in tracks.items()}}


def dump(track: Track) -> dict[str, Any]:
    """The cursor as plain JSON; what is empty is left out."""
    walk = track.walk
    stored = {
        "mark": _dump_mark(track.mark),
        "closed_at": _dump_time(track.closed_at),
        "walk": _full(
            {
                "started_at": _dump_time(walk.started_at),
                "top": _dump_mark(walk.top),
                "bottom": _dump_mark(walk.bottom),
                "token": walk.token,
                "pending": dict(walk.pending),
            }
        )
        if walk
        else None,
        "memory": dict(track.memory),
    }
    return _full(stored)


def begin(track: Track, now: datetime) -> Track:
    """Start a walk from the top, unless one is in progress."""
    return track if track.walk else replace(track, walk=Walk(started_at=now))


def descend(
    track: Track,
    *,
    top: Mark | None,
    bottom: Mark | None,
    token: str | None,
    pending: Mapping[str, Any] | None = None,
) -> Track:
    """Take one page into the walk. The first page with items gives the top."""
    walk = track.walk
    if walk is None:
        raise ValueError("no walk in progress")
    return replace(
        track,
        walk=replace(
            walk,
            top=walk.top or top,
            bottom=bottom or walk.bottom,
            token=token,
            pending={**(pending or {}), **walk.pending},  # the first page, the newest, has the word
        ),
    )


def close(track: Track) -> Track:
    """End the walk: its top becomes the mark, what was pending becomes memory."""
    walk = track.walk
    if walk is None:
        raise ValueError("no walk in progress")
    return Track(
        mark=walk.top or track.mark,
        closed_at=walk.started_at,
        memory={**track.memory, **walk.pending},
    )


def reached(mark: Mark | None, marks: Sequence[Mark], lookback: timedelta = _NONE) -> bool:
    """Whether a page of items, newest first, comes down to the mark: shows it, or ends below its
    time. With ``lookback`` it must end that far below, where the source tells times.
    """
    if mark is None or not marks:
        return False
    # Only the last one counts: an old item pinned to the top is no sign of having come down.
    last = marks[-1].at
    if lookback and last is not None and mark.at is not None:
        return last < mark.at - lookback
    if any(one.id == mark.id for one in marks):
        return True
    return last is not None and mark.at is not None and last < mark.at


def gap(track: Track, why: GapReason, detail: str = "") -> Gap | None:
    """The interval between the mark and the bottom of the walk; None on a first walk, or if it is
    empty.

    Where the source tells no times, it lies between the last complete walk and this one.
    """
    walk = track.walk
    if walk is None or (track.mark is None and track.closed_at is None):
        return None
    start = track.mark.at if track.mark and track.mark.at else track.closed_at
    end = walk.bottom.at if walk.bottom and walk.bottom.at else walk.started_at
    if start is None or start >= end:
        return None
    return Gap(from_at=start, to_at=end, why=why, detail=detail)


def newest(marks: Sequence[Mark]) -> Mark | None:
    """The newest of a page's items by time, or the first where times are missing."""
    dated = [mark for mark in marks if mark.at is not None]
    if not dated:
        return marks[0] if marks else None
    return max(dated, key=lambda mark: mark.at or datetime.min.replace(tzinfo=UTC))


def _mark(stored: Mapping[str, Any] | None) -> Mark | None:
    return Mark(str(stored["id"]), _time(stored.get("at"))) if stored else None


def _dump_mark(mark: Mark | None) -> dict[str, Any] | None:
    return _full({"id": mark.id, "at": _dump_time(mark.at)}) if mark else None


def _time(stored: str | None) -> datetime | None:
    return datetime.fromisoformat(stored) if stored else None


def _dump_time(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat() if at else None


def _full(stored: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in stored.items() if value not in (None, {}, "")}
