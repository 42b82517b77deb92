"""Series for charts: counts and coverage brought together, for the API and the dashboard alike."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from api.deps import By, Wiring
from listener.detect.series import build_series, floor_to_step
from listener.errors import InvalidInput
from listener.store import coverage as coverages
from listener.store import stats
from listener.store.base import to_us
from listener.store.buckets import STEP, start_of
from listener.store.stats import Total
from listener.types import Coverage

STEPS = {"5m": timedelta(minutes=5), "1h": timedelta(hours=1), "1d": timedelta(days=1)}
MOST_POINTS = 2_500
_DAY = timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Points in time, and for each dimension the counts at these points.

    ``counts[dimension][n]`` belongs to ``at[n]``; None = not collected, which is not zero.
    """

    at: Sequence[datetime]
    coverage: Sequence[Coverage]
    counts: dict[str, list[int | None]]


def load(
    session: Session,
    brand_id: int,
    dimensions: Sequence[str],
    since: datetime,
    until: datetime,
    *,
    step: str,
    tz: ZoneInfo,
    now: datetime,
) -> Series:
    """The series of [since, until), from the start of the step that holds ``since`` up to now.

    ``step`` is one of STEPS; days are those of ``tz``. Raises InvalidInput for more than 2,500
    points.
    """
    length = STEPS[step]
    since, until = since.astimezone(UTC), min(until, now).astimezone(UTC)
    if (until - since) / length > MOST_POINTS:
        raise InvalidInput(
            f"That is more than {MOST_POINTS:,} points.",
            field="step",
            hint="Take a longer step, or a shorter time.",
        )
    if length == _DAY:
        return _days(session, brand_id, dimensions, since, until, tz, now)
    since = floor_to_step(since, length)
    return _steps(session, brand_id, dimensions, since, until, length, now)


def distinct(
    session: Session,
    brand_id: int,
    series: Series,
    until: datetime,
    by: By,
    wiring: Wiring,
) -> Series:
    """The same points up to ``until``, with stories or authors counted, each once a point."""
    if not series.at:
        return series
    starts = [to_us(at) for at in series.at]
    told = wiring.count_distinct(
        session,
        brand_id,
        series.at[0],
        until,
        by=by,
        places=lambda at_us: bisect_right(starts, at_us) - 1,
        wanted=series.counts,
    )
    return replace(
        series,
        counts={
            dimension: [
                None if count is None else told[dimension].get(place, 0)
                for place, count in enumerate(counts)
            ]
            for dimension, counts in series.counts.items()
        },
    )


def distinct_totals(
    session: Session,
    totals: Sequence[Total],
    since: datetime,
    until: datetime,
    by: By,
    wiring: Wiring,
) -> list[Total]:
    """The same brands with stories or authors counted, each once; the most talked of first."""
    # Whole buckets, as the totals have them.
    since, until = (start_of(at + STEP - _MICROSECOND) for at in (since, until))
    found = []
    for total in totals:
        wanted = ("all", "complaint", *total.labels)
        told = wiring.count_distinct(
            session, total.brand_id, since, until, by=by, places=lambda _: 0, wanted=wanted
        )
        numbers = {dimension: told[dimension].get(0, 0) for dimension in wanted}
        found.append(
            replace(
                total,
                mentions=numbers["all"],
                complaints=numbers["complaint"],
                labels={label: numbers[label] for label in total.labels},
            )
        )
    of_all = sum(total.mentions for total in found)
    shared = (replace(one, share=one.mentions / of_all if of_all else None) for one in found)
    return sorted(shared, key=lambda total: (-total.mentions, total.name))


def _steps(
    session: Session,
    brand_id: int,
    dimensions: Sequence[str],
    since: datetime,
    until: datetime,
    step: timedelta,
    now: datetime,
) -> Series:
    counted = stats.counts(session, brand_id, dimensions, since, until, step=step)
    frame = build_series(
        {},
        coverages.of_brand(session, brand_id, since, now=now),
        start=since,
        end=until,
        now=now,
        step=step,
    )
    at = [item.bucket.at for item in frame]
    # Where something was found something was collected, whatever the watches say: an import, say.
    found = {start for starts in counted.values() for start in starts}
    coverage = [
        Coverage.PARTIAL
        if item.bucket.coverage is Coverage.UNKNOWN and item.bucket.at in found
        else item.bucket.coverage
        for item in frame
    ]
    return Series(
        at=at,
        coverage=coverage,
        counts={
            dimension: [
                None if covered is Coverage.UNKNOWN else starts.get(start, 0)
                for start, covered in zip(at, coverage, strict=True)
            ]
            for dimension, starts in counted.items()
        },
    )


def _days(
    session: Session,
    brand_id: int,
    dimensions: Sequence[str],
    since: datetime,
    until: datetime,
    tz: ZoneInfo,
    now: datetime,
) -> Series:
    """Days of the time zone, out of hours (of quarters, where a zone is not whole hours off)."""
    first = _midnight(since, tz)
    whole_hours = all(
        (at.astimezone(tz).utcoffset() or timedelta()) % timedelta(hours=1) == timedelta()
        for at in (first, until)
    )
    step = timedelta(hours=1) if whole_hours else timedelta(minutes=15)
    fine = _steps(session, brand_id, dimensions, first, until, step, now)
    starts: list[datetime] = []
    days: list[list[int]] = []
    for place, at in enumerate(fine.at):
        if not starts or at >= _midnight_after(starts[-1], tz):
            starts.append(_midnight(at, tz))
            days.append([])
        days[-1].append(place)
    return Series(
        at=starts,
        coverage=[_together([fine.coverage[n] for n in places]) for places in days],
        counts={
            dimension: [_sum([values[n] for n in places]) for places in days]
            for dimension, values in fine.counts.items()
        },
    )


def _together(parts: Sequence[Coverage]) -> Coverage:
    kinds = set(parts)
    return kinds.pop() if len(kinds) == 1 else Coverage.PARTIAL


def _sum(parts: Sequence[int | None]) -> int | None:
    known = [part for part in parts if part is not None]
    return sum(known) if known else None


def _midnight(at: datetime, tz: ZoneInfo) -> datetime:
    local = at.astimezone(tz)
    return datetime.combine(local.date(), time(), tz).astimezone(UTC)


def _midnight_after(midnight: datetime, tz: ZoneInfo) -> datetime:
    local = midnight.astimezone(tz)
    return datetime.combine(local.date() + _DAY, time(), tz).astimezone(UTC)
