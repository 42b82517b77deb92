"""Charts as data: what the browser's chart library draws, and small pictures drawn here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 120.0, 32.0
_MARGIN = 2.5


@dataclass(frozen=True, slots=True)
class Spark:
    """A sparkline: SVG paths of line and area, and the last point."""

    line: str
    area: str
    x: float
    y: float


def sparkline(values: Sequence[float | None], *, floor: float | None = 0.0) -> Spark | None:
    """The values as a line of 120 x 32; None where nothing is known, which leaves a hole.

    ``floor`` is the lowest value of the axis (None = that of the values).
    """
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return None
    low = min(known) if floor is None else min(floor, *known)
    high = max(known)
    size = (high - low) or 1.0
    step = (WIDTH - 2 * _MARGIN) / (len(values) - 1)
    points = [
        None
        if value is None
        else (
            round(_MARGIN + place * step, 1),
            round(HEIGHT - _MARGIN - (value - low) / size * (HEIGHT - 2 * _MARGIN), 1),
        )
        for place, value in enumerate(values)
    ]
    line, area = [], []
    for run in _runs(points):
        path = " ".join(f"{x},{y}" for x, y in run)
        line.append(f"M{path}")
        area.append(f"M{run[0][0]},{HEIGHT} L{path} L{run[-1][0]},{HEIGHT} Z")
    last = next(point for point in reversed(points) if point is not None)
    return Spark(" ".join(line), " ".join(area), *last)


def _runs(points: Iterable[tuple[float, float] | None]) -> list[list[tuple[float, float]]]:
    runs: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if point is None:
            runs.append([])
        else:
            runs[-1].append(point)
    return [run for run in runs if run]


def areas(flags: Sequence[bool]) -> list[tuple[int, int]]:
    """The stretches of bars that are flagged, as (first, last)."""
    found: list[tuple[int, int]] = []
    for place, flag in enumerate(flags):
        if not flag:
            continue
        if found and found[-1][1] == place - 1:
            found[-1] = (found[-1][0], place)
        else:
            found.append((place, place))
    return found


@dataclass(frozen=True, slots=True)
class Change:
    """A number beside the one of the period before; ``tone`` is good, bad or flat."""

    text: str
    tone: str


def change(now: float | None, before: float | None, *, better: int, points: bool = False) -> Change:
    """How a number changed: in percent, or in points of a share.

    ``better`` is 1 where more is better, -1 where less is, 0 where neither is.
    """
    if now is None or before is None or (not points and before == 0):
        return Change("", "flat")
    moved = (now - before) * 100 if points else (now - before) / abs(before) * 100
    if abs(moved) < 0.5:
        return Change("±0", "flat")
    sign = "▲" if moved > 0 else "▼"
    tone = "flat" if better == 0 else "good" if (moved > 0) == (better > 0) else "bad"
    unit = "%p" if points else "%"
    return Change(f"{sign} {abs(moved):,.0f}{unit}", tone)
