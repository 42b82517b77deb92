"""The chart of a spike: what was seen, bar by bar, against what was to be expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any

from sqlalchemy import BigInteger, func, select, type_coerce
from sqlalchemy.orm import Session

from api.dashboard import charts
from api.dashboard.view import View, href
from listener.alert.message import is_count
from listener.detect.calendar import holidays_of
from listener.detect.catalogue import filter_of, parts_of
from listener.detect.expected import Frame, Line, frame_of
from listener.detect.series import build_series
from listener.store import coverage, feed_query, planned
from listener.store.base import from_us, to_us
from listener.store.feed_query import MENTION, MentionFilter
from listener.store.tables import BucketRow, SpikeRow
from listener.types import By, Coverage

_MICROSECOND = timedelta(microseconds=1)
_BLIND = 0.5  # share of a bar not collected from which it is hatched
_MOST = 50_000  # mentions read one by one
_COLUMNS = {
    By.POSTS: BucketRow.count,
    By.STORIES: BucketRow.new_stories,
    By.AUTHORS: BucketRow.new_authors,
}
_ONCE = {By.STORIES: "story", By.AUTHORS: "author"}


def once_of(row: SpikeRow) -> str | None:
    """What the series counts at its first mention only; single things count all their mentions."""
    return _ONCE.get(By(row.by)) if is_count(row.dimension) else None


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar as the table tells it."""

    at: datetime
    observed: int | None
    expected: float | None
    low: float | None
    high: float | None
    url: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """What the browser draws, and the same as rows."""

    data: Mapping[str, Any]
    bars: Sequence[Bar]
    events: Sequence[str]  # holidays and planned events in it, by name
    has_gap: bool
    is_partial: bool  # some sources were missing at some time


def draw(
    session: Session,
    view: View,
    row: SpikeRow,
    told: Mapping[str, Any],
    base: Mapping[str, str],
    wanted: MentionFilter,
) -> Drawn:
    """The chart of a spike. ``base`` is its filter as parameters, ``wanted`` the same."""
    now = view.now
    if row.dimension.startswith("viral:"):
        return _growth(view, told)
    frame = frame_of(row.onset_at, row.resolved_at or now)
    size = min(frame.size, -(-(now - frame.start) // frame.step))
    shown = Frame(frame.start, frame.step, max(1, size))
    counts = _counts(session, row, shown, wanted, now)
    blind, is_partial = _blind(session, row, shown, now)
    observed = [
        None if blind[place] == 1.0 and not counts.get(place) else counts.get(place, 0)
        for place in range(shown.size)
    ]
    expected, low, high = _expected(told, shown, now)
    urls = _urls(view, row, base, shown, now)
    events = _events(session, view, row, shown)
    gaps = charts.areas([share >= _BLIND for share in blind])
    bars = [
        Bar(shown.start + place * shown.step, *values)
        for place, values in enumerate(zip(observed, expected, low, high, urls, strict=True))
    ]
    say = view.say
    data = {
        "type": "spike",
        "labels": [_label(view, bar.at) for bar in bars],
        "urls": urls,
        "observed": observed,
        "expected": expected,
        "low": low,
        "high": high,
        "from": shown.place(row.onset_at),
        "to": shown.place((row.resolved_at or now) - _MICROSECOND),
        "marks": _marks(view, row, shown),
        "gaps": [{"from": a, "to": b, "name": say("수집 안 됨", "not collected")} for a, b in gaps],
        "events": events,
        "names": {
            "observed": _unit(view, row),
            "expected": say("예상", "expected"),
            "band": say("평소 범위", "usual range"),
            "gap": say("수집 안 됨", "not collected"),
        },
        "hint": say("누르면 글을 봅니다", "click to see the mentions"),
    }
    return Drawn(data, bars, [str(one["name"]) for one in events], bool(gaps), is_partial)


def _growth(view: View, told: Mapping[str, Any]) -> Drawn:
    """Of one post its reactions (or views) as they were read."""
    signal = told.get("signal") or {}
    points = [(datetime.fromisoformat(at), value) for at, value in signal.get("timeline") or ()]
    views = signal.get("measure") == "views"
    name = view.say("조회", "views") if views else view.say("반응", "reactions")
    data = {
        "type": "lines",
        "labels": [_label(view, at) for at, _ in points],
        "series": [{"name": name, "values": [value for _, value in points]}],
    }
    bars = [Bar(at, int(value), None, None, None, "") for at, value in points]
    return Drawn(data, bars, (), False, False)


def _label(view: View, at: datetime) -> str:
    local = view.say.local(at)
    return f"{local.month}/{local.day} {local:%H:%M}"


def _unit(view: View, row: SpikeRow) -> str:
    if not is_count(parts_of(row.dimension)[0]):
        return view.say("글", "mentions")
    name = view.series_name(parts_of(row.dimension)[0])
    return {
        By.STORIES: view.say("{s} (같은 글은 한 번)", "{s} (each story once)", s=name),
        By.AUTHORS: view.say("{s} 작성자", "authors of {s}", s=name),
    }.get(By(row.by), name)


def _counts(
    session: Session, row: SpikeRow, frame: Frame, wanted: MentionFilter, now: datetime
) -> dict[int, int]:
    """Mentions (stories, authors) by bar."""
    dimension, _ = parts_of(row.dimension)
    if not is_count(dimension) or dimension.startswith("rule:"):
        return _counted_one_by_one(session, frame, replace(wanted, once=once_of(row)), now)
    step_us = frame.step // _MICROSECOND
    at_us = type_coerce(BucketRow.at, BigInteger)
    place = ((at_us - to_us(frame.start)) // step_us).label("place")
    column = _COLUMNS[By(row.by)]
    rows = session.execute(
        select(place, func.sum(column))
        .where(
            BucketRow.brand_id == row.brand_id,
            BucketRow.dimension == dimension,
            BucketRow.step_s <= int(frame.step.total_seconds()),
            BucketRow.at >= frame.start,
            BucketRow.at < frame.end,
        )
        .group_by(place)
    )
    return {int(where): int(total) for where, total in rows}


def _counted_one_by_one(
    session: Session, frame: Frame, wanted: MentionFilter, now: datetime
) -> dict[int, int]:
    shape = feed_query.shape(session, names=False)
    around = replace(wanted, since=frame.start, until=min(frame.end, now))
    times = session.connection().execute(
        select(type_coerce(MENTION.event_at, BigInteger))
        .where(*feed_query.conditions(around, shape, session))
        .limit(_MOST)
    )
    found: dict[int, int] = {}
    for (at_us,) in times:
        place = frame.place(from_us(at_us))
        found[place] = found.get(place, 0) + 1
    return found


def _blind(
    session: Session, row: SpikeRow, frame: Frame, now: datetime
) -> tuple[list[float], bool]:
    """Of each bar the share of its time that was not collected, and whether some sources were
    missing at another time. The latest minutes are still on their way: that is no gap.
    """
    watches = coverage.of_source(
        session,
        row.brand_id,
        coverage.of_brand(session, row.brand_id, frame.start, now=now),
        (row.scope or filter_of(row.dimension)).get("source"),
    )
    series = build_series({}, watches, start=frame.start, end=frame.end, now=now)
    while series and not series[-1].final and series[-1].bucket.coverage is Coverage.UNKNOWN:
        series.pop()
    missing = [0] * frame.size
    known = [0] * frame.size
    for item in series:
        place = frame.place(item.bucket.at)
        known[place] += 1
        missing[place] += item.bucket.coverage is Coverage.UNKNOWN
    partial = any(one.final and one.bucket.coverage is Coverage.PARTIAL for one in series)
    return [gone / of if of else 0.0 for gone, of in zip(missing, known, strict=True)], partial


_Values = list[float | None]


def _expected(
    told: Mapping[str, Any], frame: Frame, now: datetime
) -> tuple[_Values, _Values, _Values]:
    """The line and its band; of a bar that has not ended, the part of it that has passed."""
    line = Line.from_json(told["line"]) if told.get("line") else None
    nothing: _Values = [None] * frame.size
    if line is None or (line.frame.start, line.frame.step) != (frame.start, frame.step):
        return nothing, list(nothing), list(nothing)
    found: list[_Values] = []
    passed = min(1.0, (now - (frame.end - frame.step)) / frame.step)
    for values in (line.expected, line.low, line.high):
        cut: _Values = [round(value, 2) for value in values[: frame.size]]
        cut += [None] * (frame.size - len(cut))
        last = cut[-1]
        if last is not None and passed < 1.0:
            cut[-1] = round(last * passed, 2)
        found.append(cut)
    return found[0], found[1], found[2]


def _urls(
    view: View, row: SpikeRow, base: Mapping[str, str], frame: Frame, now: datetime
) -> list[str]:
    """The mentions of each bar."""
    edges = [frame.start + place * frame.step for place in range(frame.size + 1)]
    query = {**base, "once": once_of(row), "copies": "all"}
    return [
        href("/mentions", **(query | {"since": view.say.iso(a), "until": view.say.iso(b)}))
        for a, b in pairwise(edges)
    ]


def _marks(view: View, row: SpikeRow, frame: Frame) -> list[dict[str, Any]]:
    say = view.say
    onset, noticed = frame.place(row.onset_at), frame.place(row.opened_at)
    marks: list[dict[str, Any]] = [{"at": onset, "name": say("시작", "onset")}]
    if noticed > onset + 1:
        marks.append({"at": noticed, "name": say("알아챔", "noticed")})
    if row.resolved_at:
        marks.append({"at": frame.place(row.resolved_at), "name": say("해소", "resolved")})
    return marks


def _events(session: Session, view: View, row: SpikeRow, frame: Frame) -> list[dict[str, Any]]:
    """Holidays and planned events, as stretches of bars."""
    found = [
        {
            "from": frame.place(max(event.from_at, frame.start)),
            "to": frame.place(min(event.to_at - _MICROSECOND, frame.end)),
            "name": event.name,
        }
        for event in planned.of_brand(session, row.brand_id, frame.start, frame.end)
    ]
    known = _holidays(view.services.settings.holidays, view.language)
    days: dict[str, list[int]] = {}
    for place in range(frame.size):
        day = view.say.local(frame.start + place * frame.step).date()
        name = known.get(day)
        if name:
            days.setdefault(name, []).append(place)
    found += [{"from": at[0], "to": at[-1], "name": name} for name, at in days.items()]
    return found


@lru_cache(maxsize=4)
def _holidays(country: str, language: str) -> Mapping[Any, str]:
    return holidays_of(country, language=language) if country else {}
