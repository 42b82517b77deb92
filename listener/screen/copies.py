"""Tells copies of one text: sketches that find candidates, and the comparison that decides."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

SHINGLE: Final = 5  # characters
BANDS: Final = 12
ROWS: Final = 4  # permutations a band: texts alike to 70 % share one in 96 of 100 cases
HEAD: Final = 160  # characters: articles are cut, so that their beginning has bands of its own
HEAD_BANDS: Final = 4

# Below this two texts are alike because there is little to say ("배송이 늦어요"), not as copies.
SHORTEST: Final = 25.0  # Hangul syllables and ideographs; other letters count as 0.4
HEADLINE: Final = 18.0  # shorter titles ("배송 아직도 안 왔습니다") occur to several people
NEAR: Final = 0.6  # Jaccard similarity of shingles
CONTAINED: Final = 0.8  # share of the shorter one's shingles that the longer one has
_LONG_ENOUGH: Final = 30  # shingles, for a text to be told as a part of another

_NOT_TEXT: Final = re.compile(r"https?://\S+|www\.\S+|^\s*rt\s+@\w+:?|@[\w.]+|[\W_]+")
_WIDE: Final = re.compile("[\u1100-\U0010ffff]+")
_READ: Final = 4000  # letters
_GOLDEN: Final = 0x9E3779B97F4A7C15
_MULTIPLIER: Final = np.uint64(0x100000001B3)


class CopyKind(StrEnum):
    """In what way two texts are copies."""

    EXACT = "exact"  # the same but for spaces, signs, addresses and handles
    NEAR = "near"  # most of it is the same, or one is a part of the other
    SYNDICATED = "syndicated"  # articles under one headline


@dataclass(frozen=True, slots=True)
class Text:
    """A text as copies are told by: letters and digits only, in lower case."""

    title: str
    body: str
    is_article: bool

    @property
    def whole(self) -> str:
        """Title and body as one."""
        return self.title + self.body


def reduce(title: str | None, text: str, *, is_article: bool = False) -> Text:
    """What is left of title and text without spaces, signs, addresses and handles."""
    return Text(_letters(title or ""), _letters(text), is_article)


def bands(text: Text) -> list[int]:
    """Signed 64-bit keys; texts that share one may be copies. Empty for texts too short to tell.

    MinHash over character shingles (Broder 1997), cut into bands (Leskovec, Rajaraman & Ullman,
    Mining of Massive Datasets, 3.4).
    """
    if weight(text.whole) < SHORTEST:
        return []
    found = _banded(_shingles(text.whole[:_READ]), BANDS, first=0)
    found += _banded(_shingles(text.body[:HEAD] or text.title), HEAD_BANDS, first=BANDS)
    if text.is_article and weight(text.title) >= HEADLINE:
        found += _banded(_shingles(text.title), 1, first=BANDS + HEAD_BANDS)
    return list(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Shingled:
    """A text with the hashes of its shingles, for many comparisons."""

    text: Text
    shingles: frozenset[int]


def shingled(text: Text) -> Shingled:
    """The text with its shingles."""
    return Shingled(text, frozenset(_shingles(text.whole).tolist()))


def compare(one: Shingled, other: Shingled) -> CopyKind | None:
    """Whether and how the two are copies."""
    if one.text.whole == other.text.whole:
        return CopyKind.EXACT
    first, second = len(one.shingles), len(other.shingles)
    shorter = min(first, second)
    if shorter >= NEAR * max(first, second) or shorter >= _LONG_ENOUGH:
        common = len(one.shingles & other.shingles)
        if common >= NEAR * (first + second - common):
            return CopyKind.NEAR
        if shorter >= _LONG_ENOUGH and common >= CONTAINED * shorter:
            return CopyKind.NEAR
    title = one.text.title
    same_title = title == other.text.title and weight(title) >= HEADLINE
    if one.text.is_article and other.text.is_article and same_title:
        return CopyKind.SYNDICATED
    return None


def fullest(texts: Sequence[Text]) -> int:
    """The place of the copy that says most."""
    return max(range(len(texts)), key=lambda place: len(texts[place].whole))


def weight(letters: str) -> float:
    """How much a reduced text says, in syllables."""
    wide = sum(map(len, _WIDE.findall(letters)))
    return wide + 0.4 * (len(letters) - wide)


def _letters(text: str) -> str:
    return _NOT_TEXT.sub("", text.lower())


def _shingles(letters: str) -> NDArray[np.uint64]:
    """A hash of each shingle, repeats included; of a text shorter than one, of the text."""
    codes = np.frombuffer(letters.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    length = min(SHINGLE, len(codes))
    if not length:
        return np.zeros(1, dtype=np.uint64)
    count = len(codes) - length + 1
    hashes = np.full(count, 0xCBF29CE484222325, dtype=np.uint64)
    for place in range(length):
        hashes = (hashes ^ codes[place : place + count]) * _MULTIPLIER
    return hashes ^ (hashes >> np.uint64(29))


def _banded(shingles: NDArray[np.uint64], count: int, *, first: int) -> list[int]:
    """The keys of ``count`` bands; ``first`` is the number of the first of them."""
    factors, offsets = _permutations()
    used = slice(first * ROWS, (first + count) * ROWS)
    permuted = factors[used, None] * shingles + offsets[used, None]
    lowest = permuted.min(axis=1).reshape(count, ROWS) >> np.uint64(16)
    mixed = np.arange(first + 1, first + count + 1, dtype=np.uint64) * np.uint64(_GOLDEN)
    for row in lowest.T:
        mixed = (mixed ^ row) * _MULTIPLIER
        mixed ^= mixed >> np.uint64(32)
    keys: list[int] = mixed.astype(np.int64).tolist()
    return keys


@cache
def _permutations() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Multiply-shift hash functions, the same on every machine."""
    state, drawn = 0x2545F4914F6CDD1D, []
    for _ in range(2 * ROWS * (BANDS + HEAD_BANDS + 1)):
        # SplitMix64 (Steele, Lea & Flood 2014)
        state = (state + _GOLDEN) & 0xFFFFFFFFFFFFFFFF
        z = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
        drawn.append(z ^ (z >> 31))
    values = np.array(drawn, dtype=np.uint64)
    half = len(values) // 2
    return values[:half] | np.uint64(1), values[half:]
