"""Watches as people see them: health, the hours they covered, what they bring, what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, func, select, type_coerce
from sqlalchemy.orm import Session

from api.dashboard import charts, names
from api.dashboard.names import Pair
from listener.collect.health import (
    MANY,
    SEVERITY,
    Case,
    Health,
    State,
    Trouble,
    facts_of,
    group,
    place_of,
)
from listener.collect.health import health as health_now
from listener.store import backfills, brands, coverage, gaps, notices, ratings
from listener.store.ratings import Rated
from listener.store.tables import BackfillRow, GapRow, MentionWatchRow, RunRow, WatchRow

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
_LEAST_DELAY = timedelta(minutes=15)
_BUNDLE = 4  # watches that fail for one cause are shown as one from here on


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of hours of one state: yes, part, no (not collected) or none (not watched yet)."""

    state: str
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class DayBar:
    """What a day brought; ``count`` None = nothing is known of it."""

    start: datetime
    count: int | None
    missing: bool  # in part at least
    height: float  # of the highest, 0..1


@dataclass(frozen=True, slots=True)
class Hole:
    """A gap and what becomes of it. ``progress`` is in 0..1 while it is being filled."""

    row: GapRow
    tone: str
    state: Pair
    detail: Pair = ("", "")
    progress: float | None = None


@dataclass(frozen=True, slots=True)
class Watched:
    """A watch as people see it."""

    row: WatchRow
    brand: str | None
    health: Health
    running: bool
    last: RunRow | None
    holes: Sequence[Hole]
    strip: Sequence[Piece]
    hours: int
    bars: Sequence[DayBar]
    mentions: int
    history: float | None  # how far the past is back-filled, None = it is not going on

    @property
    def spark(self) -> charts.Spark | None:
        """New items a day as a line with holes."""
        return charts.sparkline([bar.count for bar in self.bars])

    def count(self, state: str) -> int:
        """How many hours were so."""
        return sum(piece.length for piece in self.strip if piece.state == state)


def watched(
    session: Session,
    rows: Sequence[WatchRow],
    now: datetime,
    tz: ZoneInfo,
    *,
    days: int,
    history: timedelta,
) -> list[Watched]:
    """The watches with what belongs to them, in one query each."""
    ids = [row.id for row in rows]
    by_brand = {brand.id: brand.name for brand in brands.listing(session, archived=True)}
    newest = select(func.max(RunRow.id)).where(RunRow.watch_id.in_(ids)).group_by(RunRow.watch_id)
    last = {
        run.watch_id: run for run in session.scalars(select(RunRow).where(RunRow.id.in_(newest)))
    }
    start = _midnight(now, tz) - (days - 1) * DAY
    filling = backfills.listing(session, watch_ids=ids, open_only=False)
    by_gap = {one.gap_id: one for one in filling if one.gap_id is not None}
    holes: dict[int, list[Hole]] = {}
    for gap in gaps.listing(session, watch_ids=ids, since=start, filled=True):
        hole = hole_of(gap, by_gap.get(gap.id), history)
        holes.setdefault(gap.watch_id, []).append(hole)
    past = {
        one.watch_id: backfills.progress(one, history=history)
        for one in filling
        if one.gap_id is None and one.finished_at is None
    }
    covered = coverage.intervals(session, ids, start, now)
    brought = _brought(session, ids, start, now)
    counted = _mentions(session, ids)
    found = []
    for row in rows:
        states = _hours(row, covered.get(row.id, []), start, now)
        found.append(
            Watched(
                row=row,
                brand=by_brand.get(row.brand_id) if row.brand_id else None,
                health=health_now(facts_of(row), now),
                running=row.claim_until is not None and row.claim_until > now,
                last=last.get(row.id),
                holes=holes.get(row.id, []),
                strip=_pieces(states),
                hours=len(states),
                bars=_bars(states, brought.get(row.id, {}), start, days),
                mentions=counted.get(row.id, 0),
                history=past.get(row.id),
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class BrandGroup:
    """The watches of a brand: those that fail together in bundles, and the rest one by one."""

    brand: str | None
    bundles: Sequence[Sequence[Watched]]
    singles: Sequence[Watched]
    size: int


def worst_first(found: Sequence[Watched], troubles: Sequence[Trouble]) -> list[BrandGroup]:
    """By brand, the brand with the worst watch first, and in it the worst watch."""
    cause = {
        case.watch_id: trouble.key
        for trouble in troubles
        if len(trouble.cases) >= _BUNDLE
        for case in trouble.cases
    }
    by_brand: dict[str | None, list[Watched]] = {}
    for one in sorted(found, key=_badness):
        by_brand.setdefault(one.brand, []).append(one)
    groups = []
    for brand, those in by_brand.items():
        bundles: dict[str, list[Watched]] = {}
        for one in those:
            if one.row.id in cause:
                bundles.setdefault(cause[one.row.id], []).append(one)
        singles = [one for one in those if one.row.id not in cause]
        groups.append(BrandGroup(brand, list(bundles.values()), singles, len(those)))
    return groups


def _badness(one: Watched) -> tuple[int, int, int]:
    tones = {"bad": 0, "warn": 1, "wait": 2, "good": 3, "idle": 4}
    return tones[one.health.tone], SEVERITY[one.health.state], one.row.id


def troubles(session: Session, rows: Sequence[WatchRow], now: datetime) -> list[Trouble]:
    """What is wrong with these watches, one cause told once; passing troubles are left out."""
    accounts = notices.accounts(session, rows)
    cases = []
    for row in rows:
        told = health_now(facts_of(row), now)
        connection, base_url = accounts.get(row.id, ("", None))
        place = place_of(connection, base_url, row.params)
        cases.append(
            Case(
                watch_id=row.id,
                source=row.source,
                place=place,
                health=told,
                failures=row.failures,
            )
        )
    return [trouble for trouble in group(cases) if not _is_passing(trouble)]


def _is_passing(trouble: Trouble) -> bool:
    """Whether there is nothing to do yet: a failure or two, which is retried."""
    return trouble.state is State.FAILING and trouble.lead.failures < MANY


def hole_of(gap: GapRow, filling: BackfillRow | None, history: timedelta) -> Hole:
    """What becomes of a gap, in words."""
    if gap.filled_at is not None:
        return Hole(gap, "good", ("나중에 채움", "Filled later"))
    if filling is not None and filling.finished_at is None:
        return Hole(
            gap,
            "wait",
            ("채우는 중", "Being filled"),
            progress=backfills.progress(filling, history=history),
        )
    if gap.to_at is None:
        return Hole(
            gap,
            "warn",
            ("계속되는 중", "Going on"),
            (
                "다시 수집되면 원본이 보여 주는 만큼 채웁니다.",
                "Once it is collected again, what the source still shows is filled in.",
            ),
        )
    why = names.UNFILLED.get(gap.why, names.UNFILLED["outage"])
    if filling is not None and filling.error:
        why = (f"{why[0]} ({filling.error})", f"{why[1]} ({filling.error})")
    return Hole(gap, "warn", ("빠져 있음", "Missing"), why)


# --- ratings -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RatedLine:
    """A subject's averages as a line, and where it stands."""

    rated: Rated
    spark: charts.Spark | None
    moved: float | None  # since the first of the time shown


def rated_lines(
    session: Session,
    *,
    since: datetime,
    until: datetime,
    watch_id: int | None = None,
    brand_id: int | None = None,
) -> list[RatedLine]:
    """The averages of a watch or brand over a time."""
    found = ratings.listing(session, since=since, until=until, watch_id=watch_id, brand_id=brand_id)
    lines = []
    for rated in found:
        values = [point.average for point in rated.points]
        spark = charts.sparkline(values, floor=None)
        moved = values[-1] - values[0] if len(values) > 1 else None
        lines.append(RatedLine(rated, spark, moved))
    return lines


# --- numbers -------------------------------------------------------------------------------------


def _midnight(now: datetime, tz: ZoneInfo) -> datetime:
    """The beginning of today, as a moment whose hours are those of the wall clock."""
    local = now.astimezone(tz).replace(hour=0, minute=0, second=0, microsecond=0)
    return local.astimezone(now.tzinfo)


def _hours(
    row: WatchRow, pieces: Sequence[tuple[datetime, datetime]], start: datetime, now: datetime
) -> list[str]:
    """Each hour from ``start``: yes, part, no (not collected) or none (not watched yet)."""
    # The latest stretch is on its way: the next run brings it.
    known = max(start, now - max(2 * timedelta(seconds=row.every_s), _LEAST_DELAY))
    states: list[str] = []
    at = 0
    begin = start
    while begin < known:
        end = min(begin + HOUR, known)
        while at < len(pieces) and pieces[at][1] <= begin:
            at += 1
        seconds, place = 0.0, at
        while place < len(pieces) and pieces[place][0] < end:
            first, last = pieces[place]
            seconds += max((min(last, end) - max(first, begin)).total_seconds(), 0.0)
            place += 1
        if seconds >= (end - begin).total_seconds() - 1:
            states.append("yes")
        elif seconds > 0:
            states.append("part")
        else:
            states.append("none" if end <= row.created_at or row.covered_to is None else "no")
        begin += HOUR
    return states


def _pieces(states: Sequence[str]) -> list[Piece]:
    pieces, start = [], 0
    for state, those in groupby(states):
        length = len(list(those))
        pieces.append(Piece(state, start, length))
        start += length
    return pieces


def _brought(
    session: Session, ids: Sequence[int], start: datetime, now: datetime
) -> Mapping[int, Mapping[int, int]]:
    """New items by watch and day from ``start`` on, as its runs told them."""
    origin = int(start.timestamp()) * 1_000_000
    day = (type_coerce(RunRow.started_at, BigInteger) - origin) // 86_400_000_000
    rows = session.execute(
        select(RunRow.watch_id, day, func.sum(RunRow.new))
        .where(RunRow.watch_id.in_(ids), RunRow.started_at >= start, RunRow.started_at < now)
        .group_by(RunRow.watch_id, day)
    )
    found: dict[int, dict[int, int]] = {}
    for watch_id, number, new in rows:
        found.setdefault(watch_id, {})[int(number)] = int(new)
    return found


def _bars(
    states: Sequence[str], brought: Mapping[int, int], start: datetime, days: int
) -> list[DayBar]:
    highest = max(brought.values(), default=0) or 1
    bars = []
    for day in range(days):
        hours = states[24 * day : 24 * day + 24]
        known = any(state in ("yes", "part") for state in hours) or day in brought
        count = brought.get(day, 0) if known else None
        missing = any(state in ("no", "part") for state in hours)
        bars.append(DayBar(start + day * DAY, count, missing, (count or 0) / highest))
    return bars


def _mentions(session: Session, ids: Sequence[int]) -> Mapping[int, int]:
    rows = session.execute(
        select(MentionWatchRow.watch_id, func.count())
        .where(MentionWatchRow.watch_id.in_(ids))
        .group_by(MentionWatchRow.watch_id)
    )
    return {watch_id: count for watch_id, count in rows}
