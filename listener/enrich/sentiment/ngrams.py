"""Hashed character n-grams of a batch of texts, the features that a text model is made of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

ORDERS: Final = 4  # n-grams of 1 to 4 characters
_MULTIPLIER: Final = np.uint32(0x01000193)
_MIX: Final = np.uint32(0x9E3779B1)
_SALTS: Final = tuple(np.uint32(n * 0x85EBCA6B & 0xFFFFFFFF) for n in range(1, ORDERS + 1))

# Opinions stand at the ends of a long text; and a batch of novels must fit into memory.
_HEAD: Final = 1200
_TAIL: Final = 600

_NOISE: Final = re.compile(r"https?://\S+|www\.\S+|@[\w.\-]+|\S+@\S+\.\w+")
_MAYBE_NOISE: Final = re.compile(r"[@]|://|www\.")


@dataclass(frozen=True, slots=True)
class Grams:
    """The hashed n-grams of a batch of texts.

    ``buckets[n - 1][i]`` is the bucket of the n-gram that starts at character i of the whole batch;
    the number of buckets itself stands for "reaches over the end of its text". ``starts`` is where
    each text begins, ``counts`` how many n-grams of all orders it has.
    """

    buckets: tuple[NDArray[np.intp], ...]
    starts: NDArray[np.intp]
    counts: NDArray[np.float64]


def hash_ngrams(texts: Sequence[str], size: int) -> Grams:
    """Fold the texts and hash their n-grams. Same on every machine."""
    return hash_codes(fold(texts), size)


def fold(texts: Sequence[str]) -> NDArray[np.uint32]:
    """The texts as code points, one after the other, each with a 0 in front and a blank around.

    Texts are lowered, digits are one, spaces and addresses are one blank, and a character repeated
    more than twice counts twice: ㅋㅋㅋㅋㅋ is ㅋㅋ.
    """
    joined = "".join(f"\0 {_trim(text)} " for text in texts)
    points = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    codes = _fold_table()[np.minimum(points, 0x1FFFF)]
    keep = np.ones(len(codes), dtype=bool)
    same = codes[1:] == codes[:-1]
    keep[1:] = ~(same & (codes[1:] == 0x20))
    keep[2:] &= ~(same[1:] & same[:-1])
    kept: NDArray[np.uint32] = codes[keep]
    return kept


def hash_codes(codes: NDArray[np.uint32], size: int) -> Grams:
    """Hash the n-grams of folded texts into ``size`` buckets, a power of two."""
    ends = codes == 0
    starts = np.flatnonzero(ends)
    lengths = np.diff(starts, append=len(codes)) - 1
    counts = sum(np.maximum(lengths - n, 0) for n in range(ORDERS))

    shift = np.uint32(33 - size.bit_length())
    buckets: list[NDArray[np.intp]] = []
    rolling = codes + np.uint32(1)
    over = ends
    for order in range(ORDERS):
        if order:
            rolling = rolling[:-1] * _MULTIPLIER + codes[order:]
            over = over[:-1] | ends[order:]
        bucket = (((rolling ^ _SALTS[order]) * _MIX) >> shift).astype(np.intp)
        bucket[over] = size
        buckets.append(bucket)
    return Grams(tuple(buckets), starts, np.maximum(counts, 1).astype(np.float64))


def _trim(text: str) -> str:
    if len(text) > _HEAD + _TAIL:
        text = f"{text[:_HEAD]} {text[-_TAIL:]}"
    if _MAYBE_NOISE.search(text):
        text = _NOISE.sub(" ", text)
    return text.replace("\0", " ")


@cache
def _fold_table() -> NDArray[np.uint32]:
    """Code point -> code point for the first two planes."""
    table = np.arange(0x20000, dtype=np.uint32)
    table[1:0x21] = 0x20
    table[[0x7F, 0x85, 0xA0, 0x3000, 0xFE0F, 0x200B, 0x200C, 0x200D, 0xFEFF]] = 0x20
    table[0x2000:0x200B] = 0x20
    table[0x41:0x5B] += 0x20
    table[0x30:0x3A] = 0x30
    table[0xFF01:0xFF5F] = table[0x21:0x7F]
    return table
