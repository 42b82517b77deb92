"""The chart in a message: what was seen against what was expected, to be read on a phone. Pure.

A PNG of 1080 x 760 points. On a phone 360 points wide it is shown at a third, so that nothing in it
is smaller than 30 points. Words are Korean where a font with Hangul is installed, else English.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from PIL import Image, ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Point = tuple[float, float]

WIDTH, HEIGHT = 1080, 760
_LEFT, _RIGHT, _TOP, _BOTTOM = 96, 1044, 190, 668
_SMALL, _LARGE = 30, 44
BARS = 72  # at most: thinner ones cannot be told apart on a phone
_ROUND = tuple(
    timedelta(minutes=minutes) for minutes in (15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080)
)

# Colours that differ in lightness too: bars of the spike are the darkest.
_PAPER = "#ffffff"
_INK = "#1c2430"
_SOFT = "#5c6775"
_GRID = "#e3e7ec"
_USUAL = "#9fb3c8"  # bars before the onset
_SPIKE = "#c2271d"
_BAND = "#dbe7f3"
_EXPECTED = "#2f6690"
_GAP = "#b9c0c9"

# Where fonts with Hangul usually lie, the nicest first; a name alone is looked up by the system.
_HANGUL = (
    "/usr/share/fonts/truetype/nanum/NanumSquareR.ttf",
    "/usr/share/fonts/truetype/nanum/NanumGothic.ttf",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
    "/System/Library/Fonts/AppleSDGothicNeo.ttc",
    "C:/Windows/Fonts/malgun.ttf",
)


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of time. ``count`` None = not collected; ``low`` to ``high`` is the usual range."""

    at: datetime
    count: int | None
    expected: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What is drawn: bars of equal length, in order. ``noticed_at`` None = not marked."""

    bars: tuple[Bar, ...]
    step: timedelta
    onset_at: datetime
    noticed_at: datetime | None = None


def draw(curve: Curve, *, title: str, english: str, language: str, tz: ZoneInfo) -> bytes | None:
    """The chart as PNG; None where there is nothing to draw.

    ``title`` stands on top; ``english`` is for installs without a font that has Hangul.
    """
    if not curve.bars:
        return None
    hangul = _has_hangul()
    korean = language == "ko" and hangul
    heading = title if hangul else english
    if not hangul and not heading.isascii():
        heading = heading.encode("ascii", "replace").decode()
    return _Canvas(curve, tz, korean=korean).paint(heading)


class _Canvas:
    """One picture while it is being drawn."""

    def __init__(self, curve: Curve, tz: ZoneInfo, *, korean: bool) -> None:
        self._curve = curve
        self._bars = curve.bars
        self._tz = tz
        self._korean = korean
        self._top = _nice(
            max(max((b.count or 0, b.high, b.expected, 1.0)) for b in curve.bars) * 1.02
        )
        self._image = Image.new("RGB", (WIDTH, HEIGHT), _PAPER)
        self._draw = ImageDraw.Draw(self._image)
        self._small, self._large = _font(_SMALL), _font(_LARGE)

    def _say(self, ko: str, en: str) -> str:
        return ko if self._korean else en

    def paint(self, heading: str) -> bytes:
        self._heading(heading)
        self._legend()
        self._axis()
        self._band()
        self._gaps()
        self._counts()
        self._expected()
        self._marks()
        self._times()
        out = io.BytesIO()
        self._image.quantize(64).save(out, "PNG", optimize=True)
        return out.getvalue()

    # --- places ----------------------------------------------------------------------------------

    def _x(self, place: float) -> float:
        """The left edge of the bar at that place."""
        return _LEFT + (_RIGHT - _LEFT) * place / len(self._bars)

    def _y(self, value: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * min(value, self._top) / self._top

    def _place(self, at: datetime) -> float:
        place = (at - self._bars[0].at) / self._curve.step
        return min(max(place, 0.0), float(len(self._bars)))

    # --- layers ----------------------------------------------------------------------------------

    def _heading(self, text: str) -> None:
        while text and self._draw.textlength(text, self._large) > WIDTH - 2 * 36:
            text = text[:-2].rstrip() + "…" if self._korean or _has_hangul() else text[:-1]
        self._draw.text((36, 30), text, _INK, self._large)

    def _legend(self) -> None:
        x, y = 36.0, 112
        for fill, label in (
            (_SPIKE, self._say("급증", "spike")),
            (_USUAL, self._say("그 전", "before")),
            (_EXPECTED, self._say("예상", "expected")),
            (_BAND, self._say("평소 범위", "usual range")),
        ):
            thin = fill == _EXPECTED
            self._draw.rectangle(
                (x, y + (14 if thin else 4), x + 34, y + (20 if thin else 32)), fill
            )
            x += 46
            self._draw.text((x, y), label, _SOFT, self._small)
            x += self._draw.textlength(label, self._small) + 34
        if any(bar.count is None for bar in self._bars):
            self._hatch(x, y + 4, x + 34, y + 32)
            label = self._say("수집 안 됨", "not collected")
            self._draw.text((x + 46, y), label, _SOFT, self._small)

    def _axis(self) -> None:
        for value in _ticks(self._top):
            y = self._y(value)
            self._draw.line((_LEFT, y, _RIGHT, y), _GRID, 2)
            label = f"{value:,.0f}"
            width = self._draw.textlength(label, self._small)
            self._draw.text((_LEFT - 14 - width, y - 18), label, _SOFT, self._small)

    def _band(self) -> None:
        upper = list(self._steps(bar.high for bar in self._bars))
        lower = list(self._steps(bar.low for bar in self._bars))
        self._draw.polygon([*upper, *reversed(lower)], _BAND)

    def _steps(self, values: Iterable[float]) -> Iterator[Point]:
        for place, value in enumerate(values):
            yield self._x(place), self._y(value)
            yield self._x(place + 1), self._y(value)

    def _gaps(self) -> None:
        for place, bar in enumerate(self._bars):
            if bar.count is None:
                self._hatch(self._x(place), _TOP, self._x(place + 1), _BOTTOM)

    def _hatch(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """Diagonal lines in a box, in one raster for all boxes, so that neighbours join."""
        self._draw.rectangle((x0, y0, x1, y1), "#f4f5f7")
        for c in range(int((x0 + y0) // 14) * 14, int(x1 + y1), 14):  # lines x + y = c
            start, end = max(x0, c - y1), min(x1, c - y0)
            if start < end:
                self._draw.line((start, c - start, end, c - end), _GAP, 2)

    def _counts(self) -> None:
        gap = 1.0 if len(self._bars) > 40 else 2.0
        since = self._place(self._curve.onset_at)
        for place, bar in enumerate(self._bars):
            if not bar.count:
                continue
            fill = _SPIKE if place + 1 > since + 1e-9 else _USUAL
            self._draw.rectangle(
                (self._x(place) + gap, self._y(bar.count), self._x(place + 1) - gap, _BOTTOM), fill
            )

    def _expected(self) -> None:
        self._draw.line(list(self._steps(b.expected for b in self._bars)), _EXPECTED, 6)
        self._draw.line((_LEFT, _BOTTOM, _RIGHT, _BOTTOM), _SOFT, 3)

    def _marks(self) -> None:
        onset = self._x(self._place(self._curve.onset_at))
        self._mark(onset, self._say("시작 ", "since ") + self._clock(self._curve.onset_at), row=0)

    def _mark(self, x: float, label: str, *, row: int) -> None:
        y = _TOP - 40 + 36 * row
        for dash in range(int(y) + 36, _BOTTOM, 16):
            self._draw.line((x, dash, x, min(dash + 9, _BOTTOM)), _INK, 3)
        width = self._draw.textlength(label, self._small)
        left = min(max(x - width / 2, 36), WIDTH - 36 - width)
        self._draw.text((left, y), label, _INK, self._small)

    def _times(self) -> None:
        """Round local times under the axis, as many as have room."""
        width = self._draw.textlength("00/00 00:00", self._small) + 24
        room = max(1, int((_RIGHT - _LEFT) / width))
        span = self._curve.step * len(self._bars)
        every = next((every for every in _ROUND if span / every <= room), _ROUND[-1])
        end, last = 0.0, None
        for place, bar in enumerate(self._bars):
            at = bar.at.astimezone(self._tz)
            midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
            if (at - midnight) % min(every, timedelta(days=1)):
                continue
            label = f"{at:%H:%M}" if last == at.date() else f"{at.month}/{at.day} {at:%H:%M}"
            x = self._x(place)
            left = max(x - 34, 36)
            if left < end or left + self._draw.textlength(label, self._small) > WIDTH - 8:
                continue
            self._draw.line((x, _BOTTOM, x, _BOTTOM + 10), _SOFT, 3)
            self._draw.text((left, _BOTTOM + 18), label, _SOFT, self._small)
            end, last = left + self._draw.textlength(label, self._small) + 24, at.date()

    def _clock(self, at: datetime) -> str:
        return at.astimezone(self._tz).strftime("%H:%M")


def _nice(value: float) -> float:
    """The next round number, at least 4: it is cut into four or five whole parts."""
    value = max(value, 4.0)
    power = 10.0 ** math.floor(math.log10(value))
    return next(
        power * step for step in (1, 1.2, 1.6, 2, 2.5, 3, 4, 5, 6, 8, 10) if power * step >= value
    )


def _ticks(top: float) -> list[float]:
    parts = next((parts for parts in (5, 4, 3) if top / parts == int(top / parts)), 2)
    return [top * part / parts for part in range(parts + 1)]


@cache
def _has_hangul() -> bool:
    return _hangul_path() is not None


@cache
def _hangul_path() -> str | None:
    for path in _HANGUL:
        if Path(path).is_file():
            return path
    return None


@cache
def _font(size: int) -> Font:
    path = _hangul_path()
    return ImageFont.truetype(path, size) if path else ImageFont.load_default(size)
