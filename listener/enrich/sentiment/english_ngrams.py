"""Hashes the words and word pairs of cleaned English texts, a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

_MULTIPLIER: Final = np.uint32(0x01000193)
_INVERSE: Final = np.uint32(pow(0x01000193, -1, 1 << 32))
_MIX: Final = np.uint32(0x9E3779B1)
_BLANK: Final = 0x20
_WORD, _PAIR = (np.uint32(n * 0x85EBCA6B & 0xFFFFFFFF) for n in (1, 2))


@dataclass(frozen=True, slots=True)
class Hashed:
    """Buckets of words, then of word pairs, and the text of each.

    The first ``words`` of them are single words; ``counts`` is how many of both each text has.
    """

    buckets: NDArray[np.intp]
    rows: NDArray[np.intp]
    words: int
    counts: NDArray[np.intp]


def hash_texts(texts: Sequence[str], size: int) -> Hashed:
    """Hash texts of tokens joined by single blanks into ``size`` buckets, a power of two.

    Same on every machine. Hashes are polynomials modulo 2**32, so a word's is the difference of two
    sums over the whole batch, brought back to power 0 by the inverse of the multiplier.
    """
    joined = "".join(f"\0 {text} " for text in texts)
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    ends = codes == 0
    row_of = np.cumsum(ends) - 1
    powers, inverses = _powers(1 << max(len(codes).bit_length(), 12))
    sums = np.zeros(len(codes) + 1, dtype=np.uint32)
    np.cumsum(codes * powers[: len(codes)], dtype=np.uint32, out=sums[1:])

    blanks = np.flatnonzero(codes == _BLANK)
    first, last = blanks[:-1] + 1, blanks[1:]
    inside = (last > first) & ~ends[first]
    first, last = first[inside], last[inside]
    words = (sums[last] - sums[first]) * inverses[first] + _WORD
    rows = row_of[first]
    together = rows[1:] == rows[:-1]
    pairs = (words[:-1] * _MULTIPLIER ^ words[1:])[together] + _PAIR

    hashes = np.concatenate([words, pairs])
    all_rows = np.concatenate([rows, rows[1:][together]])
    shift = np.uint32(33 - size.bit_length())
    return Hashed(
        buckets=((hashes ^ hashes >> np.uint32(15)) * _MIX >> shift).astype(np.intp),
        rows=all_rows,
        words=len(words),
        counts=np.bincount(all_rows, minlength=len(texts)),
    )


@cache
def _powers(count: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Powers of the multiplier and of its inverse, modulo 2**32."""
    powers = np.full(count, _MULTIPLIER, dtype=np.uint32)
    inverses = np.full(count, _INVERSE, dtype=np.uint32)
    powers[0] = inverses[0] = 1
    return np.cumprod(powers, dtype=np.uint32), np.cumprod(inverses, dtype=np.uint32)
