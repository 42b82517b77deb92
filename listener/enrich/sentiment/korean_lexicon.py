"""Finds the words of the service lexicon in a batch of texts: polarity, negation, contrast."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Final

import numpy as np
from numpy.typing import NDArray

from listener.enrich.sentiment.ngrams import fold

LONGEST: Final = 6  # characters of an entry without blanks; what is longer is cut, and still rare
CLASSES: Final = 8  # of hits: weak or strong, praise or blame, meant or denied
DENSE: Final = 12  # numbers that sum up the hits of a text

_MULTIPLIER: Final = np.uint32(0x01000193)
_MIX: Final = np.uint32(0x85EBCA6B)
_FOLDED: Final = np.uint32(0x5BD1E995)
_SALTS: Final = tuple(np.uint32(n * 0x9E3779B1 & 0xFFFFFFFF) for n in range(LONGEST + 1))
_SLOTS: Final = np.uint32(16)  # bits of a hash that are left when it is shifted into a slot

# A denial stands within this many characters behind what it denies, and in the same sentence.
_REACH: Final = 5
_STOPS: Final = np.array([0, *map(ord, ".!?,~;")], dtype=np.uint32)
_FIRST_SYLLABLE, _LAST_SYLLABLE = 0xAC00, 0xD7A3
_EU, _EO, _A, _AE = 18, 4, 0, 1  # vowels by their place in Unicode's order

Bools = NDArray[np.bool_]
Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the lexicon. A stem that ends in "~" also stands for what its last syllable becomes
    when it is inflected: 느리~ is 느린, 느려, 느림. Blanks are optional in texts.

    ``polarity`` is -3..3; 0 in the areas "negation" and "contrast".
    """

    stem: str
    polarity: int
    area: str


@dataclass(frozen=True, slots=True)
class Hits:
    """Entries found in a batch, at most one at a place; all arrays are parallel."""

    rows: Places  # which text
    places: Places  # where in the folded codes of the batch it begins
    order: Places  # places in order of the batch
    polarity: NDArray[np.float32]  # as the lexicon has it
    denied: Bools
    turned: Bools  # behind the last contrast of a text that has one


@dataclass(frozen=True)
class Lexicon:
    """The lexicon as sorted hashes: part of a model file, so that old models keep theirs."""

    keys: NDArray[np.uint32]
    polarity: NDArray[np.int8]  # of each key
    negations: NDArray[np.uint32]
    contrasts: NDArray[np.uint32]

    @cached_property
    def _slots(self) -> tuple[Bools, Bools, Bools]:
        return _slots_of(self.keys), _slots_of(self.negations), _slots_of(self.contrasts)

    def find(self, codes: NDArray[np.uint32]) -> Hits:
        """All hits in folded codes (see ngrams.fold). The longest entry at a place wins."""
        inked = np.flatnonzero(codes != 0x20)
        plain = codes[inked]
        first = np.ones(len(plain), dtype=bool)  # begins a word
        first[1:] = (np.diff(inked) > 1) | (plain[:-1] == 0)
        words = np.cumsum(first)
        rows = np.cumsum(plain == 0) - 1
        hashes = _hashes(plain)
        slots, negation_slots, contrast_slots = self._slots

        covered = np.zeros(len(plain) + LONGEST, dtype=bool)
        places: list[Places] = []
        ends: list[Places] = []
        found: list[NDArray[np.int8]] = []
        for length in range(LONGEST, 0, -1):
            here = np.zeros(len(plain), dtype=np.int8)
            for hashed in hashes[length - 1]:
                start, key = _look_up(hashed, self.keys, slots)
                if length <= 2:
                    whole = (
                        words[start] == words[start + length - 1] if length == 2 else first[start]
                    )
                    whole |= (plain[start] > _LAST_SYLLABLE) | (plain[start] < 0x1100)
                    start, key = start[whole], key[whole]
                here[start] = self.polarity[key]
            start = np.flatnonzero(here)
            start = start[~covered[start]]
            if len(start) and length > 1:
                # Of two that overlap the first wins.
                start = start[np.diff(start, prepend=-LONGEST) >= length]
            for offset in range(length):
                covered[start + offset] = True
            places.append(start)
            ends.append(start + length)
            found.append(here[start])
        place, end = np.concatenate(places), np.concatenate(ends)
        stops = np.isin(plain, _STOPS)
        denied = self._denied(
            plain, first, stops, place, end, _marks(hashes, self.negations, negation_slots)
        )
        contrast = np.flatnonzero(_marks(hashes, self.contrasts, contrast_slots))
        last = np.full(int(rows[-1]) + 1, -1, dtype=np.intp)
        last[rows[contrast]] = contrast
        row = rows[place]
        return Hits(
            rows=row,
            places=inked[place],
            order=np.argsort(place),
            polarity=np.concatenate(found).astype(np.float32),
            denied=denied,
            turned=(last[row] >= 0) & (place > last[row]),
        )

    @staticmethod
    def _denied(
        plain: NDArray[np.uint32],
        first: Bools,
        stops: Bools,
        place: Places,
        end: Places,
        marks: Bools,
    ) -> Bools:
        count = len(plain)
        before = np.concatenate(([0], np.cumsum(marks)))
        nearest = np.minimum.accumulate(np.where(stops, np.arange(count), count)[::-1])[::-1]
        nearest = np.append(nearest, count)
        limit = np.maximum(np.minimum(np.minimum(end + _REACH, count), nearest[end]), end)
        prior = np.maximum(place - 1, 0)
        refused = ((plain[prior] == ord("안")) | (plain[prior] == ord("못"))) & first[prior]
        denied: Bools = (before[limit] > before[end]) | refused
        return denied


def summary(hits: Hits, count: int) -> NDArray[np.float32]:
    """The hits of each of ``count`` texts as ``DENSE`` numbers, about -3..3."""
    table = np.zeros((count, DENSE))
    strength = np.abs(hits.polarity)
    kind = (hits.polarity < 0).astype(np.intp) + 2 * hits.denied
    table[:, :4] = np.bincount(hits.rows * 4 + kind, weights=strength, minlength=count * 4).reshape(
        -1, 4
    )
    table[:, 4:8] = np.bincount(
        hits.rows * 4 + kind, weights=strength * hits.turned, minlength=count * 4
    ).reshape(-1, 4)
    balance = table[:, 0] + table[:, 3] - table[:, 1] - table[:, 2]
    table[:, :8] = np.log1p(table[:, :8])
    meant = np.where(hits.denied, -hits.polarity, hits.polarity)
    table[hits.rows[hits.order], 8] = meant[hits.order]
    backwards = hits.order[::-1]
    table[hits.rows[backwards], 9] = meant[backwards]
    table[:, 10] = np.tanh(balance)
    table[:, 11] = np.tanh(balance / 4)
    return table.astype(np.float32)


def classes(hits: Hits) -> Places:
    """The class of each hit, 0..CLASSES-1."""
    strong = np.abs(hits.polarity) > 2
    return (hits.polarity < 0) + 2 * hits.denied.astype(np.intp) + 4 * strong


def compile_lexicon(entries: Iterable[Entry]) -> Lexicon:
    """Hash the entries. Of equal ones the first counts."""
    keys: dict[int, int] = {}
    marks: dict[str, set[int]] = {"negation": set(), "contrast": set()}
    for entry in entries:
        for hashed in _keys(entry.stem):
            if entry.area in marks:
                marks[entry.area].add(hashed)
            else:
                keys.setdefault(hashed, entry.polarity)
    ordered = sorted(keys)
    return Lexicon(
        np.array(ordered, dtype=np.uint32),
        np.array([keys[key] for key in ordered], dtype=np.int8),
        np.array(sorted(marks["negation"]), dtype=np.uint32),
        np.array(sorted(marks["contrast"]), dtype=np.uint32),
    )


def read_entries() -> list[Entry]:
    """The lexicon that models are trained with."""
    file = resources.files("listener.enrich.sentiment").joinpath("korean_lexicon.tsv")
    rows = csv.DictReader(
        file.read_text("utf-8").splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE
    )
    return [Entry(row["stem"], int(row["polarity"]), row["area"]) for row in rows]


def _keys(stem: str) -> list[int]:
    inflected = stem.endswith("~") and len(stem) > 1
    forms = _forms(stem[:-1]) if inflected else [stem]
    found = []
    for form in forms:
        codes = fold([form])
        codes = codes[(codes != 0x20) & (codes != 0)]
        if len(codes):
            cut = codes[:LONGEST]
            folded = inflected and len(cut) == len(codes)
            found.append(int(_hashes(cut)[len(cut) - 1][folded][0]))
    return found


def _forms(stem: str) -> list[str]:
    """하 may become 해, and 으 is lost before 어 and 아: 편하다, 편해; 예쁘다, 예뻐."""
    initial, vowel = divmod((ord(stem[-1]) - _FIRST_SYLLABLE) // 28, 21)
    others = [_AE] if stem[-1] == "하" else [_EO, _A] if vowel == _EU else []
    return [stem, *(stem[:-1] + chr(_FIRST_SYLLABLE + initial * 588 + v * 28) for v in others)]


def _hashes(plain: NDArray[np.uint32]) -> list[tuple[NDArray[np.uint32], NDArray[np.uint32]]]:
    """By length: hashes of what begins at each place, as it stands and with its end folded."""
    stems = _stem_table()[plain]
    rolling, found = plain[:0], []
    for length in range(1, LONGEST + 1):
        if length == 1:
            exact, folded = plain + np.uint32(1), stems + np.uint32(1)
        else:
            shifted = rolling[:-1] * _MULTIPLIER
            exact, folded = shifted + plain[length - 1 :], shifted + stems[length - 1 :]
        rolling = exact
        salt = _SALTS[length]
        found.append(((exact ^ salt) * _MIX, (folded ^ (salt ^ _FOLDED)) * _MIX))
    return found


def _look_up(
    hashed: NDArray[np.uint32], keys: NDArray[np.uint32], slots: Bools
) -> tuple[Places, Places]:
    """Where a hash is one of the keys, and of which."""
    start = np.flatnonzero(slots[hashed >> _SLOTS])
    wanted = hashed[start]
    key = np.searchsorted(keys, wanted)
    right = keys[np.minimum(key, len(keys) - 1)] == wanted
    return start[right], key[right]


def _marks(
    hashes: Sequence[tuple[NDArray[np.uint32], NDArray[np.uint32]]],
    keys: NDArray[np.uint32],
    slots: Bools,
) -> Bools:
    marks = np.zeros(len(hashes[0][0]), dtype=bool)
    if len(keys):
        for exact, _ in hashes[:4]:
            marks[_look_up(exact, keys, slots)[0]] = True
    return marks


def _slots_of(keys: NDArray[np.uint32]) -> Bools:
    slots = np.zeros(1 << 16, dtype=bool)
    slots[keys >> _SLOTS] = True
    return slots


@cache
def _stem_table() -> NDArray[np.uint32]:
    """Code point -> code point without final consonant, with its vowel as in the dictionary form:
    려 -> 리, 와 -> 오, 워 -> 우, 돼 -> 되.
    """
    table = np.arange(0x20000, dtype=np.uint32)
    place = np.arange(_LAST_SYLLABLE + 1 - _FIRST_SYLLABLE)
    vowels = np.arange(21)
    vowels[[3, 5, 6, 7, 9, 10, 14, 15]] = (1, 1, 20, 1, 8, 11, 13, 11)
    initial, vowel = place // 588, place % 588 // 28
    table[_FIRST_SYLLABLE : _LAST_SYLLABLE + 1] = (
        _FIRST_SYLLABLE + initial * 588 + vowels[vowel] * 28
    )
    return table
