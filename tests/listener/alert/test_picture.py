"""The picture: what is drawn where, and that it is small."""

from __future__ import annotations

import io
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from PIL import Image

from builders import NOW
from listener.alert import picture
from listener.alert.picture import HEIGHT, WIDTH, Bar, Curve, draw

SEOUL = ZoneInfo("Asia/Seoul")
STEP = timedelta(minutes=15)
RED, BLUE, BAND = (0xC2, 0x27, 0x1D), (0x9F, 0xB3, 0xC8), (0xDB, 0xE7, 0xF3)


def _curve(counts: list[int | None], onset: int) -> Curve:
    bars = tuple(Bar(NOW + n * STEP, count, 2.0, 0.0, 6.0) for n, count in enumerate(counts))
    return Curve(bars=bars, step=STEP, onset_at=NOW + onset * STEP)


def _image(curve: Curve, **fields: str) -> Image.Image:
    png = draw(
        curve,
        title=fields.get("title", "하늘상회 배송 불만 18건"),
        english="18 complaints about delivery",
        language="ko",
        tz=SEOUL,
    )
    assert png is not None
    assert len(png) < 60_000
    return Image.open(io.BytesIO(png)).convert("RGB")


def _near(colour: tuple[int, ...], wanted: tuple[int, int, int]) -> bool:
    return all(abs(one - other) < 12 for one, other in zip(colour, wanted, strict=True))


def _at(image: Image.Image, place: float, count: int, value: float) -> tuple[int, ...]:
    """The colour in the middle of a bar at a value of a scale that ends at 20."""
    x = 96 + (1044 - 96) * (place + 0.5) / count
    y = 668 - (668 - 190) * value / 20
    found = image.getpixel((int(x), int(y)))
    assert isinstance(found, tuple)
    return found


def test_bars_before_the_onset_differ_from_the_spike() -> None:
    image = _image(_curve([2, 3, 1, 2, 9, 18], onset=4))
    assert image.size == (WIDTH, HEIGHT)
    assert _near(_at(image, 1, 6, 1.0), BLUE)
    assert _near(_at(image, 5, 6, 15), RED)
    assert _near(_at(image, 4, 6, 7), RED)
    assert _near(_at(image, 2, 6, 5), BAND)  # the usual range above a small bar
    assert _near(_at(image, 1, 6, 15), (255, 255, 255))


def test_a_gap_is_hatched_and_not_empty() -> None:
    image = _image(_curve([2, None, 2, 18], onset=3))
    column = {image.getpixel((96 + int(948 * 1.5 / 4), y)) for y in range(220, 420)}
    lines = [c for c in column if isinstance(c, tuple) and max(c) < 0xE0]
    assert lines, "there are no diagonals"
    other = {image.getpixel((96 + int(948 * 0.5 / 4), y)) for y in range(220, 230)}
    assert all(_near(c, (255, 255, 255)) for c in other if isinstance(c, tuple))


def test_nothing_is_drawn_of_nothing() -> None:
    empty = Curve(bars=(), step=STEP, onset_at=NOW)
    assert draw(empty, title="x", english="x", language="ko", tz=SEOUL) is None


def test_without_a_font_for_hangul_it_speaks_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "_HANGUL", ())
    caches = (picture._hangul_path, picture._has_hangul, picture._font)
    for cached in caches:
        cached.cache_clear()
    try:
        image = _image(_curve([2, 3, 18], onset=2))
        assert image.size == (WIDTH, HEIGHT)
        assert len({image.getpixel((x, 60)) for x in range(36, 400)}) > 1  # a heading is there
    finally:
        for cached in caches:
            cached.cache_clear()
